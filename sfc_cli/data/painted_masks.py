"""Reads a mask painted in any program: colours, grey levels, transparency and soft edges become ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.data.masks import Ids


@dataclass(frozen=True, kw_only=True)
class PaintedMask:
    """A painted mask as ids.

    Args:
        path: The file that it was read from.
        ids: uint8 [H, W], 0 is background and 255 void.
        legend: The colour (red, green, blue) of each object of the mask as its painter sees it.
        kind: ``indexed``, ``grey``, ``black-and-white``, ``colours`` or ``transparency``.
        remarks: Sentences that tell what was decided for the user; empty if nothing was.
    """

    path: Path
    ids: Ids
    legend: dict[int, tuple[int, int, int]]
    kind: str
    remarks: tuple[str, ...]


def read_painted_mask(path: Path, *, size: tuple[int, int] | None = None) -> PaintedMask:
    """Read one mask, see ``read_painted_masks``."""
    return read_painted_masks([path], size=size)[0]


def read_painted_masks(paths: Sequence[Path], *, size: tuple[int, int] | None = None) -> list[PaintedMask]:
    """Read the masks of one clip, which share a legend: a colour is the same object in all of them.

    Args:
        paths: The files.
        size: Height and width of the clip's frames in pixels; None takes masks of any size.

    Returns:
        The masks in the order of ``paths``.

    Raises:
        InputError: If a file is missing, damaged, of another size, no mask, or holds no object.
    """
    raise NotImplementedError
