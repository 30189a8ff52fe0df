"""The settings of pretraining, with the published values as defaults."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from sfc_cli.errors import UsageError, require_choice

Architecture = Literal["resnet18", "resnet50"]
LastLayer = Literal["layer3", "layer4"]
Precision = Literal["auto", "fp32", "tf32", "bf16"]
Decode = Literal["auto", "opencv", "torchvision", "nvjpeg"]
Schedule = Literal["constant", "cosine"]
Recipe = Literal["sfc", "hvc"]

# These change how fast or how long a training runs, not what a step computes: a resumed run may change them.
FREE_ON_RESUME = frozenset(
    {
        "steps", "workers", "decode", "compile", "save_every", "save_minutes", "check_every",
        "validate_every", "max_unreadable",
    }
)  # fmt: skip
# What a recipe has otherwise than SFC, unless the user says so.
RECIPES: dict[Recipe, dict[str, int | float]] = {
    "sfc": {},
    "hvc": {"batch_size": 128, "pos_radius": 0.1, "seed": 42, "hidden_channels": 256},
}
# Fields that trainings stored under another name before.
_EARLIER_NAMES = {"frames_per_video": "clips_per_video"}


@dataclass(frozen=True, kw_only=True)
class PretrainingSettings:
    """Everything that decides what a training computes, and how it is fed and saved.

    Args:
        recipe: Heads and loss: ``sfc``, or those of its successor ``hvc``. Its other settings are in
            ``RECIPES``.
        epochs: Passes over the data; with ``frames_per_video`` they fix the length of the momentum schedule.
        batch_size: Frames a process takes at a time.
        learning_rate: Adam's, at its highest.
        schedule: The learning rate stays constant, or falls along half a cosine to 0 at the last step.
        warmup: Steps over which the learning rate rises from 0 before.
        weight_decay: Of convolutions, decoupled from the gradient as in AdamW.
        init: A network to start from, by its name or path; None for random weights.
        crop_size: Side of a view in pixels, a multiple of 8.
        min_crop_area: A crop's least share of its image's area.
        max_crop_area: A crop's largest share of its image's area.
        frames_per_video: Most random frames of a video in an epoch.
        pos_radius: Cells of two views are a positive pair below this distance, in cell diagonals.
        momentum: Of the target at step 0; it rises to 1 along half a cosine.
        seed: Of weights, frames and crops.
        arch: The trunk.
        last_layer: The trunk's last layer while training. The published network has ``layer4``;
            propagation reads ``layer3``, and a training without ``layer4`` costs about half.
        hidden_channels: Inner channels of projector and predictor.
        out_channels: Channels of the vectors that the loss compares.
        precision: Of the arithmetic; ``auto`` is bf16 on a CUDA device that has it, else fp32.
        accumulate: Batches whose gradients are summed up before a step of the optimizer.
        sync_batchnorm: Take BatchNorm statistics over all processes, as one process with the whole batch
            would.
        steps: Stop after so many steps; the schedule stays that of all epochs. None to finish.
        workers: Processes that decode and crop; None for one a CPU core of this process, 16 at most.
        decode: What decodes JPEGs; ``auto`` is OpenCV, at reduced size where a file is far larger than the
            views, and the others decode in full.
        compile: Compile both branches with ``torch.compile``.
        save_every: Steps between saves; a save also ends the run, and every epoch that ends more than a
            minute after the last save.
        save_minutes: A save comes at least so often.
        check_every: Epochs between quick checks on the bundled sample; 0 for none.
        validate_every: Epochs between validations, if there is a data set for them; 0 for none.
        max_unreadable: So many unreadable files are skipped and listed; one more is an error.

    Raises:
        UsageError: If a value is outside its range.
    """

    recipe: Recipe = "sfc"
    epochs: int = 20
    batch_size: int = 96
    learning_rate: float = 1e-3
    schedule: Schedule = "constant"
    warmup: int = 0
    weight_decay: float = 0.0
    init: str | None = None
    crop_size: int = 256
    min_crop_area: float = 0.0
    max_crop_area: float = 1.0
    frames_per_video: int = 80
    pos_radius: float = 0.5
    momentum: float = 0.99
    seed: int = 777
    arch: Architecture = "resnet18"
    last_layer: LastLayer = "layer4"
    hidden_channels: int = 2048
    out_channels: int = 256
    precision: Precision = "auto"
    accumulate: int = 1
    sync_batchnorm: bool = True
    steps: int | None = None
    workers: int | None = None
    decode: Decode = "auto"
    compile: bool = False
    save_every: int = 500
    save_minutes: float = 10.0
    check_every: int = 5
    validate_every: int = 1
    max_unreadable: int = 20

    def __post_init__(self) -> None:
        for name in (
            "epochs", "batch_size", "crop_size", "frames_per_video", "hidden_channels", "out_channels",
            "accumulate", "steps", "save_every", "save_minutes", "learning_rate", "pos_radius",
        ):  # fmt: skip
            self._require(name, lambda value: value > 0, "a finite number above 0")
        for name in (
            "seed", "workers", "check_every", "validate_every", "max_unreadable", "warmup", "weight_decay",
        ):  # fmt: skip
            self._require(name, lambda value: value >= 0, "0 or more")
        self._require("momentum", lambda value: 0 <= value <= 1, "from 0 to 1")
        self._require("min_crop_area", lambda value: 0 <= value < 1, "at least 0 and below 1")
        least = self.min_crop_area
        self._require("max_crop_area", lambda value: least < value <= 1, f"above {least:g} and at most 1")
        self._require("crop_size", lambda value: value % 8 == 0, "a multiple of 8, the network's stride")
        # BatchNorm needs two values a channel; one frame at 8 pixels would be a single cell.
        self._require("batch_size", lambda value: value >= 2, "at least 2")
        for name, choices in (
            ("arch", get_args(Architecture)),
            ("last_layer", get_args(LastLayer)),
            ("precision", get_args(Precision)),
            ("decode", get_args(Decode)),
            ("schedule", get_args(Schedule)),
            ("recipe", get_args(Recipe)),
        ):
            require_choice(name, getattr(self, name), choices)

    def _require(self, name: str, holds: Callable[[float], bool], what: str) -> None:
        value = getattr(self, name)
        if value is not None and not (math.isfinite(value) and holds(value)):
            raise UsageError(f"`{name}` is {value}.", f"It must be {what}.")

    def differences(self, stored: Mapping[str, object]) -> list[str]:
        """Name every setting that a stored run had otherwise and that a resumed run must keep.

        Args:
            stored: The settings of the stored run by field name.

        Returns:
            One text a difference, such as "`seed` was 777, now 5".
        """
        found = []
        for field in dataclasses.fields(self):
            name, now = field.name, getattr(self, field.name)
            # An older version without a setting did what is now its default.
            before = stored.get(name, stored.get(_EARLIER_NAMES.get(name, name), field.default))
            if name not in FREE_ON_RESUME and before != now:
                found.append(f"`{name}` was {before}, now {now}")
        return found
