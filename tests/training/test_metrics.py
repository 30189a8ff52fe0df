from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from sfc_cli.commands.displays import Bars, JsonLines, Lines
from sfc_cli.errors import InputError
from sfc_cli.training.metrics import MetricsFile, ProgressWatcher, StepRecord, TensorBoardFile


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


def test_metrics_file__starts_again_at_step_zero(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text('{"step": 9}\n')
    again = MetricsFile(tmp_path, 0)
    # A kill before the first step leaves what there was.
    assert (tmp_path / "metrics.jsonl").read_text() == '{"step": 9}\n'
    again.on_step(record(1))
    assert [json.loads(line)["step"] for line in (tmp_path / "metrics.jsonl").open()] == [1]
    again.close()


def test_metrics_file__names_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"Cannot write .*metrics\.jsonl"):
        MetricsFile(tmp_path / "missing", 0)


def test_progress_watcher__prints_plain_lines_off_a_terminal(capsys: pytest.CaptureFixture) -> None:
    watcher = ProgressWatcher(Lines(), 0, 3)
    for step in (1, 2, 3):
        watcher.on_step(record(step, data_seconds=step - 1.0))
    watcher.on_note("skipped: set/[a]/0.jpg")
    watcher.close()
    # The note, and where it ended; the steps fall into the seconds between two lines.
    assert capsys.readouterr().err.splitlines() == [
        "training: 3 steps",
        "skipped: set/[a]/0.jpg",
        # 8 images/s in a step of 5 s are 40 images; three steps took 3 + 4 + 5 s, 3 of them waiting.
        "training: step 3/10 epoch 1/2 loss -1.5000 10.0 images/s data 25 % memory 3.0 GiB",
    ]


def test_progress_watcher__draws_a_bar_in_a_terminal(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "160")
    bars = Bars(each_part=False)
    watcher = ProgressWatcher(bars, 4, 5)
    watcher.on_step(record(5))
    watcher.close()
    bars.close()
    output = capsys.readouterr().err
    assert "━" in output
    assert "step 5/10" in output


def test_progress_watcher__hands_a_step_to_programs(capsys: pytest.CaptureFixture) -> None:
    watcher = ProgressWatcher(JsonLines(), 4, 5)
    watcher.on_step(record(5))
    watcher.close()
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["event"] for event in events] == ["plan", "begin", "advance", "finish"]
    assert (events[0]["total"], events[1]["total"], events[1]["done"]) == (1, 5, 4)
    for event in events[2:]:
        assert event.items() >= dataclasses.asdict(record(5)).items()


def test_progress_watcher__is_silent_when_nothing_is_left_to_do(capsys: pytest.CaptureFixture) -> None:
    ProgressWatcher(JsonLines(), 5, 5).close()
    assert capsys.readouterr().out == ""


def test_tensor_board_file__writes_events(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    watcher = TensorBoardFile(tmp_path, 0)
    watcher.on_step(record(1))
    watcher.on_note("a note")
    watcher.close()
    assert list(tmp_path.glob("events.out.tfevents.*"))
