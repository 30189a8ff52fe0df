"""The DAVIS folder layout: splits, sequences, frames and annotations. Nothing here ever writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.data.sequence_names import (
    choose_sequences,
    first_annotation_in,
    read_list,
    require_split,
    some_files_in,
)
from sfc_cli.errors import InputError
from sfc_cli.files import inside

FRAME_SUFFIXES = (".jpg", ".jpeg", ".JPG", ".JPEG", ".png", ".PNG")


@dataclass(frozen=True, kw_only=True)
class DavisDataset:
    """A folder in the DAVIS layout.

    ``ImageSets/<year>/<split>.txt`` lists sequences, ``JPEGImages/<resolution>/<sequence>`` holds their
    frames, ``Annotations/<resolution>/<sequence>`` their masks. A split may be missing: then every sequence
    with annotations belongs to it, if the split is ``all``.

    Args:
        root: The folder.
        year: The folder of splits below ``ImageSets``.
        resolution: The folder of sequences below ``JPEGImages`` and ``Annotations``.
    """

    root: Path
    year: str = "2017"
    resolution: str = "480p"

    @property
    def annotations_root(self) -> Path:
        """The folder of all sequences' annotations."""
        return self.root / "Annotations" / self.resolution

    def sequences(self, split: str = "val", chosen: Sequence[str] | None = None) -> list[str]:
        """Return the names of a split's sequences in the list's order.

        Args:
            split: A list's name without ``.txt``, or ``all`` for every annotated sequence.
            chosen: Only these; each must be in the split.

        Raises:
            InputError: If the root, the list or a chosen sequence is missing, or a name is unsafe.
        """
        self._require_folder(self.root, "the data set")
        if split == "all" and not self._split_file(split).is_file():
            self._require_folder(self.annotations_root, "the annotations")
            names = sorted(path.name for path in self.annotations_root.iterdir() if path.is_dir())
            return choose_sequences(names, chosen, self.annotations_root)
        return choose_sequences(self._read_split(split), chosen, self._split_file(split))

    def frames(self, sequence: str) -> list[Path]:
        """Return a sequence's frame files in order of their names.

        Raises:
            InputError: If the folder is missing or has no frames, or a name is unsafe or shared.
        """
        folder = inside(self.root / "JPEGImages" / self.resolution, sequence)
        self._require_folder(folder, f"the frames of sequence {sequence}")
        paths = some_files_in(folder, FRAME_SUFFIXES, "frames", "files such as 00000.jpg or 00000.png")
        if len({path.stem for path in paths}) != len(paths):
            raise InputError(f"Frames in {folder} share a name.", "Each frame needs a name of its own.")
        return paths

    def annotations(self, sequence: str) -> list[Path]:
        """Return a sequence's annotation files in order of their names.

        Raises:
            InputError: If the folder is missing or empty, or a name is unsafe.
        """
        folder = inside(self.annotations_root, sequence)
        self._require_folder(folder, f"the annotations of sequence {sequence}")
        return some_files_in(folder, (".png",), "annotations", "indexed PNGs such as 00000.png")

    def first_annotation(self, sequence: str, frame: Path) -> Path:
        """Return the annotation of a sequence's first frame.

        Raises:
            InputError: If it is missing.
        """
        return first_annotation_in(self.annotations_root, sequence, frame)

    def _split_file(self, split: str) -> Path:
        return self.root / "ImageSets" / self.year / f"{require_split(split)}.txt"

    def _read_split(self, split: str) -> list[str]:
        path = self._split_file(split)
        if not path.is_file():
            lists = sorted(other.stem for other in path.parent.glob("*.txt")) if path.parent.is_dir() else []
            hint = (
                f"Splits there: {', '.join(lists)}." if lists else "Give `data` a folder in the DAVIS layout."
            )
            raise InputError(f"No split {split!r}: {path} is missing.", hint)
        names = read_list(path)
        # A split of the 2016 benchmark lists a pair of files a line; its sequences are their folders.
        if names and all(line.startswith("/") for line in names):
            names = [line.split()[0].rsplit("/", 2)[-2] for line in names]
        return names

    def _require_folder(self, folder: Path, what: str) -> None:
        if not folder.is_dir():
            raise InputError(f"Cannot find {what}: {folder} is missing.", "Check `data`.")
