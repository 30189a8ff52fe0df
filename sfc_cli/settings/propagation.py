"""The settings of a propagation: how labels travel, the published presets, and what is written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Literal, get_args

from sfc_cli.errors import UsageError, require_choice

BatchNormMode = Literal["released", "checkpoint"]
Backend = Literal["auto", "reference", "windowed", "fused"]
# Of the networks, and of the votes that the fused backend takes.
Precision = Literal["exact", "tf32", "fast"]
VotePrecision = Literal["exact", "fast"]
OverlayKind = Literal["video", "mp4", "webm", "frames", "gif"]
CutoutKind = Literal["png", "webm", "prores"]
Protocol = Literal["published", "improved"]
LABEL_PATCHES = (1, 2, 4, 8, 16, 32)
# The short side that the method was tuned and is scored at; frames of your own video are resized to it.
DEFAULT_SIZE = 480

# A window's features are held in memory: longer ones are a slip of the hand.
MOST_CONTEXT_FRAMES = 1000
MOST_MEMORY_FRAMES = 16
# A GIF of more frames is hundreds of megabytes that no browser plays smoothly.
MOST_GIF_FRAMES = 300


def _or(choices: Sequence[int]) -> str:
    return f"{', '.join(map(str, choices[:-1]))} or {choices[-1]}"


@dataclass(frozen=True, kw_only=True)
class PropagationSettings:
    """How labels travel from the context frames to the next frame.

    Args:
        top_k: How many context cells vote for a cell, over all context frames together.
        radius: Cells of a windowed frame vote if their distance on the feature grid is strictly below it.
        temperature: Divides the affinities before the softmax over the ``top_k`` votes.
        context_frames: How many frames before the target form the window; frame 0 votes in addition, and
            alone if there are none.
        fusion_weight: The paper's lambda, the weight of the fine-grained features against the semantic
            ones; without effect for a single network.
        batchnorm: ``released`` repeats the side effect on BatchNorm statistics that the published numbers
            contain, ``checkpoint`` uses the statistics as stored.
        whitening: Shrinkage of the covariance that features are whitened with, 0…1; None does not whiten.
            This and all that follow are not part of the published method.
        shallow_weight: Weight of the fine-grained network's earlier layers beside its last one; 0 for none.
        channels: Leading channels that are kept of whitened features; None for all.
        label_patch: Side of the patch of pixels whose labels a cell carries; 1 for one label a cell.
        object_reach: An object stays less than so many cells from where it was in the frame before; 0 lets it
            appear anywhere.
        edge_refinement: Share of the labels that follows the edges of the frame, 0…1.
        long_memory: Every so many of the frames before the window stay context; 0 for none. Or the frames
            that vote for good once they have left the window, frame 0 among them: as in the released code,
            n > 0 stands for the frame n + 1, and until then for one more copy of frame 0.

    Raises:
        UsageError: If a value is outside its range.
    """

    top_k: int = 10
    radius: float = 12.0
    temperature: float = 0.05
    context_frames: int = 20
    fusion_weight: float = 1.75
    batchnorm: BatchNormMode = "released"
    whitening: float | None = None
    shallow_weight: float = 0.0
    channels: int | None = None
    label_patch: int = 1
    object_reach: float = 0.0
    edge_refinement: float = 0.0
    long_memory: int | tuple[int, ...] = 0

    @property
    def memory_distance(self) -> int:
        """The distance between frames before the window that stay context; 0 if it was not chosen so."""
        return self.long_memory if isinstance(self.long_memory, int) else 0

    @property
    def memory_frames(self) -> tuple[int, ...]:
        """The frames that vote for good besides frame 0, as they were named."""
        if isinstance(self.long_memory, int):
            return ()
        first = self.long_memory.index(0)
        return self.long_memory[:first] + self.long_memory[first + 1 :]

    @property
    def is_improved(self) -> bool:
        """Whether anything is done that is not part of the published method."""
        changed = (
            self.shallow_weight > 0,
            self.label_patch > 1,
            self.object_reach > 0,
            self.edge_refinement > 0,
            self.memory_distance > 0,
        )
        return self.whitening is not None or any(changed)

    def __post_init__(self) -> None:
        for name in ("top_k", "radius", "temperature", "fusion_weight"):
            value = getattr(self, name)
            if not math.isfinite(value) or value <= 0:
                raise UsageError(f"`{name}` is {value}.", "It must be a finite number above 0.")
        if not 0 <= self.context_frames <= MOST_CONTEXT_FRAMES:
            raise UsageError(
                f"`context_frames` is {self.context_frames}.", f"It must be from 0 to {MOST_CONTEXT_FRAMES}."
            )
        require_choice("batchnorm", self.batchnorm, get_args(BatchNormMode))
        for name in ("whitening", "edge_refinement"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"`{name}` is {value}.", "It must be from 0 to 1.")
        for name in ("shallow_weight", "object_reach"):
            value = getattr(self, name)
            if not math.isfinite(value) or value < 0:
                raise UsageError(f"`{name}` is {value}.", "It must be a finite number, 0 or more.")
        if self.channels is not None and (self.channels < 1 or self.whitening is None):
            what = "at least 1" if self.channels < 1 else "left out where features are not whitened"
            raise UsageError(f"`channels` is {self.channels}.", f"It must be {what}.")
        if self.label_patch not in LABEL_PATCHES:
            raise UsageError(f"`label_patch` is {self.label_patch}.", f"It must be {_or(LABEL_PATCHES)}.")
        self._check_long_memory()

    def _check_long_memory(self) -> None:
        memory = self.long_memory
        if isinstance(memory, int):
            if memory < 0:
                raise UsageError(f"`long_memory` is {memory}.", "It must be 0 or more.")
            if memory and not self.context_frames:
                raise UsageError(
                    f"`long_memory` {memory} keeps frames that leave the window, which has none.",
                    "Choose `context_frames` above 0, or name the frames: 0,20.",
                )
            return
        listed = ",".join(map(str, memory))
        if 0 not in memory:
            raise UsageError(
                f"`long_memory` {listed} lacks 0, and frame 0 votes in any case.",
                "Begin the list with 0; a single number is a distance.",
            )
        if min(memory) < 0 or len(memory) > MOST_MEMORY_FRAMES:
            raise UsageError(
                f"`long_memory` is {listed}.", f"Name up to {MOST_MEMORY_FRAMES} frames, counted from 0."
            )


def read_long_memory(text: str) -> int | tuple[int, ...]:
    """Read ``long_memory``: a number is a distance, and a comma makes a list of frames.

    Raises:
        UsageError: If it is neither.
    """
    words = text.split(",")
    try:
        # A comma may end the list.
        numbers = tuple(int(word) for word in (words if words[-1].strip() else words[:-1] or words))
    except ValueError:
        raise UsageError(
            f"`long_memory` is {text!r}.", "Give a distance, as 20, or frames that begin with 0, as 0,20."
        ) from None
    # Frame 0 alone is no long memory beyond the usual one.
    return numbers[0] if len(words) == 1 or numbers == (0,) else numbers


@dataclass(frozen=True, kw_only=True)
class SettingsChoice:
    """The settings that a user chose, by the fields of ``PropagationSettings``; None leaves the preset's."""

    top_k: int | None = None
    radius: float | None = None
    temperature: float | None = None
    context_frames: int | None = None
    fusion_weight: float | None = None
    batchnorm: BatchNormMode | None = None
    whitening: float | None = None
    shallow_weight: float | None = None
    channels: int | None = None
    label_patch: int | None = None
    object_reach: float | None = None
    edge_refinement: float | None = None
    long_memory: int | tuple[int, ...] | None = None

    def over(self, preset: PropagationSettings) -> PropagationSettings:
        """Return a preset with the chosen settings in place of its own.

        Raises:
            UsageError: If a value is outside its range.
        """
        chosen = {name: value for name, value in asdict(self).items() if value is not None}
        if preset.object_reach and "radius" in chosen:
            # Unless told otherwise, an object may be as far away as the cells that vote for it.
            chosen.setdefault("object_reach", chosen["radius"])
        return replace(preset, **chosen)


