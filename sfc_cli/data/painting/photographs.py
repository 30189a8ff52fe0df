"""Tells a photograph, or an object cut out of one, from a mask with soft edges."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sfc_cli.data.painting.clean_colours import CleanColours
from sfc_cli.data.painting.colour_index import ColourIndex, Colours, Integers

# A pixel that differs less from its clean colour, in any channel, is part of a flat area.
_FLAT = 4
# A pixel that differs more from the smoothed clean colours is no soft edge.
_UNLIKE = 32
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


@dataclass(frozen=True, kw_only=True)
class Flatness:
    """How far a picture is what a mask would be.

    Args:
        flat: The share of its pixels in flat areas.
        objects: The same of what is not the most frequent colour.
        unlike: The share of the other pixels that smoothing the clean colours does not explain.
        colours: How many clean colours it has.
    """

    flat: float
    objects: float
    unlike: float
    colours: int

    @property
    def is_photograph(self) -> bool:
        """Tell whether the picture is a photograph."""
        if self.flat < _FEW_FLAT:
            return self.colours > 2 or self.unlike > _HARDLY_UNLIKE
        # Thin soft strokes are unlike their smoothed selves too, but leave nearly all of a mask flat.
        return self.flat < _MOSTLY_FLAT and self.unlike > (
            _PARTLY_UNLIKE if self.flat < _SOME_FLAT else _MUCH_UNLIKE
        )

    @property
    def is_cut_out(self) -> bool:
        """Tell whether the picture is an object of a photograph on a plain background."""
        return self.unlike > _PARTLY_UNLIKE and self.objects < _FEW_FLAT_OBJECTS and self.flat >= _SOME_FLAT


def is_surely_photograph(flat: float, colours: int) -> bool:
    """Tell from the share of flat areas and the number of clean colours alone that a picture is no mask."""
    return flat < _FEW_FLAT and colours > 2


def most_flat(image: ColourIndex, clean: CleanColours) -> float:
    """Return the largest share of a picture that can be flat, whichever clean colours its pixels get."""
    wide = image.colours.astype(np.int16)
    nearest = np.full(len(wide), 255, np.int16)
    for colour in clean.colours.astype(np.int16):
        np.minimum(nearest, np.abs(wide - colour).max(axis=1), out=nearest)
    return float(image.counts[nearest <= _FLAT].sum() / image.counts.sum())


def measure_flatness(before: Colours, colours: Colours, numbers: npt.NDArray[np.int32]) -> Flatness:
    """Compare a picture with the clean colours found in it.

    Args:
        before: The picture, uint8 [H, W, 3].
        colours: The clean colours, uint8 [K, 3].
        numbers: Which of them each pixel was given, [H, W].
    """
    after = colours[numbers]
    flat = _difference(before, after) <= _FLAT
    counts: Integers = np.bincount(numbers.ravel(), minlength=len(colours))
    elsewhere = numbers != counts.argmax()
    return Flatness(
        flat=float(flat.mean()),
        objects=float(flat[elsewhere].mean()) if elsewhere.any() else 0.0,
        unlike=_unlike_smoothed(before, after),
        colours=len(colours),
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
    return float((best > _UNLIKE).mean())


def _difference(first: Colours, second: Colours) -> npt.NDArray[np.uint8]:
    import cv2

    largest: npt.NDArray[np.uint8] = cv2.absdiff(first, second).max(axis=2)
    return largest
