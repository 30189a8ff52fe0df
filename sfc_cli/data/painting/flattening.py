"""Brings a painted mask to its clean colours, or refuses it as a photograph or a part of one."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colour_index import ColourIndex, Integers, difference_from, index_colours
from sfc_cli.data.colours import Colours
from sfc_cli.data.mask_kinds import border_of, has_soft_edges
from sfc_cli.data.painting.clean_colours import CleanColours, find_clean_colours
from sfc_cli.data.painting.resolution import resolve
from sfc_cli.errors import InputError

# A picture of fewer colours cannot be a photograph.
_MANY_COLOURS = 64
# With a smaller share of even pixels it is noise or a photograph, and no closer look is needed.
_LEAST_EVEN = 0.1
# A byte can number so many.
_MOST_CLEAN_COLOURS = 256
# A pixel that differs less from its clean colour, in any channel, is part of a flat area.
_FLAT = 4
# A pixel that differs more from the smoothed clean colours does not belong to a soft edge.
_UNLIKE_SMOOTHED = 32
_SMOOTHING = (0.0, 0.7, 1.5, 3.0, 5.0, 8.0, 12.0)
# Narrow soft edges are not worth a comparison: all that counts is farther than a pixel from a clean edge.
_LEAST_SOFT = 0.003
# The comparison needs no more pixels than this along the longer side.
_ENOUGH = 1000
# Shares of flat areas, measured on masks blurred, shrunken and compressed, photographs and cut-outs of them:
# few are common in photographs, most of a mask is flat, and of its objects more than the last share.
_FEW_FLAT, _SOME_FLAT, _MOSTLY_FLAT, _FEW_FLAT_OBJECTS = 0.5, 0.62, 0.85, 0.3
# Shares of soft pixels that smoothing does not explain; the first beside few flat areas, the second beside
# some or beside objects that are hardly flat, the third beside mostly flat ones.
_HARDLY_UNLIKE, _PARTLY_UNLIKE, _MUCH_UNLIKE = 0.1, 0.3, 0.4


class PhotographError(InputError):
    """A picture whose pixels show no painted mask."""


# Soft lines are nowhere flat either: a cut-out has such a share of its pixels so deep inside.
_DEEP, _HARDLY_THICK = 4, 0.1

_HINT = "Paint each object in one flat colour on black and save that as PNG."

Colour = tuple[int, int, int]


@dataclass(frozen=True, kw_only=True)
class FlatMask:
    """A mask of clean colours.

    Args:
        colours: Its colours, uint8 [K, 3].
        numbers: Which of them each pixel has, [H, W].
        counts: How many pixels each has, [K].
        border_counts: How many pixels of the image's border each has, [K].
        changed: How many pixels had another colour before; None if the mask has no soft edges.
    """

    colours: Colours
    numbers: npt.NDArray[Any]
    counts: Integers
    border_counts: Integers
    changed: int | None = None

    @classmethod
    def of(cls, colours: Colours, numbers: npt.NDArray[Any], *, changed: int | None = None) -> FlatMask:
        """Return the mask of numbers [H, W] into colours [K, 3]."""
        border = border_of(numbers)
        return cls(
            colours=colours,
            numbers=numbers,
            counts=_counted(numbers, len(colours)),
            border_counts=_counted(border, len(colours)),
            changed=changed,
        )

    def without_pixels(self) -> FlatMask:
        """Return the mask without its numbers, which take the most memory."""
        return dataclasses.replace(self, numbers=np.empty((0, 0), np.uint8))

    def resized(self, size: tuple[int, int]) -> FlatMask:
        """Return the mask in another height and width, by nearest neighbour."""
        import cv2

        numbers = cv2.resize(
            self.numbers.astype(np.uint16), size[::-1], interpolation=cv2.INTER_NEAREST_EXACT
        )
        return FlatMask.of(self.colours, numbers, changed=self.changed)

    def number_of(self, colour: Colour) -> int | None:
        """Return the number of a colour; None if the mask has none such."""
        found = np.flatnonzero((self.colours == colour).all(axis=1))
        return int(found[0]) if found.size else None

    def colour(self, number: int) -> Colour:
        """Return the colour of a number as red, green and blue."""
        red, green, blue = (int(value) for value in self.colours[number])
        return red, green, blue


def flatten(image: Colours, path: Path, *, lossy: bool = False, coarse: bool = False) -> FlatMask:
    """Give every pixel of a painted mask a clean colour; a mask without soft edges stays as it is.

    Args:
        image: Grey levels [H, W] or colours [H, W, 3].
        path: The mask's file, for the error.
        lossy: The file went through lossy compression.
        coarse: Its colours were rounded to the few of a palette.

    Raises:
        PhotographError: If it is a photograph.
    """
    index = index_colours(image, coarse=coarse)
    found = len(index.colours)
    even = float(index.solid.mean())
    if found > _MOST_CLEAN_COLOURS and even < _LEAST_EVEN and not lossy:
        raise _photograph(path, found, even)
    if not has_soft_edges(index, lossy=lossy):
        if found > _MANY_COLOURS and even < _LEAST_EVEN:
            raise _photograph(path, found, even)
        return FlatMask.of(index.colours, index.numbers)
    clean = find_clean_colours(index, lossy=lossy)
    if not 0 < len(clean.colours) <= _MOST_CLEAN_COLOURS:
        raise _photograph(path, found, float(clean.even.mean()))
    share = _most_flat(index, clean)
    if found > _MANY_COLOURS and _is_surely_photograph(share, len(clean.colours)):
        raise _photograph(path, found, share)
    resolved = resolve(index, clean, lossy=lossy)
    before = index.spread(index.colours)
    if found > _MANY_COLOURS:
        flatness = _measure_flatness(before, clean.colours, resolved)
        if flatness.is_cut_out:
            raise _cut_out(path, found, flatness.objects)
        if flatness.is_photograph:
            raise _photograph(path, found, flatness.flat)
    changed = int((before != clean.colours[resolved]).any(axis=2).sum())
    return FlatMask.of(clean.colours, resolved, changed=changed)


def _counted(numbers: npt.NDArray[Any], count: int) -> Integers:
    return np.bincount(numbers.ravel().astype(np.int64), minlength=count)


def _photograph(path: Path, found: int, share: float) -> PhotographError:
    return PhotographError(
        f"{path} looks like a photograph, not a mask: {found:,} colours, the flat ones cover only "
        f"{share:.0%} of it.",
        _HINT,
    )


def _cut_out(path: Path, found: int, share: float) -> PhotographError:
    return PhotographError(
        f"{path} looks like a part of a photograph on a plain background, not a mask: {found:,} colours, and "
        f"only {share:.0%} of what is not background is flat.",
        _HINT,
    )


@dataclass(frozen=True, kw_only=True)
class _Flatness:
    """How much of a picture is as flat as a mask would be.

    Args:
        flat: The share of its pixels in flat areas.
        objects: The same of what is not the most frequent colour.
        unlike: The share of the other pixels that smoothing the clean colours does not explain.
        colours: How many clean colours it has.
        thick: The share of its objects' pixels that lie deep in them, not in lines.
    """

    flat: float
    objects: float
    unlike: float
    colours: int
    thick: float

    @property
    def is_photograph(self) -> bool:
        """Whether the picture is a photograph."""
        if self.flat < _FEW_FLAT:
            return self.colours > 2 or self.unlike > _HARDLY_UNLIKE
        # Thin soft strokes are unlike their smoothed selves too, but leave nearly all of a mask flat.
        return self.flat < _MOSTLY_FLAT and self.unlike > (
            _PARTLY_UNLIKE if self.flat < _SOME_FLAT else _MUCH_UNLIKE
        )

    @property
    def is_cut_out(self) -> bool:
        """Whether the picture is an object of a photograph on a plain background."""
        return (
            self.unlike > _PARTLY_UNLIKE
            and self.objects < _FEW_FLAT_OBJECTS
            and self.flat >= _SOME_FLAT
            and self.thick >= _HARDLY_THICK
        )


def _is_surely_photograph(flat: float, colours: int) -> bool:
    """Return whether the share of flat areas and the number of clean colours alone rule out a mask."""
    return flat < _FEW_FLAT and colours > 2


def _most_flat(image: ColourIndex, clean: CleanColours) -> float:
    """Return the largest share of a picture that can be flat, whichever clean colours its pixels get."""
    least = np.full(len(image.colours), 255, np.int16)
    for colour in clean.colours:
        np.minimum(least, difference_from(image.colours, colour), out=least)
    return float(image.counts[least <= _FLAT].sum() / image.counts.sum())


def _measure_flatness(before: Colours, colours: Colours, numbers: npt.NDArray[np.int32]) -> _Flatness:
    """Compare a picture with the clean colours found in it.

    Args:
        before: The picture, uint8 [H, W, 3].
        colours: The clean colours, uint8 [K, 3].
        numbers: Which of them each pixel was given, [H, W].
    """
    import cv2

    after = colours[numbers]
    flat = _difference(before, after) <= _FLAT
    counts: Integers = np.bincount(numbers.ravel(), minlength=len(colours))
    elsewhere = numbers != counts.argmax()
    return _Flatness(
        flat=float(flat.mean()),
        objects=float(flat[elsewhere].mean()) if elsewhere.any() else 0.0,
        unlike=_unlike_smoothed(before, after),
        colours=len(colours),
        thick=float((cv2.distanceTransform(elsewhere.astype(np.uint8), cv2.DIST_L2, 3) > _DEEP).sum())
        / max(1, int(elsewhere.sum())),
    )


def _unlike_smoothed(before: Colours, after: Colours) -> float:
    """Smooth the clean colours to be as like the picture as they can, and return what still differs."""
    import cv2

    height, width = before.shape[:2]
    scale = min(1.0, _ENOUGH / max(height, width))
    if scale < 1:
        before, after = (
            np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)
            for image in (before, after)
        )
    square = np.ones((3, 3), np.uint8)
    inner = (cv2.dilate(after, square) == cv2.erode(after, square)).all(axis=2)
    soft = (_difference(before, after) > _FLAT) & inner
    if soft.mean() < _LEAST_SOFT:
        return 0.0
    differences = (
        _difference(before, np.asarray(cv2.GaussianBlur(after, (0, 0), sigma), np.uint8) if sigma else after)[
            soft
        ]
        for sigma in _SMOOTHING
    )
    best = min(differences, key=lambda difference: float(difference.mean()))
    return float((best > _UNLIKE_SMOOTHED).mean())


def _difference(first: Colours, second: Colours) -> npt.NDArray[np.uint8]:
    import cv2

    largest: npt.NDArray[np.uint8] = cv2.absdiff(first, second).max(axis=2)
    return largest