# The paper's settings for both networks together and those of every single network; of the bundled network
# the best of those tried on held-out sequences with its forerunner (benchmarks/README.md).
PRESETS: dict[str, PropagationSettings] = {
    "sfc": PropagationSettings(top_k=15, radius=15.0, temperature=0.1),
    "single": PropagationSettings(top_k=10, radius=12.0, temperature=0.05),
    "mini": PropagationSettings(top_k=10, radius=12.0, temperature=0.1),
    # HVC's own, and those of DINOv3's notebook on tracking.
    "hvc": PropagationSettings(top_k=15, radius=12.0, temperature=0.1, context_frames=50, fusion_weight=1.05),
    "dinov3": PropagationSettings(top_k=5, radius=12.0, temperature=0.2, context_frames=7),
}


def preset_for(fine_grained: str | None, semantic: str | None) -> PropagationSettings:
    """Return the settings for the chosen networks: ``sfc`` for two, ``single`` for one, or their own."""
    if fine_grained and semantic:
        return PRESETS["hvc" if fine_grained == "hvc" else "sfc"]
    if "dinov3" in (fine_grained or semantic or "").partition("=")[0]:
        return PRESETS["dinov3"]
    return PRESETS["mini" if fine_grained == "mini" else "single"]


def patch_for(stride: int) -> int:
    """Return the side of the widest label patch that a cell of so many pixels fills."""
    return max(patch for patch in LABEL_PATCHES if patch <= stride)


