from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.core.ranks import Ranks
from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.errors import InputError
from sfc_cli.training import saving
from sfc_cli.training.checkpoints import Identity
from sfc_cli.training.failures import DivergedError
from sfc_cli.training.loop import Training
from sfc_cli.training.metrics import StepRecord
from sfc_cli.training.saving import EPOCH_SECONDS, Saver
from sfc_cli.training.stepping import Stepper

CPU = torch.device("cpu")


class Clock:
    now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(saving, "time", clock)
    return clock


@pytest.fixture
def saver(tmp_path: Path, small: Callable) -> Saver:
    settings = small(save_every=500, save_minutes=10)
    identity = Identity(settings=settings, precision="fp32", data="abc", world=1)
    return Saver(tmp_path, identity, Stepper(settings, CPU, Ranks()), steps_per_epoch=20, writes=True)


def test_is_due__an_epoch_of_a_small_set_is_not_worth_a_save(clock: Clock, saver: Saver) -> None:
    saver._saved_at = clock.now
    assert not any(saver.is_due(step) for step in range(1, 500))
    assert saver.is_due(500)
    clock.now += EPOCH_SECONDS
    assert [step for step in range(1, 60) if saver.is_due(step)] == [20, 40]
    saver.save(40)
    assert not saver.is_due(60)
    clock.now += 600
    assert saver.is_due(61)


def test_save__refuses_weights_that_are_not_finite(saver: Saver) -> None:
    saver.save(3)
    with torch.no_grad():
        saver._stepper.model.predictor.linear2.bias[1] = float("inf")
    with pytest.raises(DivergedError, match=r"infinite at step 4: predictor\.linear2\.bias\. .* of step 3"):
        saver.save(4)
    assert read_checkpoint(saver.state)["step"] == 3


def test_save__writes_the_state_though_the_network_does_not_fit(
    saver: Saver, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise InputError("Cannot write pretrained_fc.pth: No space left on device.")

    monkeypatch.setattr(saving, "save_network", full)
    with pytest.raises(InputError, match="pretrained_fc"):
        saver.save(6)
    assert read_checkpoint(saver.state)["step"] == saver.saved_step == 6


def test_restore__keeps_the_good_state_beside_a_damaged_one(saver: Saver) -> None:
    for step in (2, 4):
        saver.save(step)
    saver.state.write_bytes(b"damaged")
    step, remark = saver.restore(40)
    assert (step, "Going on from the one before" in remark) == (2, True)
    saver.save(6)
    assert read_checkpoint(saver.state)["step"] == 6
    assert read_checkpoint(saver.state.with_name("state.previous.pt"))["step"] == 2


class Failing:
    """A watcher whose disk is full after some steps."""

    def __init__(self, error: Exception, step: int) -> None:
        self._error, self._step = error, step
        self.notes: list[str] = []

    def on_step(self, record: StepRecord) -> None:
        if record.step == self._step:
            raise self._error

    def on_note(self, text: str) -> None:
        self.notes.append(text)

    def close(self) -> None:
        pass


@pytest.mark.parametrize(
    "error", [InputError("Cannot write metrics.jsonl: full."), OSError(28, "No space left", "events.1")]
)
def test_run__saves_what_there_is_when_reports_fail(
    index: FrameIndex, tmp_path: Path, small: Callable, error: Exception
) -> None:
    training = Training(small(), index, tmp_path, device=CPU)
    with pytest.raises(InputError, match=f"All 4 steps are saved in {tmp_path / 'state.pt'}"):
        training.run([Failing(error, 3)])
    assert read_checkpoint(tmp_path / "state.pt")["step"] == 4


def test_run__saves_what_there_is_when_a_step_is_broken_off(
    index: FrameIndex, tmp_path: Path, small: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    def losses(output: Path, *, breaks: bool) -> dict[str, torch.Tensor]:
        output.mkdir()
        training = Training(small(steps=4), index, output, device=CPU)
        if breaks:
            find = training.stepper._find_gradients

            def break_off(*arguments: object) -> torch.Tensor:
                loss = find(*arguments)
                if training.step == 2:
                    raise RuntimeError("Connection closed by peer")
                return loss

            monkeypatch.setattr(training.stepper, "_find_gradients", break_off)
            watcher = Failing(ValueError(), 99)
            with pytest.raises(RuntimeError, match="closed by peer"):
                training.run([watcher])
            assert watcher.notes == [f"All 2 steps are saved in {output / 'state.pt'}."]
            training = Training(small(steps=4), index, output, device=CPU, resume=True)
            assert training.step == 2
        training.run()
        return read_checkpoint(output / "pretrained_fc.pth")["model"]

    whole, broken = losses(tmp_path / "whole", breaks=False), losses(tmp_path / "broken", breaks=True)
    for key, value in whole.items():
        assert torch.equal(broken[key], value), key
