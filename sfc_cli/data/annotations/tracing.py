"""Traces masks as polygons that fill exactly the same pixels again."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sfc_cli.data.annotations.rle import Binary

Corners = npt.NDArray[np.int64]


def trace(mask: Binary) -> list[Corners]:
    """Return the polygons of a mask, one for each of its parts; a hole is joined to the edge by a cut.

    Args:
        mask: [H, W].

    Returns:
        x and y of each polygon's corners, [N, 2] with N ≥ 3, in pixels.
    """
    import cv2

    contours, tree = cv2.findContours(mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
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
    return [_at_least_three(_joined(found[number], holes.get(number, []))) for number in parts]


def _joined(outer: Corners, holes: list[Corners]) -> Corners:
    """Join holes to an outline: along a line to the hole, around it, and back the same way."""
    for hole in holes:
        distances = np.square(outer[:, None] - hole[None]).sum(axis=2)
        at, start = np.unravel_index(int(distances.argmin()), distances.shape)
        around = np.concatenate([np.roll(hole, -int(start), axis=0), hole[start : start + 1]])
        outer = np.concatenate([outer[: at + 1], around, outer[at:]])
    return outer


def _at_least_three(corners: Corners) -> Corners:
    """Repeat the last corner of a point or a line, which readers of polygons refuse."""
    missing = max(0, 3 - len(corners))
    return np.concatenate([corners, np.repeat(corners[-1:], missing, axis=0)])
