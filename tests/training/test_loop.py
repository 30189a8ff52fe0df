from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.loop import DivergedError, Outcome, Training
from sfc_cli.training.metrics import MetricsFile, StepRecord

CPU = torch.device("cpu")


class Recorder:
    def __init__(self, on_step: Callable[[StepRecord], None] | None = None) -> None:
        self.records: list[StepRecord] = []
        self.notes: list[str] = []
        self._on_step = on_step

    @property
    def losses(self) -> list[float]:
        return [record.loss for record in self.records]

    def on_step(self, record: StepRecord) -> None:
        self.records.append(record)
        if self._on_step:
            self._on_step(record)

    def on_note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        pass


def train(
    index: FrameIndex,
    output: Path,
    settings: PretrainingSettings,
    recorder: Recorder | None = None,
    **more: object,
) -> tuple[Recorder, Outcome]:
    output.mkdir(exist_ok=True)
    recorder = recorder or Recorder()
    training = Training(settings, index, output, device=CPU, **more)  # type: ignore[arg-type]
    return recorder, training.run([recorder])


def test_run__resumes_to_the_losses_of_an_unbroken_run(
    index: FrameIndex, tmp_path: Path, small: Callable
) -> None:
    whole, outcome = train(index, tmp_path / "whole", small(epochs=4, batch_size=4))
    network = tmp_path / "whole" / "pretrained_fc.pth"
    assert outcome == Outcome(ending="finished", step=8, total_steps=8, network=network)
    # In three parts, one of which ends in the middle of an epoch.
    first, outcome = train(index, tmp_path / "parts", small(epochs=4, batch_size=4, steps=3))
    network = tmp_path / "parts" / "pretrained_fc.pth"
    assert outcome == Outcome(ending="steps", step=3, total_steps=8, network=network)
    torch.manual_seed(99)
    second, _ = train(index, tmp_path / "parts", small(epochs=4, batch_size=4, steps=4), resume=True)
    third, outcome = train(index, tmp_path / "parts", small(epochs=4, batch_size=4, workers=1), resume=True)
    assert outcome.ending == "finished"
    assert first.losses + second.losses + third.losses == whole.losses
    assert [record.step for record in third.records] == list(range(5, 9))
    ends = [read_checkpoint(tmp_path / name / "pretrained_fc.pth") for name in ("whole", "parts")]
    assert ends[0]["epoch"] == ends[1]["epoch"] == 3
    for key, value in ends[0]["model"].items():
        assert torch.equal(ends[1]["model"][key], value), key


def test_run__lowers_the_loss(index: FrameIndex, tmp_path: Path, small: Callable) -> None:
    recorder, _ = train(index, tmp_path / "out", small(epochs=4, batch_size=4))
    assert sum(recorder.losses[-2:]) / 2 < sum(recorder.losses[:2]) / 2 - 0.2


def test_run__is_decided_by_the_seed(index: FrameIndex, tmp_path: Path, small: Callable) -> None:
    runs = [
        train(index, tmp_path / f"{n}", small(steps=2, seed=seed))[0].losses
        for n, seed in enumerate((1, 1, 2))
    ]
    assert runs[0] == runs[1]
    assert runs[0] != runs[2]


def test_run__records_the_schedule(index: FrameIndex, tmp_path: Path, small: Callable) -> None:
    recorder, _ = train(index, tmp_path / "out", small(epochs=2))
    assert [record.epoch for record in recorder.records] == [1] * 4 + [2] * 4
    assert recorder.records[0].momentum == pytest.approx(0.99)
    assert recorder.records[4].momentum == pytest.approx(0.995)
    assert all(record.images_per_second > 0 and record.memory_bytes > 0 for record in recorder.records)


