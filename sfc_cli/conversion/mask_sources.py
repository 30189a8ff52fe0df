"""What all forms of masks have in common: a list of masks, a way to read them, remarks for the user."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from sfc_cli.data.masks import Ids, read_ids
from sfc_cli.data.sequence_folders import MaskDataset
from sfc_cli.data.videos.images import natural_order
from sfc_cli.errors import UsageError
from sfc_cli.files import require_inside_name

# What differs between two remarks of a kind: numbers, and colours of three.
_DETAIL = re.compile(r"\(\d+, \d+, \d+\)|\d[\d,]*")


@dataclass(frozen=True, kw_only=True)
class MaskSource:
    """One mask to convert.

    Args:
        path: Its file; several masks may share one.
        sequence: Its sequence; empty for a flat folder.
        stem: Its frame's name without suffix.

    Raises:
        InputError: If its name leads out of the folder that it will be written to.
    """

    path: Path
    sequence: str
    stem: str

    def __post_init__(self) -> None:
        # All forms of masks pass here, and every path that is written is made from these names.
        for name in filter(None, (self.sequence, self.stem)):
            require_inside_name(name, self.path)

    @property
    def name(self) -> str:
        """Its sequence and frame, as in ``walk/00003``; in a flat folder the frame alone."""
        return f"{self.sequence}/{self.stem}" if self.sequence else self.stem

    @property
    def order(self) -> tuple[str, object]:
        """What masks are sorted by: their sequences, and frame 2 before frame 10."""
        return self.sequence, natural_order(Path(f"{self.stem}.png"))


@dataclass(frozen=True)
class Reference:
    """The first annotation of a sequence, which tells the masks' size and what their colours mean."""

    annotation: Path

    @cached_property
    def truth(self) -> Ids:
        """Its ids, uint8 [H, W]."""
        return read_ids(self.annotation)

    @classmethod
    def find(cls, dataset: MaskDataset, sequence: str) -> Reference:
        """Find the first annotation of a sequence.

        Raises:
            UsageError: If the masks lie in no folder that names a sequence.
            InputError: If the data set has none.
        """
        if not sequence:
            raise UsageError(
                "With `data`, masks must lie in a folder named after their sequence.", "Move them into one."
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


class Remarks:
    """Sentences that tell the user what was decided, one of each kind; threads may add to it."""

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._of_masks: dict[str, list[tuple[str, str]]] = {}
        self._lock = threading.Lock()

    def add(self, sentence: str) -> None:
        """Note a sentence; the same sentence is kept once."""
        with self._lock:
            if sentence not in self._sentences:
                self._sentences.append(sentence)

    def add_of_mask(self, mask: str, sentence: str) -> None:
        """Note what was decided for a mask; of sentences that differ in numbers only, one is shown."""
        with self._lock:
            self._of_masks.setdefault(_DETAIL.sub("#", sentence), []).append((mask, sentence))

    def lines(self) -> tuple[str, ...]:
        """Return the sentences in their order, and then one of each kind about masks."""
        # Threads add in no order.
        return (*self._sentences, *sorted(_shown(found) for found in self._of_masks.values()))


def _shown(found: list[tuple[str, str]]) -> str:
    mask, sentence = min(found)
    more = len({name for name, _ in found}) - 1
    return f"{mask}: {sentence}" + (f" (And so for {more:,} more.)" if more else "")
