"""What is computed with the network beside its training, and after which epochs."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Plan

# The model; a line about how good it is.
QuickCheck = Callable[[Correspondence], str]
# The model, and what to ask whether to stop; J&F of each object, or None if it was stopped.
Validate = Callable[[Correspondence, Callable[[], bool]], Mapping[str, float] | None]


class Checks:
    """The quick check and the validation of a training.

    Args:
        settings: Say how often each is due.
        plan: Says where epochs end.
        quick_check: None for none.
        validation: None for none.
    """

    def __init__(
        self,
        settings: PretrainingSettings,
        plan: Plan,
        quick_check: QuickCheck | None,
        validation: Validate | None,
    ) -> None:
        self._plan = plan
        self._quick_check, self._check_every = quick_check, settings.check_every
        self._validation, self._validate_every = validation, settings.validate_every

    def is_due(self, step: int) -> bool:
        """Return whether anything is due after a step."""
        return self._is_check_due(step) or self._is_validation_due(step)

    def check(self, step: int, model: Correspondence) -> str:
        """Return the quick check's line if it is due, else nothing."""
        if self._quick_check is None or not self._is_check_due(step):
            return ""
        return self._quick_check(model)

    def validate(
        self, step: int, model: Correspondence, is_stopped: Callable[[], bool]
    ) -> Mapping[str, float] | None:
        """Return J&F of each object if a validation is due and was not stopped."""
        if self._validation is None or not self._is_validation_due(step):
            return None
        return self._validation(model, is_stopped)

    def _is_check_due(self, step: int) -> bool:
        return self._quick_check is not None and self._is_epoch_due(step, self._check_every)

    def _is_validation_due(self, step: int) -> bool:
        return self._validation is not None and self._is_epoch_due(step, self._validate_every)

    def _is_epoch_due(self, step: int, every: int) -> bool:
        epoch, rest = divmod(step, self._plan.steps_per_epoch)
        is_last = step == self._plan.total_steps
        return bool(every and epoch and not rest and (epoch % every == 0 or is_last))
