from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sfc_cli.download import locks
from sfc_cli.download.locks import FileLock
from sfc_cli.errors import InputError

HOLD = """
import sys, time
from pathlib import Path
from sfc_cli.download.locks import FileLock
with FileLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_file_lock__survives_kill_minus_9_of_its_holder(tmp_path: Path) -> None:
    target = tmp_path / "file"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(target)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    waited = threading.Event()
    taken = threading.Event()

    def take() -> None:
        with FileLock(target, waited.set):
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
    assert list(tmp_path.iterdir()) == []


ADD = """
import sys, time
from pathlib import Path
from sfc_cli.download import locks
locks.POLL_SECONDS = 0.001
counter = Path(sys.argv[1])
for _ in range(20):
    with locks.FileLock(counter):
        value = int(counter.read_text())
        time.sleep(0.0005)
        counter.write_text(str(value + 1))
"""


def test_file_lock__excludes_processes_although_its_file_is_removed(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    workers = [subprocess.Popen([sys.executable, "-c", ADD, str(counter)]) for _ in range(3)]
    assert [worker.wait(30) for worker in workers] == [0, 0, 0]
    assert counter.read_text() == "60"


def test_file_lock__removed_between_opening_and_locking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock_file = tmp_path / ".file.lock"
    really_try = locks._try_lock
    removed = []

    def holder_leaves_first(descriptor: int) -> bool:
        if not removed:
            removed.append(lock_file.stat())
            lock_file.unlink()
        return really_try(descriptor)

    monkeypatch.setattr(locks, "_try_lock", holder_leaves_first)
    with FileLock(tmp_path / "file"):
        assert removed
        assert lock_file.exists(), "a lock on a file without a name would exclude nobody"


def test_file_lock__excludes_threads(tmp_path: Path) -> None:
    target = tmp_path / "file"
    waited = threading.Event()
    with FileLock(target):
        thread = threading.Thread(target=lambda: FileLock(target, waited.set).__enter__(), daemon=True)
        thread.start()
        assert waited.wait(5)
        assert thread.is_alive()
    thread.join(5)
    assert not thread.is_alive()


def test_file_lock__no_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot lock .*No such file"), FileLock(tmp_path / "no" / "file"):
        pass
