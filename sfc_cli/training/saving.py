"""When a training is saved, and what remains of it when it ends otherwise than planned."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import torch

from sfc_cli.errors import InputError
from sfc_cli.files import replacing
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.checkpoints import (
    BEST_NAME,
    NETWORK_NAME,
    STATE_NAME,
    Identity,
    load_latest_state,
    save_network,
    save_state,
)
from sfc_cli.training.failures import DivergedError
from sfc_cli.training.stepping import Stepper

# An epoch of a small data set takes less than writing the files at its end.
EPOCH_SECONDS = 60.0


class Saver:
    """Writes the network and the state of a training to its output folder.

    Args:
        output: The folder.
        identity: What a state must agree with when the training goes on.
        stepper: Has model and optimizer.
        steps_per_epoch: Steps of the optimizer in an epoch.
        writes: Whether this process is the one that writes.
    """

    def __init__(
        self, output: Path, identity: Identity, stepper: Stepper, *, steps_per_epoch: int, writes: bool
    ) -> None:
        self.network = output / NETWORK_NAME
        self.state = output / STATE_NAME
        self.best_score: float | None = None
        self.saved_step: int | None = None
        self._best = output / BEST_NAME
        self._identity = identity
        self._settings: PretrainingSettings = identity.settings
        self._stepper = stepper
        self._steps_per_epoch = steps_per_epoch
        self._writes = writes
        self._saved_at = time.monotonic()

    def restore(self, total_steps: int) -> tuple[int, str]:
        """Put everything back as the newest readable state has it.

        Returns:
            The steps taken, 0 without a state; and a remark about the state, mostly empty.

        Raises:
            InputError: If there is a state that cannot be resumed from.
        """
        found = load_latest_state(
            self.state.parent, self._identity, total_steps, self._stepper.model, self._stepper.optimizer
        )
        self.best_score = found.best_score
        # What was read in the place of a damaged file is worth writing again.
        self.saved_step = found.step if found.step and not found.remark else None
        return found.step, found.remark

    def is_due(self, step: int) -> bool:
        """Return whether to save after a step: after so many, at an epoch's end, or after so long."""
        waited = time.monotonic() - self._saved_at
        return (
            step % self._settings.save_every == 0
            or waited >= 60 * self._settings.save_minutes
            or (step % self._steps_per_epoch == 0 and waited >= EPOCH_SECONDS)
        )

    def save(self, step: int) -> None:
        """Write network and state after a step, the state last: whoever has it has the network as well.

        Raises:
            DivergedError: If the weights are not finite; nothing is written.
            InputError: If a file cannot be written. The state is written even if the network cannot be.
        """
        if self._writes:
            self._require_finite(step)
            model, optimizer = self._stepper.model, self._stepper.optimizer
            epoch = max(step - 1, 0) // self._steps_per_epoch
            problem = None
            try:
                save_network(self.network, self._settings, epoch, model, optimizer)
            except InputError as error:
                problem = error
            save_state(
                self.state,
                self._identity,
                step,
                model,
                optimizer,
                best_score=self.best_score,
                keeps_previous=self.saved_step is not None,
            )
            self.saved_step = step
            if problem is not None:
                raise problem
        self.saved_step = step
        self._saved_at = time.monotonic()

    def keep_best(self, score: float) -> bool:
        """Keep the network as saved just now as the best one, if its validation is the best so far."""
        if self.best_score is not None and score <= self.best_score:
            return False
        with replacing(self._best) as part:
            shutil.copyfile(self.network, part)
        self.best_score = score
        return True

    def _require_finite(self, step: int) -> None:
        """Make sure that no weight is NaN or infinite: a loss tells so only one step later."""
        for name, parameter in self._stepper.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise DivergedError(
                    f"The weights became NaN or infinite at step {step}: {name}. {self.last_good()}",
                    "Lower `learning_rate`, or try `precision` fp32.",
                )

    def last_good(self) -> str:
        """Say where the last good checkpoint is."""
        if not self.saved_step:
            return "There is no checkpoint yet."
        return f"The last good checkpoint is {self.state}, of step {self.saved_step}."
