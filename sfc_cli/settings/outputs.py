"""What a propagation run writes beside the masks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

OverlayKind = Literal["video", "frames", "gif"]

# A GIF of more frames is hundreds of megabytes that no browser plays smoothly.
MOST_GIF_FRAMES = 300


@dataclass(frozen=True, kw_only=True)
class OutputChoice:
    """Which extras are written for each sequence.

    Args:
        overlay: Frames blended with their masks: ``<output>/overlay/<sequence>.mp4``, the same as ``.gif``,
            or a folder of JPEGs; None for no overlay.
        cutout: The objects alone on a transparent ground, ``<output>/cutout/<sequence>/<frame>.png``.
        soft: The soft labels on the feature grid, ``<output>/soft/<sequence>/<frame>.npz``.
        objects: Area, box, centroid and confidence of each object in each frame, ``<output>/objects.csv``.
    """

    overlay: OverlayKind | None = None
    cutout: bool = False
    soft: bool = False
    objects: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to be written beside the masks."""
        return not (self.overlay or self.cutout or self.needs_labels)

    @property
    def needs_labels(self) -> bool:
        """Whether masks on disk are not enough, so that it takes a propagation."""
        return self.soft or self.objects


MASKS_ALONE = OutputChoice()
