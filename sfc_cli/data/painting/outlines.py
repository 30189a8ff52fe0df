"""Fills objects of which only the outline was drawn."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colours import Ids

# An outline is a line no wider than this, in pixels, but for such a share where lines meet.
_WIDEST, _MEETING_SHARE = 8, 0.03
# It encloses so many times its own area, and runs along what it encloses with such a share of its pixels.
_LEAST_ENCLOSED, _ALONG_SHARE = 2.0, 0.8
# A gap of so many pixels in the line is closed.
_WIDEST_GAP = 7


def fill_outlines(ids: Ids, objects: list[int]) -> tuple[Ids, list[int]]:
    """Fill the objects of a mask if all of them are outlines.

    Args:
        ids: uint8 [H, W], 0 is background.
        objects: The ids to look at.

    Returns:
        The mask, filled where it was background, and the objects that were filled; none if one of them is
        more than an outline.
    """
    insides = {}
    for identity in objects:
        inside = _enclosed(ids == identity)
        if inside is None:
            return ids, []
        insides[identity] = inside
    filled = np.where(np.isin(ids, objects), 0, ids).astype(np.uint8)
    # What lies within another outline stays its own.
    for identity, inside in sorted(insides.items(), key=lambda item: -int(item[1].sum())):
        filled[inside & ((ids == 0) | np.isin(ids, objects))] = identity
    return filled, objects


def _enclosed(line: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_] | None:
    """Return a closed line with all that it encloses; None if it is not one."""
    import cv2

    if not line.any():
        return None
    drawn = np.pad(line.astype(np.uint8), _WIDEST_GAP)
    depth = cv2.distanceTransform(drawn, cv2.DIST_L2, 5)[drawn > 0]
    if (2 * depth > _WIDEST + 1).mean() > _MEETING_SHARE:
        return None
    # Of a line w pixels wide the mean depth is about (w + 2) / 4; its middle is where the object ends.
    outer = max(0, round(4 * float(depth.mean()) - 3) // 2)
    for gap in range(1, _WIDEST_GAP + 1, 2):
        kernel = np.ones((gap, gap), np.uint8)
        closed = cv2.morphologyEx(drawn, cv2.MORPH_CLOSE, kernel) if gap > 1 else drawn
        outside = np.zeros((closed.shape[0] + 2, closed.shape[1] + 2), np.uint8)
        flooded = closed.copy()
        cv2.floodFill(flooded, outside, (0, 0), 2, flags=4)
        hollow = flooded == 0
        if hollow.sum() < _LEAST_ENCLOSED * drawn.sum():
            continue
        near = cv2.dilate(hollow.astype(np.uint8), np.ones((2 * _WIDEST + 1,) * 2, np.uint8))
        if (near[drawn > 0] > 0).mean() < _ALONG_SHARE:
            continue
        whole = (hollow | (drawn > 0)).astype(np.uint8)
        disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * outer + 1,) * 2)
        inside: npt.NDArray[np.bool_] = cv2.erode(whole, disc) > 0
        return inside[_WIDEST_GAP:-_WIDEST_GAP, _WIDEST_GAP:-_WIDEST_GAP]
    return None
