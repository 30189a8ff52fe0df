"""Gives every pixel of a soft edge one of the clean colours close by."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sfc_cli.data.painting.clean_colours import CleanColours
from sfc_cli.data.painting.colour_index import ColourIndex, Flags, Integers, Places, are_blends

Numbers = npt.NDArray[np.int32]
Distances = npt.NDArray[np.float32]

# Of so many areas nearest to a pixel one gives it its colour.
_NEAREST = 3
# An area that is hardly farther away than the second nearest is as near.
_AS_NEAR = 0.5
# So many clean colours are measured across the whole image; with more, each within its surroundings.
_FEW_COLOURS = 12
# A colour that differs more, in any channel, is not made of the colours compared.
_UNLIKE = 40
_LARGEST_PATCH = 64
_PATCH_STRIDES = (1, 2, 3, 4)


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
    numbers = np.where(certain, _spread(image, clean.similar), -1).astype(np.int32)
    places = np.nonzero(~certain)
    if len(places[0]) == 0:
        return numbers
    nearest, distances = _nearest_areas(numbers, places, clean)
    own = image.colours[image.at(places)].astype(np.float32)
    table = clean.colours.astype(np.float32)
    second = min(1, len(nearest) - 1)
    near = distances <= distances[second] + _AS_NEAR
    near[0] = True
    unlikeness = np.stack([_squared(own, table[candidate]) for candidate in nearest])
    best = np.where(near, unlikeness, np.inf).argmin(axis=0)
    found = np.take_along_axis(nearest, best[None], axis=0)[0]
    # What neither of two areas explains is a thin part of a third one.
    lost = np.flatnonzero(_unexplained(own, table[nearest[0]], table[nearest[second]]))
    found[lost] = _most_similar(own[lost], table)
    numbers[places] = found
    return numbers


def _certain_pixels(image: ColourIndex, clean: CleanColours, *, lossy: bool) -> Flags:
    """Return the pixels that show what was painted: areas and strokes of clean colours, but no accidents."""
    import cv2

    similar = _spread(image, clean.similar)
    exact = _spread(image, clean.exact) >= 0
    core = clean.even & (similar >= 0)
    square = np.ones((3, 3), np.uint8)
    certain: Flags = core | ((cv2.dilate(core.astype(np.uint8), square) > 0) & exact)
    if not lossy:
        places = np.nonzero(exact & ~certain)
        painted = ~are_blends(image, places)
        certain[places[0][painted], places[1][painted]] = True
    for number in range(len(clean.colours)):
        _drop_patches(image, certain, certain & (similar == number))
    return certain


def _spread(image: ColourIndex, table: Numbers) -> Numbers:
    spread: Numbers = table[image.flat_numbers].reshape(image.numbers.shape)
    return spread


def _drop_patches(image: ColourIndex, certain: Flags, area: Flags) -> None:
    """Take the small patches of an area that lie on a rim between two other colours out of ``certain``."""
    import cv2

    top, left, height, width = _box(area)
    if height == 0:
        return
    part = np.ascontiguousarray(area[top : top + height, left : left + width])
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(part.astype(np.uint8), connectivity=8)
    sizes = statistics[:, cv2.CC_STAT_AREA]
    small = sizes <= _LARGEST_PATCH
    small[0] = False
    if not small.any():
        return
    rows, columns = np.nonzero(small[labels])
    patch = labels[rows, columns]
    blends = are_blends(image, (rows + top, columns + left), _PATCH_STRIDES)
    is_rim = np.bincount(patch[blends], minlength=count) * 2 >= sizes
    dropped = is_rim[patch]
    certain[rows[dropped] + top, columns[dropped] + left] = False


def _nearest_areas(numbers: Numbers, places: Places, clean: CleanColours) -> tuple[Numbers, Distances]:
    """Return the nearest clean colours of each place and how far they lie, [3, n] each, nearest first."""
    count = len(places[0])
    kept = min(_NEAREST, len(clean.colours))
    nearest = np.zeros((kept, count), np.int32)
    distances = np.full((kept, count), np.inf, np.float32)
    few = len(clean.colours) <= _FEW_COLOURS
    reach = max(numbers.shape) if few else int(4 * clean.rim) + 32
    for number in range(len(clean.colours)):
        inside, distance = _distances_to(numbers == number, places, reach)
        _insert(nearest, distances, number, inside, distance)
    return nearest, distances


def _distances_to(area: Flags, places: Places, reach: int) -> tuple[Integers, Distances]:
    """Return which places lie within reach of an area's box, and their distances to the area."""
    import cv2

    top, left, height, width = _box(area)
    if height == 0:
        return np.empty(0, np.int64), np.empty(0, np.float32)
    bottom, right = top + height + reach, left + width + reach
    top, left = max(top - reach, 0), max(left - reach, 0)
    rows, columns = places
    inside = np.flatnonzero((rows >= top) & (rows < bottom) & (columns >= left) & (columns < right))
    outside_area = (~area[top:bottom, left:right]).astype(np.uint8)
    distance = cv2.distanceTransform(outside_area, cv2.DIST_L2, 3)
    return inside, distance[rows[inside] - top, columns[inside] - left].astype(np.float32)


def _insert(
    nearest: Numbers,
    distances: Distances,
    number: int,
    inside: Integers,
    distance: Distances,
) -> None:
    """Insert a colour's distances into the sorted lists of the nearest."""
    carried = np.full(len(inside), number, np.int32)
    for rank in range(len(nearest)):
        old, old_distance = nearest[rank, inside], distances[rank, inside]
        closer = distance < old_distance
        nearest[rank, inside] = np.where(closer, carried, old)
        distances[rank, inside] = np.where(closer, distance, old_distance)
        carried, distance = np.where(closer, old, carried), np.where(closer, old_distance, distance)


def _unexplained(own: Distances, first: Distances, second: Distances) -> Flags:
    """Tell which colours [n, 3] lie far from every mixture of two others."""
    along = second - first
    share = ((own - first) * along).sum(axis=1) / np.maximum(np.square(along).sum(axis=1), 1)
    mixture = first + share.clip(0, 1)[:, None] * along
    unlike: Flags = np.abs(own - mixture).max(axis=1) > _UNLIKE
    return unlike


def _most_similar(own: Distances, table: Distances) -> Numbers:
    """Return the most similar colour of a table for each colour [n, 3]."""
    found = np.zeros(len(own), np.int32)
    least = np.full(len(own), np.inf, np.float32)
    for number, colour in enumerate(table):
        unlikeness = _squared(own, colour)
        closer = unlikeness < least
        found[closer] = number
        least[closer] = unlikeness[closer]
    return found


def _squared(first: Distances, second: Distances) -> Distances:
    between = first - second
    squared: Distances = np.einsum("nc,nc->n", between, between)
    return squared


def _box(area: Flags) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the smallest box around an area; zeros for none."""
    rows, columns = np.flatnonzero(area.any(axis=1)), np.flatnonzero(area.any(axis=0))
    if rows.size == 0:
        return 0, 0, 0, 0
    return (
        int(rows[0]),
        int(columns[0]),
        int(rows[-1] - rows[0]) + 1,
        int(columns[-1] - columns[0]) + 1,
    )
