"""What all data sets of masks have in common: for each sequence a folder of frames and one of masks."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Protocol

from sfc_cli.data.sequence_names import first_annotation_in, some_files_in
from sfc_cli.errors import InputError
from sfc_cli.files import inside

# What data sets call their splits, those to validate on first.
SPLITS = ("val", "valid", "test-dev", "test", "test-challenge", "trainval", "train")
FRAME_SUFFIXES = (".jpg", ".jpeg", ".JPG", ".JPEG", ".png", ".PNG")


class SequenceFiles(Protocol):
    """The frames of sequences and, for some of them, masks."""

    def frames(self, sequence: str) -> list[Path]:
        """Return a sequence's frame files in order."""

    def annotations(self, sequence: str) -> list[Path]:
        """Return a sequence's masks in order, at least one."""


class MaskDataset(SequenceFiles, Protocol):
    """A data set whose sequences have frames and masks."""

    @property
    def root(self) -> Path:
        """The data set's folder."""

    def sequences(self, split: str | None = None, chosen: Sequence[str] | None = None) -> list[str]:
        """Return the names of a split's sequences; None for the split that the set ships."""


class SequenceFolders(ABC):
    """A folder of frames and one of masks for each sequence, below two folders of their own."""

    @property
    @abstractmethod
    def frames_root(self) -> Path:
        """The folder of all sequences' frames."""

    @property
    @abstractmethod
    def annotations_root(self) -> Path:
        """The folder of all sequences' annotations."""

    def frames_folder(self, sequence: str) -> Path:
        """Return the folder of a sequence's frames."""
        return inside(self.frames_root, sequence)

    def annotations_folder(self, sequence: str) -> Path:
        """Return the folder of a sequence's masks."""
        return inside(self.annotations_root, sequence)

    def frames(self, sequence: str) -> list[Path]:
        """Return a sequence's frame files in natural order: 2 before 10.

        Raises:
            InputError: If the folder is missing or has no frames, or a name is unsafe or shared.
        """
        folder = self.frames_folder(sequence)
        require_folder(folder, f"the frames of sequence {sequence}")
        paths = some_files_in(folder, FRAME_SUFFIXES, "frames", "files such as 00000.jpg or 00000.png")
        if len({path.stem for path in paths}) != len(paths):
            raise InputError(f"Frames in {folder} share a name.", "Each frame needs a name of its own.")
        return paths

    def annotations(self, sequence: str) -> list[Path]:
        """Return a sequence's annotation files in natural order.

        Raises:
            InputError: If the folder is missing or empty, or a name is unsafe.
        """
        folder = self.annotations_folder(sequence)
        require_folder(folder, f"the annotations of sequence {sequence}")
        return some_files_in(folder, (".png",), "annotations", "indexed PNGs such as 00000.png")

    def first_annotation(self, sequence: str, frame: Path) -> Path:
        """Return the annotation of a sequence's first frame.

        Raises:
            InputError: If it is missing.
        """
        return first_annotation_in(self.annotations_root, sequence, frame)


def require_folder(folder: Path, what: str) -> None:
    """Make sure that a folder of a data set is there.

    Raises:
        InputError: If it is not.
    """
    if not folder.is_dir():
        raise InputError(f"Cannot find {what}: {folder} is missing.", "Check `data`.")


def first_of(splits: Collection[str]) -> str | None:
    """Return the split that is meant where none is chosen: one to validate on, else the only one."""
    known = next((name for name in SPLITS if name in splits), None)
    return known or (next(iter(splits)) if len(splits) == 1 else None)
