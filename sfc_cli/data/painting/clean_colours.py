"""Finds the clean colours of a mask with soft edges: those that were painted, not those that were mixed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colour_index import (
    ACCIDENT_STRIDES,
    LARGEST_ACCIDENT,
    ColourIndex,
    Flags,
    Floats,
    Integers,
    are_blends,
    difference_from,
)
from sfc_cli.data.colours import Colours
from sfc_cli.data.mask_kinds import mixed_entries

# Two colours that differ by no more in any channel are one colour and what smoothing left of it, unless the
# difference is more than slight and the lighter one fills an area so many pixels deep.
_SAME_COLOUR = 24
_SLIGHT_DIFFERENCE, _DEEP = 8, 3
# The variation within an area that lossy compression leaves flat to the eye.
_LOSSY_VARIATION = 10
# The same for smoothing, which ends in areas that are even but for rounding.
_ROUNDING = 2
# The smallest area of a colour in a file of lossy compression, as pixels and as a share of the image.
_LEAST_LOSSY = (16, 2e-5)
# A stroke that fills no area must have so many pixels, and such a share of all that fill none.
_LEAST_STROKE = (16, 0.05)
# The search ends here. Candidates may outnumber the 256 colours of a mask, since accidents among them are
# dropped afterwards.
_MOST_CANDIDATES = 300
# By how much, as a share, the way over a mixture may be longer than the straight way between two colours; the
# second where colours were rounded to those of a palette.
_LONGEST_DETOUR_SHARE = 0.03
_COARSE_DETOUR_SHARE = 0.15


@dataclass(frozen=True, kw_only=True)
class CleanColours:
    """The clean colours of a mask.

    Args:
        colours: Their colours, uint8 [K, 3].
        exact: Which of them each colour of the image is, [N]; -1 for none. After lossy compression, which
            leaves no colour as it is, the same as ``similar``.
        similar: Which of them each colour of the image is similar to, [N]; -1 for none.
        even: The pixels [H, W] that lie within an even area.
        rim: How far soft edges reach from the areas of clean colours, in pixels.
    """

    colours: Colours
    exact: npt.NDArray[np.int32]
    similar: npt.NDArray[np.int32]
    even: Flags
    rim: float


def find_clean_colours(image: ColourIndex, *, lossy: bool = False) -> CleanColours:
    """Find the clean colours of a mask with soft edges, those of the largest areas first.

    Args:
        image: The mask.
        lossy: The file went through lossy compression.
    """
    import cv2

    even = _even_pixels(image, _LOSSY_VARIATION if lossy else _ROUNDING)
    solid = even if lossy else image.solid
    weights = np.bincount(image.flat_numbers[solid.ravel()], minlength=len(image.colours))
    least = max(_LEAST_LOSSY[0], int(_LEAST_LOSSY[1] * solid.size)) if lossy else 1
    depth = cv2.distanceTransform(solid.astype(np.uint8), cv2.DIST_L2, 3).astype(np.float32)
    deep = np.zeros(len(image.colours), np.bool_) if lossy else _colours_deeper(image, depth, _DEEP)
    chosen = _without_neighbours(image.colours, weights, least, deep)
    rim = _rim_width(even & image.spread(_similar(image, chosen) >= 0))
    chosen = _without_accidents(image, depth, chosen, weights, rim)
    if not lossy:
        chosen += _strokes(image, chosen)
    if image.coarse:
        mixed = mixed_entries(image)
        chosen = [number for number in chosen if not mixed[number]]
    if len(chosen) == 1:
        chosen += _farthest(image, chosen[0])
    similar = _similar(image, chosen)
    exact = np.full(len(image.colours), -1, np.int32)
    exact[chosen] = np.arange(len(chosen))
    return CleanColours(
        colours=image.colours[chosen],
        exact=similar if lossy else exact,
        similar=similar,
        even=even,
        rim=rim,
    )


def _even_pixels(image: ColourIndex, variation: int) -> Flags:
    """Return which pixels [H, W] vary no more within their 3×3 square, in any channel."""
    import cv2

    picture = image.spread(image.colours)
    square = np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(picture, square), cv2.erode(picture, square))
    even: Flags = spread.max(axis=2) <= variation
    return even


def _colours_deeper(image: ColourIndex, depth: Floats, least: float) -> Flags:
    """Return which colours [N] fill an area at least that deep."""
    deep_numbers = image.flat_numbers[(depth >= least).ravel()]
    return np.bincount(deep_numbers, minlength=len(image.colours)) > 0


def _without_neighbours(colours: Colours, weights: Integers, least: int, deep: Flags) -> list[int]:
    """Return the numbers of the heaviest colours, without those that a heavier one close by accounts for."""
    left = weights.copy()
    chosen: list[int] = []
    while left.any() and len(chosen) < _MOST_CANDIDATES:
        top = int(left.argmax())
        difference = difference_from(colours, colours[top])
        near = (difference <= _SLIGHT_DIFFERENCE) | ((difference <= _SAME_COLOUR) & ~deep)
        if left[near].sum() >= least:
            chosen.append(top)
        left[near] = 0
    return chosen


def _similar(image: ColourIndex, chosen: list[int]) -> npt.NDArray[np.int32]:
    """Return which chosen colour each colour is similar to, -1 for none."""
    similar = np.full(len(image.colours), -1, np.int32)
    least = np.full(len(image.colours), _SAME_COLOUR + 1, np.int16)
    for index, number in enumerate(chosen):
        difference = difference_from(image.colours, image.colours[number])
        closer = difference < least
        similar[closer] = index
        least[closer] = difference[closer]
    return similar


def _rim_width(core: Flags) -> float:
    """Return how far soft edges reach from the areas of clean colours, in pixels."""
    import cv2

    distance = cv2.distanceTransform((~core).astype(np.uint8), cv2.DIST_L2, 3)
    soft = distance[~core]
    # Twice the median: an object too small to show its colour must not pass for a wide rim.
    return float(2 * np.median(soft)) if soft.size else 0.0


def _without_accidents(
    image: ColourIndex, depth: Floats, chosen: list[int], weights: Integers, rim: float
) -> list[int]:
    """Drop colours whose areas are accidents of smoothing.

    Beside wide rims a clean area is thick, while the ridge or the valley between two rims is even on a line
    only. On narrow rims an accident lies between two colours.
    """
    kept = _colours_deeper(image, depth, max(rim / 4 - 1, 0.5))
    for index, number in enumerate(chosen):
        kept[number] |= not _is_mixture(image, number, chosen[:index])
    small = np.zeros(len(weights), np.bool_)
    small[chosen] = weights[chosen] <= LARGEST_ACCIDENT
    rows, columns = image.where(small)
    inside = depth[rows, columns] > 0
    pixels = rows[inside], columns[inside]
    blended = image.at(pixels)[are_blends(image, pixels, ACCIDENT_STRIDES)]
    kept &= np.bincount(blended, minlength=len(weights)) * 2 < np.maximum(weights, 1)
    return [number for number in chosen if kept[number]]


def _is_mixture(image: ColourIndex, number: int, others: list[int]) -> bool:
    """Return whether a colour lies between any two others."""
    table = image.colours[others].astype(np.float32)
    share = _COARSE_DETOUR_SHARE if image.coarse else _LONGEST_DETOUR_SHARE
    distance = np.linalg.norm(table - image.colours[number], axis=1)
    apart = np.linalg.norm(table[:, None] - table[None], axis=2)
    detour = distance[:, None] + distance[None] - apart
    # No colour lies between another and itself.
    return bool((detour + 1e9 * np.eye(len(others)) < share * apart).any())


def _strokes(image: ColourIndex, chosen: list[int]) -> list[int]:
    """Return the colours that fill no area but draw lines, and are not mixtures of what lies beside them."""
    thin = image.solid_counts == 0
    least = max(_LEAST_STROKE[0], int(_LEAST_STROKE[1] * image.counts[thin].sum()))
    candidates = thin & (image.counts >= least)
    for number in chosen:
        candidates &= difference_from(image.colours, image.colours[number]) > _SAME_COLOUR
    pixels = image.where(candidates)
    painted = image.at(pixels)[~are_blends(image, pixels)]
    weights = np.bincount(painted, minlength=len(thin))
    weights[(weights < least) | (weights * 2 < image.counts)] = 0
    found = _without_neighbours(image.colours, weights, least, np.zeros_like(thin))
    # A soft stroke along a row of pixels has one mixed colour everywhere.
    return [
        number
        for number in found
        if not _is_mixture(image, number, chosen + [other for other in found if other != number])
    ]


def _farthest(image: ColourIndex, background: int) -> list[int]:
    """Return the colour least like the only clean one: that of strokes too thin to show theirs anywhere."""
    difference = difference_from(image.colours, image.colours[background])
    farthest = int(difference.argmax())
    return [farthest] if difference[farthest] > 2 * _SAME_COLOUR else []
