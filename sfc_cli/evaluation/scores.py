"""The scores of one object over its frames."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from sfc_cli.evaluation.statistics import Curve, object_statistics


@dataclass(frozen=True, kw_only=True)
class ObjectScores:
    """One object's J and F in every scored frame.

    Args:
        sequence: The sequence's name.
        identity: The object's id in the annotations.
        frames: The names of the scored frames, n of them.
        region: J per frame, [n].
        boundary: F per frame, [n].
        matched: The id of the proposal that stands for the object, where proposals were matched.
    """

    sequence: str
    identity: int
    frames: tuple[str, ...]
    region: Curve
    boundary: Curve
    matched: int | None = None

    @property
    def name(self) -> str:
        """The object's name in every table: ``<sequence>_<id>``."""
        return f"{self.sequence}_{self.identity}"

    @cached_property
    def statistics(self) -> dict[str, float]:
        """The object's six numbers under their official names."""
        return object_statistics(self.region, self.boundary)
