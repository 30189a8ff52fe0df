"""Traces masks as polygons that fill exactly the same pixels again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sfc_cli.data.annotations.rle import Binary

Corners = npt.NDArray[np.int64]

# Corners of an outline that are compared with a hole at once, which bounds memory.
_AT_ONCE = 512


def trace(mask: Binary) -> list[Corners]:
    """Return the polygons of a mask, one for each of its parts; a hole is joined to the edge by a cut.

    Args:
        mask: [H, W].

    Returns:
        x and y of each polygon's corners, [N, 2] with N ≥ 3, in pixels.
    """
    import cv2

    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if not contours:
        return []
    found = [contour[:, 0].astype(np.int64) for contour in contours]
    holes: dict[int, list[Corners]] = {}
    for number, (_, _, _, parent) in enumerate(tree[0].tolist()):
        if parent >= 0:
            holes.setdefault(parent, []).append(found[number])
    parts = [number for number, (_, _, _, parent) in enumerate(tree[0].tolist()) if parent < 0]
    # The topmost part first.
    parts.sort(key=lambda number: found[number][:, ::-1].min(axis=0).tolist())
    return [_at_least_three(_simplified(_joined(found[number], holes.get(number, [])))) for number in parts]


def _joined(outer: Corners, holes: list[Corners]) -> Corners:
    """Join holes to an outline: along a line to the hole, around it, and back the same way.

    The nearest hole comes first, from the outline or from a hole that is joined already. So no line crosses
    another hole: that would be nearer.
    """
    nearest = [_nearest(outer, hole) for hole in holes]
    waiting = set(range(len(holes)))
    while waiting:
        chosen = min(waiting, key=lambda number: nearest[number][0])
        waiting.remove(chosen)
        _, point, start = nearest[chosen]
        hole = holes[chosen]
        around = np.concatenate([np.roll(hole, -start, axis=0), hole[start : start + 1]])
        at = int(np.flatnonzero((outer == point).all(axis=1))[0])
        outer = np.concatenate([outer[: at + 1], around, outer[at:]])
        for number in waiting:
            nearest[number] = min(nearest[number], _nearest(hole, holes[number]), key=lambda found: found[0])
    return outer


def _nearest(corners: Corners, hole: Corners) -> tuple[int, Corners, int]:
    """Return the least squared distance of two outlines, its point on the one and its index on the other."""
    found = []
    for begin in range(0, len(corners), _AT_ONCE):
        part = corners[begin : begin + _AT_ONCE]
        distances = np.square(part[:, None] - hole[None]).sum(axis=2)
        at, start = np.unravel_index(int(distances.argmin()), distances.shape)
        found.append((int(distances[at, start]), part[at], int(start)))
    return min(found, key=lambda one: one[0])


def _simplified(corners: Corners) -> Corners:
    """Leave out corners at which the outline goes straight on."""
    before, after = corners - np.roll(corners, 1, axis=0), np.roll(corners, -1, axis=0) - corners
    kept: Corners = corners[(before != after).any(axis=1) | ~before.any(axis=1)]
    return kept


def _at_least_three(corners: Corners) -> Corners:
    """Repeat the last corner of a point or a line, which readers of polygons refuse."""
    missing = max(0, 3 - len(corners))
    return np.concatenate([corners, np.repeat(corners[-1:], missing, axis=0)])
