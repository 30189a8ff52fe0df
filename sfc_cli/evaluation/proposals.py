"""The unsupervised task: every proposal against every object, and the pairing with the highest scores."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sfc_cli.data.masks import VOID, Ids
from sfc_cli.errors import UsageError
from sfc_cli.evaluation.measures import (
    DEFAULT_BOUND,
    Binary,
    Bound,
    Curve,
    FrameScores,
    bound_in_pixels,
    boundary_map,
    crop_to_content,
    dilate,
    harmonic_mean,
)

MOST_PROPOSALS = 20


def proposal_ids(objects: int) -> range:
    """Return the ids that are scored: all that are allowed, and at least as many as there are objects."""
    return range(1, max(MOST_PROPOSALS, objects) + 1)


@dataclass(frozen=True)
class _Outlined:
    """A mask with all that comparing it needs, each uint8 [H, W]; nothing is computed once per pair."""

    mask: Binary
    pixels: int
    edges: Binary
    edge_pixels: int
    reach: Binary

    @classmethod
    def of(cls, mask: Binary, radius: int) -> _Outlined:
        edges = boundary_map(mask)
        counts = (int(np.count_nonzero(mask)), int(np.count_nonzero(edges)))
        return cls(mask, counts[0], edges, counts[1], dilate(edges, radius))

    def region(self, other: _Outlined) -> float:
        both = int(np.count_nonzero(self.mask & other.mask))
        either = self.pixels + other.pixels - both
        return both / either if either else 1.0

    def boundary(self, other: _Outlined) -> float:
        if not self.edge_pixels or not other.edge_pixels:
            return float(self.edge_pixels == other.edge_pixels)
        precision = int(np.count_nonzero(self.edges & other.reach)) / self.edge_pixels
        recall = int(np.count_nonzero(other.edges & self.reach)) / other.edge_pixels
        return harmonic_mean(precision, recall)


def score_proposals(
    result: Ids, truth: Ids, objects: Sequence[int], bound: Bound = DEFAULT_BOUND
) -> FrameScores:
    """Measure J and F of every proposal against every object in one frame, without void pixels.

    Args:
        result: Ids of proposals, uint8 [H, W].
        truth: Ids of objects, uint8 [H, W]; 255 is void.
        objects: The K ids to score.
        bound: The distance that F forgives, see ``boundary_accuracy``.

    Returns:
        Scores [P, K], proposal ids 1 to P in rows.
    """
    if bound == "object":
        raise UsageError("`boundary` object does not go with `task` unsupervised.", "Give a number.")
    height, width = truth.shape
    radius = bound_in_pixels(height, width, bound)
    strangers = sorted(set(np.unique(result).tolist()) - set(range(MOST_PROPOSALS + 1)))
    void = truth == VOID
    if void.any():
        result, truth = np.where(void, 0, result), np.where(void, 0, truth)
    result, truth = crop_to_content(result, truth)
    proposals = proposal_ids(len(objects))
    truths = [_Outlined.of((truth == identity).view(np.uint8), radius) for identity in objects]
    found = set(np.unique(result).tolist())
    empty = _Outlined.of(np.zeros_like(result), 0)
    shape = (len(proposals), len(objects))
    region, boundary = np.empty(shape), np.empty(shape)
    for row, identity in enumerate(proposals):
        is_there = identity in found
        mine = _Outlined.of((result == identity).view(np.uint8), radius) if is_there else empty
        region[row] = [mine.region(true) for true in truths]
        boundary[row] = [mine.boundary(true) for true in truths]
    return FrameScores(
        region=region,
        boundary=boundary,
        predicted=np.array([identity in found for identity in proposals]),
        present=np.array([true.pixels > 0 for true in truths]),
        strangers=tuple(identity for identity in strangers if identity != VOID),
        has_void=VOID in strangers,
        equal=bool(np.array_equal(result, truth)),
    )


def best_pairing(region: Curve, boundary: Curve, proposals: int) -> list[int]:
    """Find the proposal for each object that makes the mean of J and F over objects and frames the highest.

    Args:
        region: J of each frame, proposal and object, [n, P, K].
        boundary: F in the same way, [n, P, K].
        proposals: How many proposals the sequence has; if there are fewer than objects, empty ones are added.

    Returns:
        The row of the proposal for each object, K of them.
    """
    from scipy.optimize import linear_sum_assignment

    rows = max(proposals, region.shape[2])
    worth = (region.mean(axis=0) + boundary.mean(axis=0))[:rows] / 2
    taken, objects = linear_sum_assignment(worth, maximize=True)
    return [int(row) for _, row in sorted(zip(objects, taken, strict=True))]
