from __future__ import annotations

import os
from pathlib import Path

import pytest

from sfc_cli.data.results import newest_run, runs_of
from sfc_cli.errors import InputError


def make_run(folder: Path, when: int) -> Path:
    folder.mkdir(parents=True)
    (folder / "run.json").write_text("{}")
    os.utime(folder / "run.json", (when, when))
    return folder


def test_newest_run__the_last_written(tmp_path: Path) -> None:
    make_run(tmp_path / "zebra", 100)
    newest = make_run(tmp_path / "deeper" / "ant", 300)
    make_run(tmp_path / "bee", 200)
    assert newest_run(tmp_path) == newest


def test_newest_run__none(tmp_path: Path) -> None:
    (tmp_path / "masks").mkdir()
    with pytest.raises(InputError, match="sfc propagate"):
        newest_run(tmp_path)
    with pytest.raises(InputError, match="gone"):
        newest_run(tmp_path / "gone")


def test_runs_of__lie_below_results() -> None:
    assert runs_of("davis") == Path("results/davis")
