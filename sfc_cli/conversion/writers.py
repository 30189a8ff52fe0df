"""Where converted masks go, a file a mask: indexed PNGs, or frames blended with them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar

from sfc_cli.conversion.sources import MaskSource
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import Ids, write_mask
from sfc_cli.data.overlay import write_overlay
from sfc_cli.errors import InputError

Encoded = TypeVar("Encoded")


class MaskWriter(Protocol[Encoded]):
    """Takes masks one after the other."""

    def encode(self, mask: MaskSource, ids: Ids) -> Encoded:
        """Do what can be done for a mask alone; called from any thread, in any order."""

    def add(self, mask: MaskSource, encoded: Encoded) -> None:
        """Take what ``encode`` made; called in the masks' order."""


@dataclass(frozen=True)
class IndexedFolder:
    """Indexed PNGs in a folder a sequence.

    Args:
        folder: The folder of sequences.
    """

    folder: Path

    def encode(self, mask: MaskSource, ids: Ids) -> None:
        """Write the mask."""
        write_mask(self.folder / mask.sequence / f"{mask.stem}.png", ids)

    def add(self, mask: MaskSource, encoded: None) -> None:
        """Do nothing more."""


@dataclass(frozen=True)
class OverlayFolder:
    """Frames blended with their masks, in a folder a sequence.

    Args:
        folder: The folder of sequences.
        dataset: Holds the frames.
    """

    folder: Path
    dataset: DavisDataset
    _frames: dict[str, dict[str, Path]] = field(default_factory=dict, init=False)

    def encode(self, mask: MaskSource, ids: Ids) -> None:
        """Write the blend."""
        frame = self._frames_of(mask.sequence).get(mask.stem)
        if frame is None:
            raise InputError(f"No frame {mask.stem} for {mask.path} in the data set.", "Check --data.")
        write_overlay(self.folder / mask.sequence / f"{mask.stem}.jpg", read_frame(frame), ids)

    def add(self, mask: MaskSource, encoded: None) -> None:
        """Do nothing more."""

    def _frames_of(self, sequence: str) -> dict[str, Path]:
        if sequence not in self._frames:
            self._frames[sequence] = {frame.stem: frame for frame in self.dataset.frames(sequence)}
        return self._frames[sequence]
