"""Numbers the colours of an image, and tells solid areas from the rims between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colours import Colours

Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.signedinteger[Any]]
Floats = npt.NDArray[np.float32]
# The rows of some pixels and their columns.
Pixels = tuple[Integers, ...]

_ALL_COLOURS = 1 << 24
# Half of the eight directions; the other half are their opposites.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
# By how much the way over a mixed colour may be longer than the straight way between the colours mixed, since
# values are rounded.
_LONGEST_DETOUR = 1.0
# The same where a program rounded colours to the few of a palette, as a share of the straight way.
_COARSE_DETOUR_SHARE = 0.3
# An area of no more solid pixels may be an accident on a rim, which shows within these strides.
LARGEST_ACCIDENT = 64
ACCIDENT_STRIDES = (1, 2, 3, 4)


@dataclass(frozen=True, kw_only=True)
class ColourIndex:
    """An image [H, W] as numbers of its N different colours.

    Args:
        colours: The different colours, uint8 [N, 3].
        numbers: Which of them each pixel has, [H, W], of the smallest type that OpenCV can erode.
        coarse: They were rounded to the few colours of a palette.
    """

    colours: Colours
    numbers: npt.NDArray[Any]
    coarse: bool = False

    @cached_property
    def flat_numbers(self) -> npt.NDArray[Any]:
        """Return the numbers as one row of integers [H * W]."""
        flat = self.numbers.ravel()
        return flat.astype(np.int32) if flat.dtype == np.float32 else flat

    @cached_property
    def counts(self) -> Integers:
        """Return how many pixels each colour has, [N]."""
        return np.bincount(self.flat_numbers, minlength=len(self.colours))

    @cached_property
    def solid(self) -> Flags:
        """Return which pixels [H, W] have the colour of all their eight neighbours in the image."""
        import cv2

        square = np.ones((3, 3), np.uint8)
        same: Flags = cv2.dilate(self.numbers, square) == cv2.erode(self.numbers, square)
        return same

    @cached_property
    def solid_counts(self) -> Integers:
        """Return how many solid pixels each colour has, [N]."""
        return np.bincount(self.flat_numbers[self.solid.ravel()], minlength=len(self.colours))

    def spread(self, table: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Return what a table [N, ...] says of the colour of each pixel, [H, W, ...]."""
        spread: npt.NDArray[Any] = table[self.flat_numbers]
        return spread.reshape(*self.numbers.shape, *table.shape[1:])

    def where(self, colours: Flags) -> Pixels:
        """Return the pixels of the flagged colours [N]."""
        return np.nonzero(self.spread(colours))

    def at(self, pixels: Pixels) -> Integers:
        """Return the numbers of some pixels' colours."""
        return self.numbers[pixels].astype(np.int64)


def index_colours(image: Colours, *, coarse: bool = False) -> ColourIndex:
    """Number the colours of a grey image [H, W] or a coloured one [H, W, 3].

    Args:
        image: The image.
        coarse: See ``ColourIndex``.
    """
    if image.ndim == 2:
        packed: npt.NDArray[Any] = image
        size = 256
    else:
        wide = np.zeros((*image.shape[:2], 4), np.uint8)
        wide[..., :3] = image
        packed = wide.view("<u4")[..., 0]
        size = _ALL_COLOURS
    seen = np.zeros(size, np.bool_)
    seen[packed.ravel()] = True
    # A table of all colours that there can be is faster than sorting the pixels.
    found = np.flatnonzero(seen)
    table = np.zeros(size, _smallest_type(len(found)))
    table[found] = np.arange(len(found))
    channels = [found] * 3 if image.ndim == 2 else [found & 255, found >> 8 & 255, found >> 16]
    return ColourIndex(
        colours=np.stack(channels, axis=1).astype(np.uint8), numbers=table[packed], coarse=coarse
    )


def difference_from(colours: Colours, colour: Colours) -> npt.NDArray[np.int16]:
    """Return how far colours [N, 3] are from one colour, in the channel that differs most."""
    largest: npt.NDArray[np.int16] = np.abs(colours.astype(np.int16) - colour).max(axis=1)
    return largest


def are_blends(image: ColourIndex, pixels: Pixels, strides: Sequence[int] = (1,)) -> Flags:
    """Return which pixels have a colour strictly between those of two neighbours on opposite sides.

    The pixels of a soft edge do, whatever its width; those of a stroke have the same colour on both sides, or
    their own along it.

    Args:
        image: The image.
        pixels: The pixels to judge.
        strides: How far the neighbours lie, in pixels.
    """
    rows, columns = pixels
    height, width = image.numbers.shape
    table = image.colours.astype(np.float32)
    here = image.at(pixels)
    found = np.zeros(len(rows), np.bool_)
    for stride in strides:
        for down, right in _DIRECTIONS:
            ends = [
                image.at(
                    (
                        (rows + sign * stride * down).clip(0, height - 1),
                        (columns + sign * stride * right).clip(0, width - 1),
                    )
                )
                for sign in (-1, 1)
            ]
            # Most pixels are settled by the numbers alone.
            undecided = np.flatnonzero(~found & (ends[0] != here) & (ends[1] != here) & (ends[0] != ends[1]))
            own, first, second = table[here[undecided]], table[ends[0][undecided]], table[ends[1][undecided]]
            way = _distance(own, first) + _distance(own, second)
            straight = _distance(first, second)
            share = _COARSE_DETOUR_SHARE if image.coarse else 0
            detour = np.maximum(_LONGEST_DETOUR, share * straight)
            found[undecided] = way <= straight + detour
    return found


def _distance(first: Floats, second: Floats) -> Floats:
    return np.sqrt(squared_distance(first, second))


def squared_distance(first: Floats, second: Floats) -> Floats:
    """Return the squared distances between colours [n, 3], or between each and one [3]."""
    difference = first - second
    squared: Floats = np.einsum("nc,nc->n", difference, difference)
    return squared


def _smallest_type(count: int) -> type[np.generic]:
    # OpenCV cannot erode int32; float32 holds every number up to 2 ** 24.
    if count <= 1 << 8:
        return np.uint8
    return np.uint16 if count <= 1 << 16 else np.float32
