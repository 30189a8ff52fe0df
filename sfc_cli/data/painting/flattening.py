"""Brings a painted mask to its clean colours, or refuses it as a photograph."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.painting.clean_colours import find_clean_colours
from sfc_cli.data.painting.colour_index import Colours, Integers, index_colours
from sfc_cli.data.painting.photographs import is_surely_photograph, measure_flatness, most_flat
from sfc_cli.data.painting.resolution import resolve
from sfc_cli.data.painting.soft_edges import has_soft_edges
from sfc_cli.errors import InputError

# A picture of fewer colours is no photograph.
_MANY_COLOURS = 64
# So small a share of even pixels is noise or a photograph: it need not be looked at any closer.
_LEAST_EVEN = 0.1
_MOST_COLOURS = 256


@dataclass(frozen=True, kw_only=True)
class FlatMask:
    """A mask of clean colours.

    Args:
        colours: Its colours, uint8 [K, 3].
        numbers: Which of them each pixel has, [H, W].
        counts: How many pixels each has, [K].
        changed: How many pixels had another colour before; None if the mask has no soft edges.
    """

    colours: Colours
    numbers: npt.NDArray[Any]
    counts: Integers
    changed: int | None = None

    @cached_property
    def border_counts(self) -> Integers:
        """Return how many pixels of the image's border each colour has, [K]."""
        numbers = self.numbers
        border = np.concatenate([numbers[0], numbers[-1], numbers[1:-1, 0], numbers[1:-1, -1]])
        return np.bincount(border.astype(np.int64), minlength=len(self.colours))

    def without_pixels(self) -> FlatMask:
        """Return what there is to know but for the pixels, which take the most room."""
        slim = dataclasses.replace(self, numbers=np.empty((0, 0), np.uint8))
        slim.__dict__["border_counts"] = self.border_counts
        return slim


def flatten(image: Colours, path: Path, *, lossy: bool = False) -> FlatMask:
    """Give every pixel of a painted mask a clean colour; a mask without soft edges stays as it is.

    Args:
        image: Grey levels [H, W] or colours [H, W, 3].
        path: The mask's file, for the error.
        lossy: The file went through lossy compression.

    Raises:
        InputError: If it is a photograph.
    """
    index = index_colours(image)
    found = len(index.colours)
    even = float(index.solid.mean())
    if found > _MOST_COLOURS and even < _LEAST_EVEN and not lossy:
        raise _photograph(path, found, even)
    if not has_soft_edges(index, lossy=lossy):
        if found > _MANY_COLOURS and even < _LEAST_EVEN:
            raise _photograph(path, found, even)
        return FlatMask(colours=index.colours, numbers=index.numbers, counts=index.counts)
    clean = find_clean_colours(index, lossy=lossy)
    if not 0 < len(clean.colours) <= _MOST_COLOURS:
        raise _photograph(path, found, float(clean.even.mean()))
    share = most_flat(index, clean)
    if found > _MANY_COLOURS and is_surely_photograph(share, len(clean.colours)):
        raise _photograph(path, found, share)
    resolved = resolve(index, clean, lossy=lossy)
    before = index.colours[index.flat_numbers].reshape(*index.numbers.shape, 3)
    if found > _MANY_COLOURS:
        flatness = measure_flatness(before, clean.colours, resolved)
        if flatness.is_cut_out:
            raise _cut_out(path, found, flatness.objects)
        if flatness.is_photograph:
            raise _photograph(path, found, flatness.flat)
    return FlatMask(
        colours=clean.colours,
        numbers=resolved,
        counts=np.bincount(resolved.ravel(), minlength=len(clean.colours)),
        changed=int((before != clean.colours[resolved]).any(axis=2).sum()),
    )


_HINT = "Paint each object in one flat colour on black and save that as PNG."


def _photograph(path: Path, found: int, share: float) -> InputError:
    return InputError(
        f"{path} looks like a photograph, not a mask: {found:,} colours, the flat ones cover only "
        f"{share:.0%} of it.",
        _HINT,
    )


def _cut_out(path: Path, found: int, share: float) -> InputError:
    return InputError(
        f"{path} looks like a part of a photograph on a plain background, not a mask: {found:,} colours, and "
        f"only {share:.0%} of what is not background is flat.",
        _HINT,
    )
