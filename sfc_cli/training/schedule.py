"""How the learning rate goes over a training."""

from __future__ import annotations

import math

from sfc_cli.settings.pretraining import PretrainingSettings


def learning_rate_at(step: int, total_steps: int, settings: PretrainingSettings) -> float:
    """Return the learning rate of a step: a linear rise, then constant or half a cosine to 0.

    Args:
        step: From 0.
        total_steps: Steps of the whole training.
        settings: ``learning_rate`` is reached at the end of the ``warmup``.
    """
    base, warmup = settings.learning_rate, min(settings.warmup, total_steps)
    if step < warmup:
        return base * (step + 1) / warmup
    if settings.schedule == "constant":
        return base
    return base * (math.cos(math.pi * (step - warmup) / max(1, total_steps - warmup)) + 1) / 2
