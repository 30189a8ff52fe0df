"""Writes images: indexed PNGs, frames blended with their masks, one frame of a video to paint on."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from sfc_cli.conversion.mask_sources import MaskSource
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import Ids, write_mask
from sfc_cli.data.overlay import write_overlay
from sfc_cli.data.sequence_folders import MaskDataset
from sfc_cli.data.videos import FrameStamp, Moment, Selection, open_video
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import inside, is_same_or_below, refuse_overwriting, write_bytes

Encoded = TypeVar("Encoded")


class MaskWriter(Protocol[Encoded]):
    """Takes masks one after the other."""

    def encode(self, mask: MaskSource, ids: Ids) -> Encoded:
        """Do what can be done for a mask alone; called from any thread, in any order."""

    def add(self, mask: MaskSource, encoded: Encoded) -> None:
        """Take what ``encode`` made; called in the masks' order."""


@dataclass(frozen=True)
class IndexedFolder:
    """Indexed PNGs, in one folder for each sequence."""

    folder: Path

    def encode(self, mask: MaskSource, ids: Ids) -> None:
        """Write the mask."""
        write_mask(inside(self.folder, f"{mask.name}.png"), ids)

    def add(self, mask: MaskSource, encoded: None) -> None:
        """Do nothing more."""


@dataclass(frozen=True)
class OverlayFolder:
    """Frames blended with their masks, in one folder for each sequence."""

    folder: Path
    dataset: MaskDataset
    _frames: dict[str, dict[str, Path]] = field(default_factory=dict, init=False)

    def encode(self, mask: MaskSource, ids: Ids) -> None:
        """Write the blend."""
        frame = self._frames_of(mask.sequence).get(mask.stem)
        if frame is None:
            raise InputError(f"No frame {mask.stem} for {mask.path} in the data set.", "Check `data`.")
        write_overlay(inside(self.folder, f"{mask.name}.jpg"), read_frame(frame), ids)

    def add(self, mask: MaskSource, encoded: None) -> None:
        """Do nothing more."""

    def _frames_of(self, sequence: str) -> dict[str, Path]:
        if sequence not in self._frames:
            self._frames[sequence] = {frame.stem: frame for frame in self.dataset.frames(sequence)}
        return self._frames[sequence]


def write_frame(source: str, output: Path, at: Moment | None = None) -> FrameStamp:
    """Write one frame of a video as PNG, upright and at full size.

    Args:
        source: The video, see ``open_video``.
        output: The PNG to write.
        at: The frame; the first frame shown at or after a time; None for the first of all.

    Returns:
        Which frame it is.

    Raises:
        UsageError: If the output is not named as a PNG, or would be written over the video or its images.
        InputError: If the video or the frame cannot be read, or the output not written.
    """
    import cv2

    if output.suffix.lower() != ".png" or output.is_dir():
        raise UsageError(f"A frame is written as a PNG, and {output} is named otherwise.", "Try frame.png.")
    video = open_video([source])
    is_folder = video.source.is_dir()
    if is_folder and is_same_or_below(output, video.source):
        raise UsageError(f"{output} lies inside {video.source}.", "Choose another folder for the picture.")
    # Images in the folder may be links to files elsewhere.
    refuse_overwriting(output, video.files)
    if at is not None and at.in_seconds and is_folder:
        raise UsageError(f"Images have no time of their own, and `at` is {at}.", "Give the frame's number.")
    try:
        found = next(video.frames(Selection(start=at)))
    except InputError as error:
        # The selection knows the moment as its start.
        raise InputError(error.message.replace("`start`", "`at`"), error.hint) from None
    _, content = cv2.imencode(".png", cv2.cvtColor(found.frame, cv2.COLOR_RGB2BGR))
    write_bytes(output, content.tobytes())
    return found.stamp
