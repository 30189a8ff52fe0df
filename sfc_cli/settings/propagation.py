"""The settings of label propagation and the published presets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from sfc_cli.errors import UsageError

BatchNormMode = Literal["released", "checkpoint"]
Backend = Literal["auto", "reference", "windowed", "fused"]
Precision = Literal["exact", "fast"]


# A window's features are held in memory: longer ones are a slip of the hand.
MOST_CONTEXT_FRAMES = 1000


@dataclass(frozen=True, kw_only=True)
class PropagationSettings:
    """How labels travel from the context frames to the next frame.

    Args:
        top_k: How many context cells vote for a cell, over all context frames together.
        radius: Cells of a windowed frame vote if their distance on the feature grid is strictly below it.
        temperature: Divides the affinities before the softmax over the ``top_k`` votes.
        context_frames: How many frames before the target form the window; frame 0 votes in addition.
        fusion_weight: The paper's lambda, the weight of the fine-grained features against the semantic
            ones; without effect for a single network.
        batchnorm: ``released`` repeats the side effect on BatchNorm statistics that the published numbers
            contain, ``checkpoint`` uses the statistics as stored.

    Raises:
        UsageError: If a value is outside its range.
    """

    top_k: int = 10
    radius: float = 12.0
    temperature: float = 0.05
    context_frames: int = 20
    fusion_weight: float = 1.75
    batchnorm: BatchNormMode = "released"

    def __post_init__(self) -> None:
        for name in ("top_k", "context_frames"):
            _require_positive(name, getattr(self, name))
        for name in ("radius", "temperature", "fusion_weight"):
            _require_positive(name, getattr(self, name))
        if self.context_frames > MOST_CONTEXT_FRAMES:
            raise UsageError(
                f"--context-frames is {self.context_frames}.", f"It must be {MOST_CONTEXT_FRAMES} at most."
            )
        if self.batchnorm not in get_args(BatchNormMode):
            raise UsageError(
                f"--batchnorm {self.batchnorm!r} is not known.",
                f"Choose one of: {', '.join(get_args(BatchNormMode))}.",
            )


def _require_positive(name: str, value: float) -> None:
    option = "--" + name.replace("_", "-")
    if not math.isfinite(value) or value <= 0:
        raise UsageError(f"{option} is {value}.", "It must be a finite number above 0.")


# The paper's settings for both networks together and those of every single network; of the bundled network
# the best of those tried on held-out sequences (its card tells how).
PRESETS: dict[str, PropagationSettings] = {
    "sfc": PropagationSettings(top_k=15, radius=15.0, temperature=0.1),
    "single": PropagationSettings(top_k=10, radius=12.0, temperature=0.05),
    "mini": PropagationSettings(top_k=10, radius=12.0, temperature=0.1),
}


def preset_for(fine_grained: str | None, semantic: str | None) -> PropagationSettings:
    """Return the settings for the chosen networks: ``sfc`` for two, ``single`` for one, or ``mini``."""
    if fine_grained and semantic:
        return PRESETS["sfc"]
    return PRESETS["mini" if fine_grained == "mini" else "single"]
