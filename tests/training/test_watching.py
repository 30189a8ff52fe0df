from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from rich.console import Console

from sfc_cli.errors import InputError
from sfc_cli.training.console import ConsoleWatcher, show_preflight
from sfc_cli.training.preflight import Preflight
from sfc_cli.training.watching import MetricsFile, StepRecord, TensorBoardFile


def record(step: int, **changes: object) -> StepRecord:
    one = StepRecord(
        step=step, total_steps=10, epoch=1, epochs=2, loss=-1.5, momentum=0.99, images_per_second=8.0,
        data_seconds=1.0, step_seconds=3.0, memory_bytes=3 * 2**30,
    )  # fmt: skip
    return dataclasses.replace(one, **changes)  # type: ignore[arg-type]


def test_metrics_file__drops_lines_of_steps_that_were_lost(tmp_path: Path) -> None:
    first = MetricsFile(tmp_path, 0)
    for step in (1, 2):
        first.on_step(record(step))
    first.on_note("skipped: a file")
    for step in (3, 4):
        first.on_step(record(step))
    first.close()
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')
    again = MetricsFile(tmp_path, 3)
    again.on_step(record(4, loss=-2.0))
    again.close()
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [line.get("step", line.get("note")) for line in lines] == [1, 2, "skipped: a file", 3, 4]
    assert lines[-1]["loss"] == -2.0


def test_metrics_file__starts_anew_at_step_zero(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 9}\n')
    MetricsFile(tmp_path, 0).close()
    assert (tmp_path / "metrics.jsonl").read_text() == ""


def test_metrics_file__names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot write .*metrics\.jsonl"):
        MetricsFile(tmp_path / "missing", 0)


def test_console_watcher__prints_plain_lines_off_a_terminal(capsys: pytest.CaptureFixture) -> None:
    watcher = ConsoleWatcher(Console(stderr=True, force_terminal=False, width=60))
    for step in (1, 2, 3):
        watcher.on_step(record(step))
    watcher.on_note("skipped: set/[a]/0.jpg")
    watcher.close()
    lines = capsys.readouterr().err.splitlines()
    # The first step, the note, and where it ended; the others fall into the ten seconds between.
    assert len(lines) == 3
    assert lines[0] == ("step 1/10 epoch 1/2 loss -1.5000 8.0 images/s data 25 % memory 3.0 GiB left 0:00:36")
    assert lines[1] == "skipped: set/[a]/0.jpg"
    assert lines[2].startswith("step 3/10")


def test_console_watcher__draws_a_bar_in_a_terminal(capsys: pytest.CaptureFixture) -> None:
    watcher = ConsoleWatcher(Console(stderr=True, force_terminal=True, width=120))
    watcher.on_step(record(5))
    watcher.close()
    output = capsys.readouterr().err
    assert "━" in output
    assert "step 5/10" in output


def test_show_preflight__shows_rows_and_warnings(capsys: pytest.CaptureFixture) -> None:
    preflight = Preflight((("videos", "3"), ("data", "/a/[b]")), ("few videos",))
    show_preflight(Console(stderr=True, width=100), preflight)
    output = capsys.readouterr().err
    assert "videos" in output
    assert "/a/[b]" in output
    assert "warning: few videos" in output


def test_tensor_board_file__writes_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    watcher = TensorBoardFile(tmp_path, 0)
    watcher.on_step(record(1))
    watcher.on_note("a note")
    watcher.close()
    assert list(tmp_path.glob("events.out.tfevents.*"))
