"""The loop: steps in order, saves in time, a stop on a signal or when the loss diverges."""

from __future__ import annotations

import contextlib
import math
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from sfc_cli.core.correspondence import momentum_at
from sfc_cli.core.ranks import Ranks
from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.errors import InputError, SfcError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Batch, Plan, load_batches, worker_count
from sfc_cli.training.checkpoints import Identity
from sfc_cli.training.checks import Checks, QuickCheck, Validate
from sfc_cli.training.failures import DivergedError, explain
from sfc_cli.training.metrics import StepRecord, ValidationRecord, Watcher
from sfc_cli.training.saving import Saver
from sfc_cli.training.schedule import learning_rate_at
from sfc_cli.training.stepping import Stepper, sum_over_ranks
from sfc_cli.training.stopping import StopRequest
from sfc_cli.wording import counted

Ending = Literal["finished", "steps", "signal"]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a training ended.

    Args:
        ending: ``finished`` after all epochs, ``steps`` at the bound, ``signal`` on SIGTERM or Ctrl-C.
        step: Steps taken in all.
        total_steps: Steps of the whole training.
        network: The saved network.
        signal: The signal's number; 0 without one.
    """

    ending: Ending
    step: int
    total_steps: int
    network: Path
    signal: int = 0


@dataclass
class _Pending:
    """A step whose numbers may still be on their way from the device.

    Args:
        step: Steps taken, this one included.
        local_loss: Of this process.
        batches: What it was computed from.
        data_seconds: How long it waited for them.
        step_seconds: How long the rest took.
        status: Loss and requests to stop, summed over all processes; None if one of them was lost before.
    """

    step: int
    local_loss: Tensor
    batches: list[Batch]
    data_seconds: float
    step_seconds: float = 0.0
    status: Tensor | None = None


class Training:
    """A training that can be run, stopped and resumed.

    Args:
        settings: The training's settings.
        index: The frames.
        output: The folder of checkpoints.
        device: Where it runs.
        ranks: This process among all.
        resume: Go on from the state in ``output`` if there is one.
        check: Scores the network after every ``check_every``-th epoch and the last; returns a line about it.
        validate: Scores the network after every ``validate_every``-th epoch and the last.

    Raises:
        UsageError: If the settings do not fit the data or the device.
        InputError: If the state cannot be resumed from.
    """

    def __init__(
        self,
        settings: PretrainingSettings,
        index: FrameIndex,
        output: Path,
        *,
        device: torch.device,
        ranks: Ranks = Ranks(),  # noqa: B008 - frozen
        resume: bool = False,
        check: QuickCheck | None = None,
        validate: Validate | None = None,
    ) -> None:
        self.settings = settings
        self.plan = Plan(index, settings, ranks.world)
        self._device = device
        self._ranks = ranks
        self._checks = Checks(settings, self.plan, check, validate)
        self.stepper = Stepper(settings, device, ranks)
        identity = Identity(
            settings=settings,
            precision=self.stepper.precision,
            data=index.fingerprint(),
            world=ranks.world,
        )
        self._saver = Saver(
            output,
            identity,
            self.stepper,
            steps_per_epoch=self.plan.steps_per_epoch,
            writes=ranks.leads,
        )
        self.step, self.remark = self._saver.restore(self.plan.total_steps) if resume else (0, "")
        self.workers = worker_count(settings, device, ranks.local_world)
        self._watchers: Sequence[Watcher] = ()
        self._unreadable: dict[str, str] = {}
        self._stop = StopRequest()
        self._pending: deque[_Pending] = deque()
        self._checked_step = self.step

    @property
    def saved_step(self) -> int | None:
        """The step of the last save; None without one."""
        return self._saver.saved_step

    @property
    def stop_step(self) -> int:
        """The step to stop before: the end of all epochs or the bound, whichever comes first."""
        bound = self.settings.steps
        return self.plan.total_steps if bound is None else min(bound, self.plan.total_steps)

    def run(self, watchers: Sequence[Watcher] = ()) -> Outcome:
        """Train until the end, the bound or a signal, and save; whatever goes wrong, save what there is.

        Raises:
            DivergedError: If the loss or the weights become NaN or infinite.
            LostProcessError: If a worker or another process of the training is killed.
            InputError: If too many files cannot be read or a checkpoint cannot be written.
        """
        self._watchers = watchers
        with self._stop.caught(), self._rescuing():
            interrupted = self._train()
            if self.saved_step != self.step or not self._saver.network.is_file():
                self._saver.save(self.step)
            if not interrupted:
                self._check_if_due()
        ending: Ending = "signal" if interrupted else "steps"
        if self.step >= self.plan.total_steps:
            ending = "finished"
        return Outcome(
            ending=ending,
            step=self.step,
            total_steps=self.plan.total_steps,
            network=self._saver.network,
            signal=self._stop.number,
        )

    def _train(self) -> bool:
        batches = load_batches(
            self.plan,
            self.settings,
            rank=self._ranks.rank,
            steps=(self.step, self.stop_step),
            device=self._device,
            workers=self.workers,
        )
        heard_early = False
        while self.step < self.stop_step:
            self._take_step(batches)
            # One step late, so that the device is never waited for between two steps.
            stop = self._settle(keep=1) or heard_early
            # Alone, nobody else has to stop after the same step.
            stop |= self._ranks.world == 1 and self._stop.number != 0
            save = self._saver.is_due(self.step) and self.step < self.plan.total_steps
            if stop or save or self._checks.is_due(self.step):
                # Only this process may be about to save; the others hear of this step after the next one.
                heard_early = self._settle()
                self._saver.save(self.step)
                if stop:
                    return True
                self._check_if_due()
        return self._settle() or heard_early

    def _take_step(self, batches: Iterator[Batch]) -> None:
        start = time.perf_counter()
        taken = [next(batches) for _ in range(self.settings.accumulate)]
        loaded = time.perf_counter()
        self.stepper.set_learning_rate(learning_rate_at(self.step, self.plan.total_steps, self.settings))
        momentum = momentum_at(self.step, self.plan.total_steps, self.settings.momentum)
        loss = self.stepper.step(taken, momentum)
        self.step += 1
        current = _Pending(self.step, loss, taken, loaded - start)
        # From here on the step counts, even if another process is lost before it hears of it.
        self._pending.append(current)
        status = torch.stack([loss, torch.full_like(loss, float(self._stop.number != 0))])  # [2]
        current.status = sum_over_ranks(status, self._ranks)
        if self._device.type == "cpu":
            loss.item()
        current.step_seconds = time.perf_counter() - loaded

    def _settle(self, keep: int = 0) -> bool:
        """Report all steps taken but the last ``keep``; return whether any process was asked to stop."""
        stop = False
        while len(self._pending) > keep:
            stop |= self._report(self._pending.popleft())
        return stop

    def _report(self, pending: _Pending) -> bool:
        """Read a step's numbers, report them, and return whether any process was asked to stop."""
        if pending.status is None:
            loss, stop = pending.local_loss.item(), 0.0
        else:
            loss, stop = pending.status.tolist()
            loss /= self._ranks.world
        if not math.isfinite(loss):
            raise self._diverged(pending)
        for batch in pending.batches:
            self._note_unreadable(batch.unreadable)
        seconds = max(pending.data_seconds + pending.step_seconds, 1e-9)
        record = StepRecord(
            step=pending.step,
            total_steps=self.plan.total_steps,
            epoch=(pending.step - 1) // self.plan.steps_per_epoch + 1,
            epochs=self.settings.epochs,
            loss=loss,
            momentum=momentum_at(pending.step - 1, self.plan.total_steps, self.settings.momentum),
            images_per_second=self.plan.frames_per_step / seconds,
            data_seconds=pending.data_seconds,
            step_seconds=pending.step_seconds,
            memory_bytes=_peak_memory(self._device),
        )
        for watcher in self._watchers:
            watcher.on_step(record)
        return bool(stop > 0)

    def _diverged(self, pending: _Pending) -> DivergedError:
        paths = [path for batch in pending.batches for path in batch.paths]
        where = (
            f"Files of the batch: {', '.join(paths)}."
            if not math.isfinite(pending.local_loss.item())
            else "The files are those of another process."
        )
        return DivergedError(
            f"The loss became NaN or infinite at step {pending.step}. {where} {self._saver.last_good()}",
            "Lower `learning_rate`, or try `precision` fp32.",
        )

    def _note_unreadable(self, unreadable: dict[str, str]) -> None:
        for path, why in unreadable.items():
            if path not in self._unreadable:
                self._unreadable[path] = why
                self._note(f"skipped: {why}")
        if len(self._unreadable) > self.settings.max_unreadable:
            raise InputError(
                f"{counted(len(self._unreadable), 'file')} could not be read, more than the "
                f"{self.settings.max_unreadable} of `max_unreadable`; the last: {why}",
                "Repair the data set, or raise the limit.",
            )

    def _check_if_due(self) -> None:
        if not self._ranks.leads or self._checked_step == self.step:
            return
        self._checked_step = self.step
        if line := self._checks.check(self.step, self.stepper.model):
            self._note(line)
        scores = self._checks.validate(self.step, self.stepper.model, lambda: self._stop.number != 0)
        if not scores:
            return
        score = sum(scores.values()) / len(scores)
        is_best = self._saver.keep_best(score)
        if is_best:
            # The state has to know how good the best network is.
            self._saver.save(self.step)
        record = ValidationRecord(after_step=self.step, score=score, objects=scores, is_best=is_best)
        for watcher in self._watchers:
            watcher.on_validation(record)

    def _note(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.on_note(text)

    @contextlib.contextmanager
    def _rescuing(self) -> Iterator[None]:
        """Save what there is when anything goes wrong, and say so in the error's own line."""
        try:
            yield
        except DivergedError:
            raise
        except Exception as error:
            saved = self._save_what_there_is()
            explained = explain(error, saved, self._ranks.world)
            if explained is None:
                if saved:
                    self._note(saved)
                raise
            raise explained from error

    def _save_what_there_is(self) -> str:
        """Save all steps taken, and return what to tell about it."""
        if not self._ranks.leads or not self.step:
            return ""
        if all(math.isfinite(pending.local_loss.item()) for pending in self._pending):
            # The disk may be full, or another process gone: what counts is the state.
            with contextlib.suppress(SfcError, OSError):
                self._settle()
            with contextlib.suppress(SfcError, OSError):
                if self.saved_step != self.step:
                    self._saver.save(self.step)
        if self.saved_step == self.step:
            return f"All {self.step:,} steps are saved in {self._saver.state}."
        return self._saver.last_good()


def _peak_memory(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
    # Windows counts otherwise; a training does not depend on this number.
    except ImportError:
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
