"""From a score per frame to Mean, Recall and Decay per object, and from those to the global numbers."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import numpy.typing as npt

Curve = npt.NDArray[np.float64]

OBJECT_NAMES = ("J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
GLOBAL_NAMES = ("J&F-Mean", *OBJECT_NAMES)
_RECALL_ABOVE = 0.5
_QUARTERS = 4


def mean(curve: Curve) -> float:
    """Return the mean over frames, [n] to a number."""
    return float(np.mean(curve))


def recall(curve: Curve) -> float:
    """Return the share of frames that score above one half, [n] to a number."""
    return float(np.mean(curve > _RECALL_ABOVE))


def decay(curve: Curve) -> float:
    """Return how much the score falls over time: the first quarter's mean less the last quarter's, [n].

    The quarters' ends are whole frames, each end belonging to both of its quarters.

    Note:
        The official tool keeps the ends in 8 bits and mixes up the quarters of videos longer than 256
        frames; here they are whole numbers.
    """
    # The small addend rounds exact halves upwards, where NumPy alone would round to even.
    ends = np.round(np.linspace(1, len(curve), _QUARTERS + 1) + 1e-10).astype(np.int64) - 1
    first, last = curve[: ends[1] + 1], curve[ends[-2] : ends[-1] + 1]
    return float(np.mean(first) - np.mean(last))


def object_statistics(region: Curve, boundary: Curve) -> dict[str, float]:
    """Return an object's six numbers from its J and F of every frame, [n] each, n ≥ 1."""
    values = [measure(curve) for curve in (region, boundary) for measure in (mean, recall, decay)]
    return dict(zip(OBJECT_NAMES, values, strict=True))


def global_statistics(objects: Collection[Mapping[str, float]]) -> dict[str, float]:
    """Return the seven global numbers: means over all objects of all sequences, at least one."""
    means = {name: float(np.mean([numbers[name] for numbers in objects])) for name in OBJECT_NAMES}
    return {"J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2, **means}
