"""A glance at how a network in training propagates the bundled sample's mask: a trend, not a benchmark."""

from __future__ import annotations

import numpy as np

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.settings.locations import SAMPLE_NAME, find_data
from sfc_cli.training.validation import Validation, copy_trunk

__all__ = ["copy_trunk", "quick_check"]


def quick_check(model: Correspondence) -> str:
    """Propagate the first masks of the bundled sample and score the result.

    Args:
        model: The network in training; it neither notices nor changes.

    Returns:
        A line with the mean J&F of all objects.

    Raises:
        InputError: If the sample is missing or damaged.
    """
    sample = Validation(find_data(SAMPLE_NAME), "val")
    scores = sample.score(model) or {}
    return (
        f"quick check: J&F {100 * np.mean(list(scores.values())):.1f} on the bundled sample "
        f"({', '.join(sequence.name for sequence in sample.sequences)}) only, which is not the benchmark"
    )
