"""Several processes share a run: the same files as from one."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.core.ranks import Ranks, gathered, read_ranks
from sfc_cli.errors import UsageError

NAMES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")


def test_read_ranks__alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    assert read_ranks() == Ranks(0, 1, 0, 1)
    assert gathered("x", Ranks()) == ["x"]


def test_read_ranks__torchrun(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in zip(NAMES, "5817", strict=True):
        monkeypatch.setenv(name, value)
    assert read_ranks() == Ranks(rank=5, world=8, local_rank=1, local_world=7)
    assert not read_ranks().leads


def test_read_ranks__incomplete(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(UsageError, match="RANK=\\(missing\\)"):
        read_ranks()
    monkeypatch.setenv("RANK", "one")
    with pytest.raises(UsageError, match=r"RANK=one, WORLD_SIZE=2, LOCAL_RANK=\(missing\)"):
        read_ranks()


@pytest.mark.slow
def test_propagate__two_processes_write_what_one_writes(
    make_davis: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_davis({"a": 4, "b": 3, "c": 2})
    launchers = {
        "one": [sys.executable, "-m", "sfc_cli"],
        "two": [
            sys.executable,
            "-m",
            "torch.distributed.run",
            "--standalone",
            "--nproc-per-node",
            "2",
            "-m",
            "sfc_cli",
        ],
    }
    for name, launcher in launchers.items():
        command = ["propagate", "--data", str(data), "--fc", "random18", "--output", str(tmp_path / name)]
        done = subprocess.run([*launcher, *command], capture_output=True, text=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
    files = {name: sorted((tmp_path / name).rglob("*.png")) for name in launchers}
    assert len(files["one"]) == 9
    for one, two in zip(files["one"], files["two"], strict=True):
        assert one.relative_to(tmp_path / "one") == two.relative_to(tmp_path / "two")
        assert one.read_bytes() == two.read_bytes()
    record = json.loads((tmp_path / "two" / "run.json").read_text())
    assert list(record["sequences"]) == ["a", "b", "c"]
