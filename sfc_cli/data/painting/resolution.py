"""Gives every pixel of a soft edge one of the clean colours close by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colour_index import (
    ACCIDENT_STRIDES,
    LARGEST_ACCIDENT,
    ColourIndex,
    Flags,
    Floats,
    Integers,
    Pixels,
    are_blends,
    squared_distance,
)
from sfc_cli.data.painting.clean_colours import CleanColours

Numbers = npt.NDArray[np.int32]

# Of so many areas nearest to a pixel one gives it its colour.
_NEAREST = 3
# An area that is hardly farther away than the second nearest is as near.
_AS_NEAR = 0.5
# So many clean colours are measured across the whole image; with more, each within its surroundings.
_FEW_COLOURS = 12
# A colour that differs more from every mixture of two others, in any channel, is not made of them.
_UNLIKE_MIXTURES = 40


def resolve(image: ColourIndex, clean: CleanColours, *, lossy: bool = False) -> Numbers:
    """Give every pixel outside the areas of clean colours the most similar of those nearest to it.

    Two different areas border on a soft edge, and only their colours can be meant there: halfway between
    black and white it is not grey that was painted, even if something else in the picture is grey.

    Args:
        image: The mask.
        clean: Its clean colours.
        lossy: The file went through lossy compression.

    Returns:
        The clean colour of each pixel, [H, W].
    """
    certain = _certain_pixels(image, clean, lossy=lossy)
    numbers = np.where(certain, image.spread(clean.similar), -1).astype(np.int32)
    pixels = np.nonzero(~certain)
    if len(pixels[0]) == 0:
        return numbers
    nearest, distances = _nearest_areas(numbers, pixels, clean)
    own = image.colours[image.at(pixels)].astype(np.float32)
    table = clean.colours.astype(np.float32)
    second = min(1, len(nearest) - 1)
    near = distances <= distances[second] + _AS_NEAR
    near[0] = True
    unlikeness = np.stack([squared_distance(own, table[candidate]) for candidate in nearest])
    best = np.where(near, unlikeness, np.inf).argmin(axis=0)
    found = np.take_along_axis(nearest, best[None], axis=0)[0]
    # What neither of two areas explains is a thin part of a third one.
    lost = np.flatnonzero(_unexplained(own, table[nearest[0]], table[nearest[second]]))
    found[lost] = _most_similar(own[lost], table)
    numbers[pixels] = found
    return numbers


def _certain_pixels(image: ColourIndex, clean: CleanColours, *, lossy: bool) -> Flags:
    """Return the pixels that show what was painted: areas and strokes of clean colours, without accidents."""
    import cv2

    similar = image.spread(clean.similar)
    exact = image.spread(clean.exact) >= 0
    core = clean.even & (similar >= 0)
    square = np.ones((3, 3), np.uint8)
    certain: Flags = core | ((cv2.dilate(core.astype(np.uint8), square) > 0) & exact)
    if not lossy:
        rows, columns = np.nonzero(exact & ~certain)
        painted = ~are_blends(image, (rows, columns))
        certain[rows[painted], columns[painted]] = True
    for number in range(len(clean.colours)):
        _drop_patches(image, certain, certain & (similar == number))
    return certain


def _drop_patches(image: ColourIndex, certain: Flags, area: Flags) -> None:
    """Take the small patches of an area that lie on a rim between two other colours out of ``certain``."""
    import cv2

    left, top, width, height = cv2.boundingRect(area.view(np.uint8))
    if height == 0:
        return
    part = np.ascontiguousarray(area[top : top + height, left : left + width])
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8), connectivity=8)
    sizes = statistics[:, cv2.CC_STAT_AREA]
    small = sizes <= LARGEST_ACCIDENT
    small[0] = False
    if not small.any():
        return
    rows, columns = np.nonzero(small[labels])
    patch = labels[rows, columns]
    blends = are_blends(image, (rows + top, columns + left), ACCIDENT_STRIDES)
    is_rim = np.bincount(patch[blends], minlength=count) * 2 >= sizes
    dropped = is_rim[patch]
    certain[rows[dropped] + top, columns[dropped] + left] = False


def _nearest_areas(numbers: Numbers, pixels: Pixels, clean: CleanColours) -> tuple[Numbers, Floats]:
    """Return the nearest clean colours of n pixels and their distances, [3, n] each, nearest first."""
    count = len(pixels[0])
    kept = min(_NEAREST, len(clean.colours))
    nearest = np.zeros((kept, count), np.int32)
    distances = np.full((kept, count), np.inf, np.float32)
    few = len(clean.colours) <= _FEW_COLOURS
    reach = max(numbers.shape) if few else int(4 * clean.rim) + 32
    for number in range(len(clean.colours)):
        inside, distance = _distances_to(numbers == number, pixels, reach)
        _insert(nearest, distances, number, inside, distance)
    return nearest, distances


def _distances_to(area: Flags, pixels: Pixels, reach: int) -> tuple[Integers, Floats]:
    """Return which pixels lie within reach of an area's box, and their distances to the area."""
    import cv2

    left, top, width, height = cv2.boundingRect(area.view(np.uint8))
    if height == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    bottom, right = top + height + reach, left + width + reach
    top, left = max(top - reach, 0), max(left - reach, 0)
    rows, columns = pixels
    inside = np.flatnonzero((rows >= top) & (rows < bottom) & (columns >= left) & (columns < right))
    outside_area = (~area[top:bottom, left:right]).astype(np.uint8)
    distance = cv2.distanceTransform(outside_area, cv2.DIST_L2, 3)
    return inside, distance[rows[inside] - top, columns[inside] - left].astype(np.float32)


def _insert(
    nearest: Numbers,
    distances: Floats,
    number: int,
    inside: Integers,
    distance: Floats,
) -> None:
    """Insert a colour's distances into the sorted lists of the nearest."""
    # What a rank loses moves on to the next; what the last one loses is forgotten.
    carried = np.full(len(inside), number, np.int32)
    for rank in range(len(nearest)):
        old, old_distance = nearest[rank, inside], distances[rank, inside]
        closer = distance < old_distance
        nearest[rank, inside] = np.where(closer, carried, old)
        distances[rank, inside] = np.where(closer, distance, old_distance)
        carried, distance = np.where(closer, old, carried), np.where(closer, old_distance, distance)


def _unexplained(own: Floats, first: Floats, second: Floats) -> Flags:
    """Return which colours [n, 3] lie far from every mixture of two others."""
    # The mixture closest to a colour is its projection onto the line between the two.
    along = second - first
    share = ((own - first) * along).sum(axis=1) / np.maximum(np.square(along).sum(axis=1), 1)
    mixture = first + share.clip(0, 1)[:, None] * along
    unlike: Flags = np.abs(own - mixture).max(axis=1) > _UNLIKE_MIXTURES
    return unlike


def _most_similar(own: Floats, table: Floats) -> Numbers:
    """Return the most similar colour of a table for each colour [n, 3]."""
    found = np.zeros(len(own), np.int32)
    least = np.full(len(own), np.inf, np.float32)
    for number, colour in enumerate(table):
        unlikeness = squared_distance(own, colour)
        closer = unlikeness < least
        found[closer] = number
        least[closer] = unlikeness[closer]
    return found
