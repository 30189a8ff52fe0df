"""How sure a difference between two runs is: an interval from resampled sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]

RESAMPLES = 10_000
_CONFIDENCE = 95
_SEED = 0
# How many resamples are summed at once, so that memory stays small.
_AT_ONCE = 500


def interval_of_means(differences: Mapping[str, Sequence[float]]) -> tuple[float, float] | None:
    """Return the 95 % interval of a mean difference over objects, with whole sequences resampled.

    Objects of one sequence are not independent, so that sequences are drawn, with all their objects.

    Args:
        differences: One run minus another, of every object, by sequence.

    Returns:
        The 2.5th and the 97.5th percentile of 10,000 resampled means, always the same for the same input;
        None with fewer than two sequences.
    """
    sums = np.array([sum(values) for values in differences.values()])
    counts = np.array([len(values) for values in differences.values()])
    parts = np.stack((sums, counts), axis=1)
    return interval(parts, lambda totals: np.asarray(totals[:, 0] / totals[:, 1], np.float64))


def interval(
    parts: npt.NDArray[Any], score: Callable[[npt.NDArray[Any]], Values]
) -> tuple[float, float] | None:
    """Return the 95 % interval of a score of summed parts, with the parts resampled.

    Args:
        parts: What each of n sequences adds, [n, …].
        score: Makes scores [r] of sums [r, …].

    Returns:
        See ``interval_of_means``.
    """
    count = len(parts)
    if count < 2:
        return None
    rng = np.random.default_rng(_SEED)
    scores = []
    flat = parts.reshape(count, -1)
    for _ in range(RESAMPLES // _AT_ONCE):
        draws = rng.integers(0, count, (_AT_ONCE, count))
        # How often each part was drawn, [r, n]
        times = np.stack([np.bincount(draw, minlength=count) for draw in draws])
        scores.append(score((times @ flat).reshape(_AT_ONCE, *parts.shape[1:])))
    edge = (100 - _CONFIDENCE) / 2
    low, high = np.nanpercentile(np.concatenate(scores), [edge, 100 - edge])
    return float(low), float(high)


def in_words(interval: tuple[float, float] | None) -> str:
    """Return an interval for people."""
    if interval is None:
        return "no interval from a single sequence"
    return f"{_CONFIDENCE} % interval {interval[0]:+.4f} to {interval[1]:+.4f}"