def test_run__saves_and_stops_on_sigterm(index: FrameIndex, tmp_path: Path, small: Callable) -> None:
    def ask_to_stop(record: StepRecord) -> None:
        if record.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    recorder, outcome = train(index, tmp_path / "out", small(epochs=4), Recorder(ask_to_stop))
    assert outcome.ending == "signal"
    assert outcome.signal == signal.SIGTERM
    assert 3 < outcome.step < 7
    assert signal.getsignal(signal.SIGTERM) == before
    rest, _ = train(index, tmp_path / "out", small(epochs=4), resume=True)
    whole, _ = train(index, tmp_path / "whole", small(epochs=4))
    assert recorder.losses + rest.losses == whole.losses


def test_run__stops_at_an_infinite_loss_and_keeps_the_last_good_checkpoint(
    index: FrameIndex, tmp_path: Path, small: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = small(save_every=2)
    training = Training(settings, index, tmp_path, device=CPU)
    step = training.stepper.step
    monkeypatch.setattr(
        training.stepper,
        "step",
        lambda batches, momentum: step(batches, momentum) * (float("nan") if training.step == 2 else 1),
    )
    with pytest.raises(DivergedError) as caught:
        training.run()
    message = caught.value.message
    assert "became NaN or infinite at step 3. " in message
    assert all(str(request.path) in message for request in training.plan.batch(2, 0, 0))
    assert f"{tmp_path / 'state.pt'}, of step 2" in message
    assert read_checkpoint(tmp_path / "state.pt")["step"] == 2


def test_run__skips_unreadable_files_up_to_the_limit(
    index: FrameIndex, tmp_path: Path, small: Callable
) -> None:
    for frame in (0, 1):
        index.path(0, frame).write_bytes(b"damaged since it was indexed")
    recorder, outcome = train(index, tmp_path / "out", small(epochs=1, frames_per_video=9, max_unreadable=2))
    assert outcome.ending == "finished"
    assert len(recorder.notes) == 2
    assert all("skipped: " in note and "frames/a" in note for note in recorder.notes)
    with pytest.raises(InputError, match="2 files could not be read, more than the 1 of `max_unreadable`"):
        train(index, tmp_path / "strict", small(epochs=1, max_unreadable=1))


def test_run__steps_once_for_all_accumulated_batches(
    index: FrameIndex, tmp_path: Path, small: Callable
) -> None:
    training = Training(small(batch_size=2, accumulate=2), index, tmp_path, device=CPU)
    steps: list[float] = []
    optimizer_step = training.stepper.optimizer.step
    training.stepper.optimizer.step = lambda: steps.append(training.step) or optimizer_step()  # type: ignore[method-assign]
    assert training.plan.steps_per_epoch == 2
    training.run()
    assert steps == [0, 1, 2, 3]


@pytest.mark.slow
def test_command__survives_kill_nine(index: FrameIndex, tmp_path: Path, small: Callable) -> None:
    """Kill a real process at some step, resume it, and find the losses of an unbroken run."""
    settings = small(epochs=3)
    whole, _ = train(index, tmp_path / "whole", settings)
    output = tmp_path / "killed"
    command = [
        sys.executable, "-m", "sfc_cli", "pretrain", "--data", str(index.root), "--output", str(output),
        "--epochs", "3", "--batch-size", "2", "--crop-size", "32", "--last-layer", "layer3",
        "--hidden-channels", "8", "--out-channels", "4", "--workers", "0", "--check-every", "0",
        "--save-every", "1", "--precision", "fp32", "--device", "cpu",
    ]  # fmt: skip
    process = subprocess.Popen(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    try:
        # Minutes, on a machine that is busy with other tests.
        for _ in range(4000):
            time.sleep(0.05)
            metrics = output / "metrics.jsonl"
            if process.poll() is not None or (metrics.is_file() and metrics.read_text().count("\n") >= 4):
                break
        assert process.poll() is None, "it ended before it could be killed"
    finally:
        process.kill()
        process.wait()
    training = Training(settings, index, output, device=CPU, resume=True)
    assert training.step >= 3
    recorder = MetricsFile(output, training.step)
    assert training.run([recorder]).ending == "finished"
    recorder.close()
    lines = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 13))
    assert [line["loss"] for line in lines] == whole.losses
