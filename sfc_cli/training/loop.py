"""The loop: steps in order, saves in time, a stop on a signal or when the loss diverges."""

from __future__ import annotations

import contextlib
import math
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Literal

import torch
from torch import Tensor

from sfc_cli.core.correspondence import Correspondence, momentum_at
from sfc_cli.core.ranks import Ranks
from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.errors import InputError, SfcError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Batch, Plan, load_batches, worker_count
from sfc_cli.training.checkpoints import (
    NETWORK_NAME,
    STATE_NAME,
    Identity,
    load_state,
    save_network,
    save_state,
)
from sfc_cli.training.metrics import StepRecord, Watcher
from sfc_cli.training.stepping import Stepper, sum_over_ranks

Ending = Literal["finished", "steps", "signal"]


class DivergedError(SfcError):
    """The loss became NaN or infinite."""


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
    """A step whose numbers may still be on their way from the device."""

    step: int
    local_loss: Tensor
    status: Tensor
    batches: list[Batch]
    data_seconds: float
    step_seconds: float


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
        check: Callable[[Correspondence], str] | None = None,
    ) -> None:
        self.settings = settings
        self.plan = Plan(index, settings, ranks.world)
        self._output = output
        self._device = device
        self._ranks = ranks
        self._check = check
        self.stepper = Stepper(settings, device, ranks)
        self._identity = Identity(
            settings=settings,
            precision=self.stepper.precision,
            data=index.fingerprint(),
            world=ranks.world,
        )
        self.step = 0
        self.saved_step: int | None = None
        if resume and (output / STATE_NAME).is_file():
            self.step = load_state(
                output / STATE_NAME, self._identity, self.stepper.model, self.stepper.optimizer
            )
            self.saved_step = self.step
        self.workers = worker_count(settings, device, ranks.local_world)
        self._watchers: Sequence[Watcher] = ()
        self._unreadable: dict[str, str] = {}
        self._signal = 0
        self._checked_step = self.step

    @property
    def stop_step(self) -> int:
        """The step to stop before: the end of all epochs or the bound, whichever comes first."""
        bound = self.settings.steps
        return self.plan.total_steps if bound is None else min(bound, self.plan.total_steps)

    def run(self, watchers: Sequence[Watcher] = ()) -> Outcome:
        """Train until the end, the bound or a signal, and save.

        Raises:
            DivergedError: If the loss becomes NaN or infinite.
            InputError: If too many files cannot be read or a checkpoint cannot be written.
        """
        self._watchers = watchers
        with self._catching_signals():
            interrupted = self._train()
        if self.saved_step != self.step or not (self._output / NETWORK_NAME).is_file():
            self._save()
        self._check_if_due()
        ending: Ending = "signal" if interrupted else "steps"
        if self.step >= self.plan.total_steps:
            ending = "finished"
        return Outcome(
            ending=ending,
            step=self.step,
            total_steps=self.plan.total_steps,
            network=self._output / NETWORK_NAME,
            signal=self._signal,
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
        pending: _Pending | None = None
        while self.step < self.stop_step:
            current = self._take_step(batches)
            # One step late, so that the device is never waited for between two steps.
            stop = pending is not None and self._settle(pending)
            pending = current
            if stop or self._due():
                stop |= self._settle(pending)
                pending = None
                self._save()
                self._check_if_due()
            if stop:
                return True
        return pending is not None and self._settle(pending)

    def _take_step(self, batches: Iterator[Batch]) -> _Pending:
        start = time.perf_counter()
        taken = [next(batches) for _ in range(self.settings.accumulate)]
        loaded = time.perf_counter()
        momentum = momentum_at(self.step, self.plan.total_steps, self.settings.momentum)
        loss = self.stepper.step(taken, momentum)
        status = torch.stack([loss, torch.full_like(loss, float(self._signal != 0))])  # [2]
        sum_over_ranks(status, self._ranks)
        self.step += 1
        if self._device.type == "cpu":
            loss.item()
        return _Pending(self.step, loss, status, taken, loaded - start, time.perf_counter() - loaded)

    def _settle(self, pending: _Pending) -> bool:
        """Read a step's numbers, report them, and return whether any process was asked to stop."""
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
        last = (
            f"The last good checkpoint is {self._output / STATE_NAME}, of step {self.saved_step}."
            if self.saved_step
            else "There is no checkpoint yet."
        )
        return DivergedError(
            f"The loss became NaN or infinite at step {pending.step}. {where} {last}",
            "Lower `learning_rate`, or try `precision` fp32.",
        )

    def _note_unreadable(self, unreadable: dict[str, str]) -> None:
        for path, why in unreadable.items():
            if path not in self._unreadable:
                self._unreadable[path] = why
                self._note(f"skipped: {why}")
        if len(self._unreadable) > self.settings.max_unreadable:
            raise InputError(
                f"{len(self._unreadable)} files could not be read, more than the "
                f"{self.settings.max_unreadable} of `max_unreadable`; the last: {why}",
                "Repair the data set, or raise the limit.",
            )

    def _due(self) -> bool:
        return (
            self.step % self.settings.save_every == 0 or self.step % self.plan.steps_per_epoch == 0
        ) and self.step < self.plan.total_steps

    def _save(self) -> None:
        if self._ranks.leads:
            model, optimizer = self.stepper.model, self.stepper.optimizer
            save_state(self._output / STATE_NAME, self._identity, self.step, model, optimizer)
            epoch = max(self.step - 1, 0) // self.plan.steps_per_epoch
            save_network(self._output / NETWORK_NAME, self.settings, epoch, model, optimizer)
        self.saved_step = self.step

    def _check_if_due(self) -> None:
        every = self.settings.check_every
        epoch, rest = divmod(self.step, self.plan.steps_per_epoch)
        due = every and not rest and epoch and (epoch % every == 0 or self.step == self.plan.total_steps)
        if due and self._check is not None and self._ranks.leads and self._checked_step != self.step:
            self._checked_step = self.step
            self._note(self._check(self.stepper.model))

    def _note(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.on_note(text)

    @contextlib.contextmanager
    def _catching_signals(self) -> Iterator[None]:
        """Turn SIGTERM and Ctrl-C into a save and a stop after the current step; a second one is as usual."""

        def remember(number: int, _: FrameType | None) -> None:
            self._signal = number
            signal.signal(number, signal.SIG_DFL if number == signal.SIGTERM else signal.default_int_handler)

        old = {number: signal.signal(number, remember) for number in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for number, handler in old.items():
                signal.signal(number, handler)


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
