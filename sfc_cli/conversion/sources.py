"""What all forms of masks have in common: a list of masks, and a way to read a sequence's masks as ids."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import Ids, read_ids
from sfc_cli.errors import UsageError

# A larger mask is refused; Pillow refuses images of two thirds of it.
MOST_PIXELS = 2**28


@dataclass(frozen=True, kw_only=True)
class MaskSource:
    """One mask to convert.

    Args:
        path: Its file; several masks may share one.
        sequence: Its sequence; empty for a flat folder.
        stem: Its frame's name without suffix.
    """

    path: Path
    sequence: str
    stem: str


@dataclass(frozen=True)
class Reference:
    """The first annotation of a sequence, which tells the masks' size and what their colours mean.

    Args:
        annotation: Its file.
    """

    annotation: Path

    @cached_property
    def truth(self) -> Ids:
        """Its ids, uint8 [H, W]."""
        return read_ids(self.annotation)

    @classmethod
    def find(cls, dataset: DavisDataset, sequence: str) -> Reference:
        """Find the first annotation of a sequence.

        Raises:
            UsageError: If the masks lie in no folder that names a sequence.
            InputError: If the data set has none.
        """
        if not sequence:
            raise UsageError(
                "With --data, masks must lie in a folder named after their sequence.", "Move them into one."
            )
        return cls(dataset.annotations(sequence)[0])


Reader = Callable[[MaskSource], Ids]


class MaskInput(Protocol):
    """Masks in one of the forms that are read."""

    @property
    def masks(self) -> Sequence[MaskSource]:
        """All masks; those of a sequence follow each other."""

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:
        """Return what reads the masks of one sequence, from any thread.

        Args:
            masks: All masks of the sequence.
            reference: Its first annotation, if there is a data set.

        Raises:
            InputError: If the masks do not fit together.
        """
