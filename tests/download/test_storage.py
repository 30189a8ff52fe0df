from __future__ import annotations

import copy
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sfc_cli.download.catalogue import Entry
from sfc_cli.download.storage import Folders, locked
from sfc_cli.errors import InputError

HOLD = """
import sys, time
from pathlib import Path
from sfc_cli.download.storage import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_locked__survives_kill_minus_9_of_its_holder(tmp_path: Path) -> None:
    target = tmp_path / "file"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waited = threading.Event()
    taken = threading.Event()

    def take() -> None:
        with locked(target, waited.set):
            taken.set()

    taker = threading.Thread(target=take, daemon=True)
    taker.start()
    assert waited.wait(10)
    assert not taken.is_set()
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait(10)
    assert taken.wait(10)
    taker.join(10)
    holder.stdout.close()
    assert not target.exists()


ADD = """
import sys, time
from pathlib import Path
from sfc_cli.download.storage import locked
counter = Path(sys.argv[1])
for _ in range(10):
    with locked(counter):
        value = int(counter.read_text())
        time.sleep(0.0005)
        counter.write_text(str(value + 1))
"""


def test_locked__excludes_processes(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", ADD, str(counter)]) for _ in range(3)]
    assert [worker.wait(30) for worker in workers] == [0, 0, 0]
    assert counter.read_text() == "30"


def test_locked__excludes_threads(tmp_path: Path) -> None:
    target = tmp_path / "file"
    waits: list[str] = []
    taken = threading.Event()

    def take() -> None:
        with locked(target, lambda: waits.append("once")):
            taken.set()

    thread = threading.Thread(target=take, daemon=True)
    with locked(target):
        thread.start()
        assert not taken.wait(0.3)
    assert taken.wait(5)
    thread.join(5)
    assert waits == ["once"], "waiting is told once, however often the lock is tried"


def test_locked__is_released_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), locked(tmp_path / "file"):
        raise KeyError
    with locked(tmp_path / "file", lambda: pytest.fail("somebody still holds it")):
        pass


def test_locked__folder_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "no").write_text("a file")
    hint = "Choose a folder that can be written to"
    with pytest.raises(InputError, match=f"Cannot lock .*{hint}"), locked(tmp_path / "no" / "file"):
        pass


NAMES = ["../x", "a/../../x", "/x", "C:\\x", "C:x", "\\x", ".."]


@pytest.mark.parametrize("name", NAMES)
def test_folders__never_lead_out(tmp_path: Path, name: str) -> None:
    # The catalogue refuses such names; the paths are made by a judge of their own all the same.
    entry = Entry(name="mine", file="mine.zip", folder="mine", contains=("JPEGImages",))
    for field in ("file", "folder"):
        forged = copy.copy(entry)
        object.__setattr__(forged, field, name)
        with pytest.raises(InputError, match="leads out of its folder"):
            Folders(checkpoints=tmp_path / "c", data=tmp_path / "d").file_of(forged)
    object.__setattr__(entry, "folder", None)
    object.__setattr__(entry, "file", name)
    with pytest.raises(InputError, match="leads out of its folder"):
        Folders(checkpoints=tmp_path).path_of(entry)
