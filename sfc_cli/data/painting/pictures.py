"""Masks on pictures: what was painted over a frame, and paint on a ground that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colour_index import Flags
from sfc_cli.data.colours import Colours

Numbers = npt.NDArray[np.float32]

# Colours that may stand for what is not painted: the one farthest from all paint is taken.
_KEYS = np.array(
    [(0, 0, 0), (255, 255, 255), (255, 0, 255), (0, 255, 255), (255, 255, 0), (0, 0, 255), (0, 255, 0)],
    np.uint8,
)
# What a pixel may differ from the frame without being painted: at least so much, in the channel that differs
# most, and so many times what most pixels differ by.
_LEAST_DIFFERENCE, _TIMES_USUAL = 20, 5
# Another picture differs by more than this in most places.
_NOT_THE_FRAME = 12
# The rim that compression leaves of paint has at most such a share of the largest object's area, and at least
# such a share of what surrounds it is other paint.
_RIM_SHARE, _CLINGING_SHARE = 0.05, 0.3
# How often, and over how many pixels, paint in a compressed file is smoothed.
_SMOOTHINGS, _SMOOTHED = 3, 5
# Paint is softer at its edge: what is covered by half counts. A hole in it is paint, too, that happens to
# have the colours of the frame, if paint explains such a share of its pixels.
_HALF_COVERED, _EXPLAINED_SHARE = 0.5, 0.9
# A painted spot of fewer pixels is noise.
_LEAST_SPOT = 20
# How much of the frame may shine through paint; how uneven paint may be once that is taken away, and by how
# much more even than if it were opaque.
_SHINING = (0.0, *(0.05 * step for step in range(4, 18)))
_UNEVEN, _MORE_EVEN = 8.0, 0.6


@dataclass(frozen=True, kw_only=True)
class Paint:
    """What was painted over a frame.

    Args:
        shown: Where it is, [H, W]; may be nowhere.
        colours: Its colours, without what shines through, uint8 [H, W, 3]; None if they are not flat.
        shining: How much of the frame shines through, 0…1.
    """

    shown: Flags
    colours: Colours | None
    shining: float


def painted_over(picture: Colours, frame: Colours) -> Paint | None:
    """Find what was painted over a frame, opaque or with the frame shining through.

    Args:
        picture: The painted frame, uint8 [H, W, 3].
        frame: The frame, uint8 [H, W, 3].

    Returns:
        The paint; None if the picture is not this frame.
    """
    import cv2

    difference = _largest(picture, frame)
    usual = float(np.median(difference))
    if usual > _NOT_THE_FRAME:
        return None
    shown = _without_spots(difference > max(_LEAST_DIFFERENCE, _TIMES_USUAL * usual))
    if not shown.any():
        return Paint(shown=shown, colours=None, shining=0)
    colours, shining = _paint_colours(picture, frame, shown)
    if colours is not None and usual >= 1:
        # What compression left is noise, and stronger where something shines through.
        for _ in range(_SMOOTHINGS):
            colours = np.asarray(cv2.medianBlur(colours, _SMOOTHED), np.uint8)
    return Paint(shown=shown, colours=colours, shining=shining)


def covered(picture: Colours, frame: Colours, clean: Colours, paint: Paint) -> Flags:
    """Return which pixels [H, W] are covered by paint at least by half, and the holes in it that it explains.

    Args:
        picture: The painted frame, uint8 [H, W, 3].
        frame: The frame, uint8 [H, W, 3].
        clean: The clean colour that each pixel has or would have, uint8 [H, W, 3].
        paint: What was found.
    """
    import cv2

    shining = np.float32(paint.shining)
    full = (1 - shining) * clean.astype(np.float32) + shining * frame
    way, whole = picture - frame.astype(np.float32), full - frame
    share = (way * whole).sum(axis=2) / np.maximum(np.square(whole).sum(axis=2), 1)
    kept: Flags = paint.shown & (share >= _HALF_COVERED)
    likely = np.abs(picture - full).max(axis=2) <= _LEAST_DIFFERENCE
    # The added border joins all that surrounds the paint.
    count, labels = cv2.connectedComponents(
        np.pad((~kept).astype(np.uint8), 1, constant_values=1), connectivity=4
    )
    around, labels = labels[0, 0], labels[1:-1, 1:-1]
    sizes = np.bincount(labels.ravel(), minlength=count)
    explained = np.bincount(labels.ravel(), weights=likely.ravel(), minlength=count)
    is_hole = explained >= _EXPLAINED_SHARE * np.maximum(sizes, 1)
    # Neither the paint nor what surrounds everything is a hole.
    is_hole[[0, around]] = False
    return np.asarray(kept | is_hole[labels], np.bool_)


def rims(numbers: npt.NDArray[Any], shown: Flags) -> Flags:
    """Return the small areas [H, W] of numbered paint that cling to larger ones of another number."""
    import cv2

    found = np.zeros_like(shown)
    square = np.ones((3, 3), np.uint8)
    counts = np.bincount(numbers[shown])
    for number in np.flatnonzero(counts):
        if counts[number] > _RIM_SHARE * counts.max():
            continue
        area = shown & (numbers == number)
        around = (cv2.dilate(area.astype(np.uint8), square) > 0) & ~area
        if (shown & around).sum() >= _CLINGING_SHARE * around.sum():
            found |= area
    return found


def nearest_numbers(numbers: npt.NDArray[Any], certain: Flags) -> npt.NDArray[Any]:
    """Return for each pixel the number of the certain pixel nearest to it."""
    import cv2

    if not certain.any():
        return numbers
    _, labels = cv2.distanceTransformWithLabels(
        (~certain).astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    by_label = np.zeros(int(labels.max()) + 1, numbers.dtype)
    by_label[labels[certain]] = numbers[certain]
    nearest: npt.NDArray[Any] = by_label[labels]
    return nearest


def on_key(colours: Colours, shown: Flags) -> Colours:
    """Return colours [H, W, 3] where they are shown [H, W], and a colour unlike all of them elsewhere."""
    key = unlike(colours[shown])
    return np.where(shown[..., None], colours, key).astype(np.uint8)


def unlike(colours: Colours) -> Colours:
    """Return the one of some plain colours [3] that is least like all others [N, 3]."""
    few = np.unique(colours // 16, axis=0).astype(np.int16) * 16 + 8
    least = [np.abs(few - key).max(axis=1).min() if len(few) else 255 for key in _KEYS.astype(np.int16)]
    key: Colours = _KEYS[int(np.argmax(least))]
    return key


def _largest(first: Colours, second: Colours) -> npt.NDArray[np.uint8]:
    import cv2

    largest: npt.NDArray[np.uint8] = cv2.absdiff(first, second).max(axis=2)
    return largest


def _without_spots(flags: Flags) -> Flags:
    import cv2

    count, labels, statistics, _ = cv2.connectedComponentsWithStats(flags.astype(np.uint8), connectivity=8)
    large = statistics[:, cv2.CC_STAT_AREA] >= _LEAST_SPOT
    large[0] = False
    kept: Flags = large[labels] if count else flags
    return kept


def _paint_colours(
    picture: npt.NDArray[Any], frame: npt.NDArray[Any], painted: Flags
) -> tuple[Colours | None, float]:
    """Return the colours of paint [H, W, 3], None if they are not even, and how much shines through."""
    # Without the division by the paint's share noise counts as much whatever shines through.
    rows, columns = np.nonzero(painted)
    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    frame = frame.astype(np.float32)
    picture = picture.astype(np.float32)
    uneven = {
        shining: _unevenness(picture[box] - np.float32(shining) * frame[box], painted[box])
        for shining in _SHINING
    }
    shining = min(uneven, key=lambda one: uneven[one])
    if uneven[0] * _MORE_EVEN <= uneven[shining]:
        shining = 0
    if uneven[shining] > _UNEVEN:
        return None, 0
    paint = (picture - np.float32(shining) * frame) / np.float32(1 - shining)
    return np.clip(np.rint(paint), 0, 255).astype(np.uint8), shining


def _unevenness(colours: Numbers, painted: Flags) -> float:
    """Return how much neighbouring painted pixels differ, on average without the edges between two paints."""
    across = np.abs(np.diff(colours, axis=1)).max(axis=2)[painted[:, 1:] & painted[:, :-1]]
    down = np.abs(np.diff(colours, axis=0)).max(axis=2)[painted[1:] & painted[:-1]]
    steps = np.sort(np.concatenate([across, down]))
    inner = steps[: max(1, int(0.9 * len(steps)))]
    return float(inner.mean()) if len(steps) else np.inf
