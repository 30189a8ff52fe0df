"""T, the temporal stability of DAVIS-2016: how much an outline changes its shape from frame to frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.measures import Binary, Curve
from sfc_cli.evaluation.outline_points import Points, outline_points
from sfc_cli.evaluation.sequence_plan import SequencePlan
from sfc_cli.evaluation.workers import in_processes

Histograms = npt.NDArray[np.float64]
Pairs = npt.NDArray[np.int64]

# The shape context of Belongie et al.: distances in units of the mean one, in rings even in the logarithm.
_RINGS = np.logspace(np.log10(1 / 8), np.log10(2), 5)
_SECTORS = 12
_TINY = 2.2204e-16
# The published tool scales the cost to a readable number.
_SCALE = 5.0
_PAIRS_PER_JOB = 8


def instability(before: Binary, after: Binary) -> float:
    """Measure T of two consecutive masks of an object: the mean cost of matching their outlines, times five.

    The points of both outlines are described by their shape contexts and matched in order along the outlines
    by the cheapest path, which begins at the cheapest match; each point counts once. 0 is no change of shape;
    a shift alone changes nothing.

    Note:
        Equal to the published tool, except where pixels of an outline touch at a corner alone, or several
        ways cost the same: there its choice depends on the order of a hash table.

    Args:
        before: The result's object in a frame, zeros and ones, uint8 [H, W].
        after: The same in the next frame.

    Returns:
        A number from 0 on; NaN if one of the masks has no outline.
    """
    points = [outline_points(mask) for mask in (before, after)]
    if not all(len(each) for each in points):
        return float("nan")
    costs = matching_costs(*(shape_contexts(each) for each in points))
    path = cheapest_path(costs)
    # As published: the last of the path, which may be the start, is not looked at.
    cheapest = path[int(costs[path[:-1, 0], path[:-1, 1]].argmin())] if len(path) > 1 else path[0]
    turned = np.roll(costs, -(cheapest + 1), axis=(0, 1))
    pairs = (cheapest_path(turned) + cheapest + 1) % costs.shape
    pairs = _best_of_each(_best_of_each(pairs, costs, 0), costs, 1)
    return _SCALE * float(costs[pairs[:, 0], pairs[:, 1]].mean())


def shape_contexts(points: Points) -> Histograms:
    """Count for each point how many of the others lie in each ring and sector around it, [n, 60]."""
    offsets = points[None] - points[:, None]  # [n, n, 2], from the first to the second
    distances = np.linalg.norm(offsets, axis=2)
    mean = distances.mean()
    rings = (distances[..., None] / (mean or 1.0) < _RINGS).sum(axis=2)  # 5 is the innermost, 0 beyond all
    angles = np.mod(np.arctan2(offsets[..., 1], offsets[..., 0]), 2 * np.pi)
    sectors = np.minimum(np.floor(angles / (2 * np.pi / _SECTORS)).astype(np.int64), _SECTORS - 1)
    count = len(points)
    bins = (np.arange(count)[:, None] * len(_RINGS) + rings - 1) * _SECTORS + sectors
    counts = np.bincount(bins[rings > 0], minlength=count * len(_RINGS) * _SECTORS)
    return counts.reshape(count, -1).astype(np.float64)


def matching_costs(first: Histograms, second: Histograms) -> Curve:
    """Return the χ² distance of every pair of histograms, normalised to sum 1, [n, m]."""
    one, other = (each / (each.sum(axis=1, keepdims=True) + _TINY) for each in (first, second))
    costs = np.zeros((len(one), len(other)))
    for mine, theirs in zip(one.T, other.T, strict=True):
        if mine.any() or theirs.any():
            difference = mine[:, None] - theirs[None]
            costs += difference**2 / (mine[:, None] + theirs[None] + _TINY)
    return costs / 2


def cheapest_path(costs: Curve) -> Pairs:
    """Find the cheapest way from the first pair of points to the last, one on in either or in both.

    Args:
        costs: Of every pair, [n, m]; the first pair costs nothing.

    Returns:
        The pairs on the way, from the last to the first, [l, 2].
    """
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[1, 1] = 0
    came = np.zeros((rows, columns), np.int8)
    # All pairs of one diagonal only need those of the two before it.
    for diagonal in range(1, rows + columns - 1):
        i = np.arange(max(0, diagonal - columns + 1), min(rows, diagonal + 1))
        j = diagonal - i
        ways = np.stack(
            (total[i, j], total[i + 1, j], total[i, j + 1])
        )  # both, only the second, only the first
        best = ways.argmin(axis=0)
        came[i, j] = best
        total[i + 1, j + 1] = ways[best, np.arange(len(i))] + costs[i, j]
    path = [(rows - 1, columns - 1)]
    while path[-1] != (0, 0):
        i, j = path[-1]
        step = came[i, j]
        path.append((i - (step != 1), j - (step != 2)))
    return np.array(path, np.int64)


def _best_of_each(pairs: Pairs, costs: Curve, side: int) -> Pairs:
    """Keep the cheapest pair of each point of one side."""
    order = np.lexsort((costs[pairs[:, 0], pairs[:, 1]], pairs[:, side]))
    ordered = pairs[order]
    _, firsts = np.unique(ordered[:, side], return_index=True)
    return np.asarray(ordered[firsts], np.int64)


@dataclass(frozen=True)
class _StabilityJob:
    sequence: int
    results: tuple[Path, ...]
    objects: tuple[int, ...]
    is_foreground: bool


def sequence_instability(plans: Sequence[SequencePlan], workers: int | None = None) -> list[Curve]:
    """Measure T of every object between all consecutive scored results of each sequence.

    Args:
        plans: Sequences whose ids are not proposals.
        workers: How many processes; None for one a core.

    Returns:
        [n − 1, K] for each sequence; NaN where an outline is missing, and without results.
    """
    jobs = [
        _StabilityJob(
            number,
            plan.results[start : start + _PAIRS_PER_JOB + 1],
            plan.objects,
            plan.reading == "foreground",
        )
        for number, plan in enumerate(plans)
        if plan.results is not None
        for start in range(0, max(len(plan.results) - 1, 0), _PAIRS_PER_JOB)
    ]
    parts = dict(in_processes(_instability_of_some, jobs, workers))
    curves = []
    for number, plan in enumerate(plans):
        own = [parts[index] for index, job in enumerate(jobs) if job.sequence == number]
        missing = np.full((max(len(plan.frames) - 1, 0), len(plan.objects)), np.nan)
        curves.append(np.concatenate(own) if own else missing)
    return curves


def _instability_of_some(job: _StabilityJob) -> Curve:
    masks = [decode_ids(path) for path in job.results]
    values = []
    for before, after in pairwise(masks):
        row = []
        for identity in job.objects:
            one, other = (
                ((mask != 0) if job.is_foreground else (mask == identity)).view(np.uint8)
                for mask in (before, after)
            )
            row.append(instability(one, other))
        values.append(row)
    return np.array(values, np.float64)
