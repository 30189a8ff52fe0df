"""The scores of one frame: every object's J and F, measured where the object is and nowhere else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from sfc_cli.data.masks import VOID, Ids
from sfc_cli.evaluation.boundary import bound_in_pixels, boundary_agreement
from sfc_cli.evaluation.region import intersection_over_union
from sfc_cli.evaluation.statistics import Curve

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """One frame's scores and what was noticed about its result, [K] in the order of the objects.

    Args:
        region: J of every object, [K]; with proposals [P, K].
        boundary: F of every object, [K]; with proposals [P, K].
        predicted: Whether the result holds any pixel of the object, or of the proposal.
        present: Whether the truth holds any pixel of the object.
        strangers: Ids in the result that are no object, background or void.
        has_void: Whether the result holds void pixels.
        equal: Whether the result is the truth, pixel by pixel.
    """

    region: Curve
    boundary: Curve
    predicted: Flags
    present: Flags
    strangers: tuple[int, ...]
    has_void: bool
    equal: bool


def score_frame(result: Ids, truth: Ids, objects: Sequence[int]) -> FrameScores:
    """Measure J and F of every object in one frame.

    Both masks are cut to the box around everything in them and then, object by object, to the box around
    that object. One more row and column on each side keeps the outline whole, so that the numbers are those
    of the full frame.

    Args:
        result: Ids, uint8 [H, W].
        truth: Ids, uint8 [H, W].
        objects: The K ids to score; void (255) counts as background unless it is among them.
    """
    radius = bound_in_pixels(*truth.shape)
    count = len(objects)
    region, boundary = np.ones(count), np.ones(count)
    predicted, present = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    result, truth = cut_to_content(result, truth)
    explained = 0
    for index, identity in enumerate(objects):
        mine, true = (result == identity).view(np.uint8), (truth == identity).view(np.uint8)
        if count > 1:
            mine, true = cut_to_content(mine, true)
        pixels = int(np.count_nonzero(mine))
        explained += pixels
        predicted[index], present[index] = pixels > 0, true.any()
        if predicted[index] or present[index]:
            region[index] = intersection_over_union(mine, true)
            boundary[index] = boundary_agreement(mine, true, radius)
    others = _other_ids(result, objects) if explained != np.count_nonzero(result) else ()
    return FrameScores(
        region=region,
        boundary=boundary,
        predicted=predicted,
        present=present,
        strangers=tuple(identity for identity in others if identity != VOID),
        has_void=VOID in others,
        equal=bool(np.array_equal(result, truth)),
    )


def cut_to_content(result: Ids, truth: Ids) -> tuple[Ids, Ids]:
    """Cut both masks to the box around their non-zero pixels and one row and column more on each side."""
    left, top, width, height = cv2.boundingRect(cv2.bitwise_or(result, truth))
    rows = slice(max(top - 1, 0), top + height + 1)
    columns = slice(max(left - 1, 0), left + width + 1)
    return result[rows, columns], truth[rows, columns]


def _other_ids(result: Ids, objects: Sequence[int]) -> tuple[int, ...]:
    found = np.unique(result)
    return tuple(int(identity) for identity in found if identity != 0 and identity not in objects)
