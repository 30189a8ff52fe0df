"""Interruptions, rivals and a full disk, with real processes; they fetch a data set, which needs no torch."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.download.loopback import ETAG, Loopback, davis_zip, in_turn, send, visible, whole

# A test run in the background ignores the interrupt, and its children would inherit that.
PROGRAM = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("sfc_cli", run_name="__main__", alter_sys=True)
"""
FILE = "DAVIS-2017-trainval-480p.zip"


@pytest.fixture
def start(loopback: Loopback, tmp_path: Path) -> Callable[..., subprocess.Popen[str]]:
    entry = {"sources": [loopback.url("/file")]}
    (tmp_path / "sfc.yaml").write_text(yaml.safe_dump({"download": {"davis": entry}}))

    def run(*before: str) -> subprocess.Popen[str]:
        command = [*before, sys.executable, "-c", PROGRAM, "download", "davis"]
        return subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return run


@pytest.fixture(scope="module")
def body() -> bytes:
    return davis_zip({"DAVIS/JPEGImages/480p/filler": os.urandom(400_000)})


def half_then_silence(body: bytes) -> Any:
    def answer(handler: Any, _: int) -> None:
        send(handler, 200, body[: len(body) // 2], {"ETag": ETAG}, declared=len(body))
        handler.wfile.flush()
        time.sleep(90)

    return answer


def wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.02)


def size_of(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@pytest.mark.parametrize("sign", [signal.SIGKILL, signal.SIGINT])
def test_download__interrupted_then_continued(
    loopback: Loopback, body: bytes, start: Any, tmp_path: Path, sign: signal.Signals
) -> None:
    loopback.serve("/file", in_turn(half_then_silence(body), whole(body)))
    part = tmp_path / "data" / f"{FILE}.part"
    first = start()
    wait_until(lambda: size_of(part) == len(body) // 2)
    first.send_signal(sign)
    out, err = first.communicate(timeout=60)
    assert first.returncode == (130 if sign == signal.SIGINT else -signal.SIGKILL)
    assert out == ""
    assert "Traceback" not in err
    assert ("type the same command to go on" in err) == (sign == signal.SIGINT)
    assert not (tmp_path / "data" / "davis").exists()

    second = start()
    out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert loopback.ranges("/file") == ["", f"bytes={len(body) // 2}-"]
    assert "davis: continuing at" in err
    assert (tmp_path / "data" / "davis" / "JPEGImages" / "480p" / "bear" / "00000.jpg").is_file()
    assert visible(tmp_path / "data") == ["davis"]


def test_download__two_at_once(loopback: Loopback, body: bytes, start: Any) -> None:
    def slowly(handler: Any, _: int) -> None:
        send(handler, 200, b"", {"ETag": ETAG}, declared=len(body))
        for start in range(0, len(body), 50_000):
            handler.wfile.write(body[start : start + 50_000])
            time.sleep(0.1)

    loopback.serve("/file", slowly)
    rivals = [start(), start()]
    answers = [rival.communicate(timeout=60) for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0, 0], answers
    assert len(loopback.seen) == 1, "the second one found the first one's file"
    assert sorted(out for out, _ in answers) == [
        "davis: already there and complete, 1 sequence: data/davis\n",
        "davis: unpacked: data/davis\n",
    ]
    assert sum("waiting for another sfc download" in err for _, err in answers) == 1


def _can_mount() -> bool:
    if shutil.which("unshare") is None:
        return False
    probe = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("declared", [True, False])
def test_download__full_disk(
    loopback: Loopback, body: bytes, start: Any, tmp_path: Path, declared: bool
) -> None:
    if not _can_mount():
        pytest.skip("a small file system needs a user namespace, which is not permitted here")

    def undeclared(handler: Any, _: int) -> None:
        handler.send_response(200)
        handler.send_header("Connection", "close")
        handler.end_headers()
        handler.wfile.write(body * 5)
        handler.close_connection = True

    loopback.serve("/file", whole(body * 5) if declared else undeclared)
    (tmp_path / "data").mkdir()
    script = 'mount -t tmpfs -o size=1m none data && "$@"; code=$?; ls -A data; exit $code'
    small = start("unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script, "sh")
    out, err = small.communicate(timeout=60)
    assert small.returncode == 3, err
    assert "davis\n" not in out
    if declared:
        assert "needs 2.0 MB more" in err
        assert "free" in err
    else:
        assert f"No space left for data/{FILE}.part" in err
        assert f"{FILE}.part\n" in out
        assert "it continues where it stopped" in err
