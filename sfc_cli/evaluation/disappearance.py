"""J&F where an object is gone, and after it has come back, as MOSEv2 counts them."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from sfc_cli.evaluation.measures import Curve, Flags

GONE, BACK = "J&F-Disappearance", "J&F-Reappearance"


def disappearance(region: Curve, boundary: Curve, shown: Flags) -> dict[str, float]:
    """Return the mean J&F of the stretches in which an object is gone, and of those after it came back.

    Each stretch counts once, however long it is. Where an object is gone, an empty result is right and
    scores 1. The stretch that begins with the first scored frame counts neither as gone nor as back.

    Args:
        region: J per frame, [n].
        boundary: F per frame, [n].
        shown: Whether the truth shows the object in the frame, [n].

    Returns:
        Both numbers by name; NaN for an object that is never gone, or never comes back.
    """
    both = (region + boundary) / 2
    turns = np.flatnonzero(np.diff(shown.astype(np.int8))) + 1
    ends = [*turns.tolist(), len(shown)]
    stretches = [(bool(shown[start]), float(both[start:end].mean())) for start, end in pairwise(ends)]
    return {
        name: float(np.mean(values)) if values else float("nan")
        for name, values in (
            (GONE, [value for is_shown, value in stretches if not is_shown]),
            (BACK, [value for is_shown, value in stretches if is_shown]),
        )
    }
