"""Turns an image of colours into numbers of colours, and tells solid areas from the rims between them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Colours = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.signedinteger[Any]]
# Rows and columns of pixels.
Places = tuple[Integers, ...]

_ALL_COLOURS = 1 << 24
# Half of the eight directions; the other half are their opposites.
_DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))
# By how much the way over a colour may be longer than the straight way from one neighbour to the other.
_DETOUR = 1.0


@dataclass(frozen=True, kw_only=True)
class ColourIndex:
    """An image as numbers of the colours in it.

    Args:
        colours: The different colours, uint8 [N, 3].
        numbers: Which of them each pixel has, [H, W], of the smallest type that OpenCV can erode.
    """

    colours: Colours
    numbers: npt.NDArray[Any]

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

    def where(self, colours: Flags) -> Places:
        """Return the rows and columns of the pixels of the flagged colours [N]."""
        return np.nonzero(colours[self.flat_numbers].reshape(self.numbers.shape))

    def at(self, places: Places) -> Integers:
        """Return the numbers of the colours at some places."""
        return self.numbers[places].astype(np.int64)


def index_colours(image: Colours) -> ColourIndex:
    """Number the colours of a grey image [H, W] or a coloured one [H, W, 3]."""
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
    found = np.flatnonzero(seen)
    table = np.zeros(size, _smallest_type(len(found)))
    table[found] = np.arange(len(found))
    channels = [found] * 3 if image.ndim == 2 else [found & 255, found >> 8 & 255, found >> 16]
    return ColourIndex(colours=np.stack(channels, axis=1).astype(np.uint8), numbers=table[packed])


def are_blends(image: ColourIndex, places: Places, strides: Sequence[int] = (1,)) -> Flags:
    """Tell which pixels have a colour strictly between those of two neighbours on opposite sides.

    The pixels of a soft edge do, whatever its width; those of a stroke have the same colour on both sides, or
    their own along it.

    Args:
        image: The image.
        places: The pixels to judge.
        strides: How far the neighbours lie, in pixels.
    """
    rows, columns = places
    height, width = image.numbers.shape
    table = image.colours.astype(np.float32)
    here = image.at(places)
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
            open_ = np.flatnonzero(~found & (ends[0] != here) & (ends[1] != here) & (ends[0] != ends[1]))
            own, first, second = table[here[open_]], table[ends[0][open_]], table[ends[1][open_]]
            way = _distance(own, first) + _distance(own, second)
            found[open_] = way <= _distance(first, second) + _DETOUR
    return found


def _distance(first: npt.NDArray[np.float32], second: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    between = first - second
    distance: npt.NDArray[np.float32] = np.sqrt(np.einsum("nc,nc->n", between, between))
    return distance


def _smallest_type(count: int) -> type[np.generic]:
    if count <= 1 << 8:
        return np.uint8
    return np.uint16 if count <= 1 << 16 else np.float32