def improved(settings: PropagationSettings) -> PropagationSettings:
    """Return published settings with what gives better masks from the same weights (benchmarks/README.md)."""
    return replace(
        settings,
        whitening=0.02,
        shallow_weight=1.0,
        channels=96,
        label_patch=8,
        object_reach=settings.radius,
        edge_refinement=0.5,
    )


@dataclass(frozen=True, kw_only=True)
class OutputChoice:
    """Which extras are written for each sequence.

    Args:
        overlay: Frames blended with their masks: ``<output>/overlay/<sequence>.mp4`` (``video`` or
            ``mp4``), the same as ``.webm`` or ``.gif``, or a folder of JPEGs; None for no overlay.
        cutout: The objects alone on a transparent ground: ``<output>/cutout/<sequence>/<frame>.png``
            (``png``, or True), or one film with transparency, ``.webm`` (VP9) or ``.mov`` (ProRes 4444);
            None for none.
        audio: Overlays that are films, other than GIFs, have the sound of their video.
        soft: The soft labels on the feature grid, ``<output>/soft/<sequence>/<frame>.npz``.
        objects: Area, box, centroid and confidence of each object in each frame, ``<output>/objects.csv``.
    """

    overlay: OverlayKind | None = None
    cutout: CutoutKind | bool | None = None
    soft: bool = False
    objects: bool = False
    audio: bool = False

    def __post_init__(self) -> None:
        # Two ways of saying the same must not be two choices.
        if self.overlay == "mp4":
            object.__setattr__(self, "overlay", "video")
        if isinstance(self.cutout, bool):
            object.__setattr__(self, "cutout", "png" if self.cutout else None)
        if self.overlay is not None:
            require_choice("overlay", self.overlay, get_args(OverlayKind))
        if self.cutout is not None:
            require_choice("cutout", self.cutout, get_args(CutoutKind))

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written beside the masks."""
        return not (self.overlay or self.cutout or self.needs_labels)

    @property
    def needs_labels(self) -> bool:
        """Whether masks on disk are not enough, so that it takes a propagation."""
        return self.soft or self.objects


MASKS_ALONE = OutputChoice()
