"""The DAVIS folder layout: splits, sequences, frames and annotations. Nothing here ever writes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.data.sequence_folders import FRAME_SUFFIXES, SequenceFolders, first_of, require_folder
from sfc_cli.data.sequence_names import choose_sequences, read_list, require_split
from sfc_cli.errors import InputError
from sfc_cli.wording import did_you_mean

DEFAULT_RESOLUTION = "480p"


@dataclass(frozen=True, kw_only=True)
class DavisDataset(SequenceFolders):
    """A folder in the DAVIS layout.

    ``ImageSets/<year>/<split>.txt`` lists sequences, ``JPEGImages/<resolution>/<sequence>`` holds their
    frames, ``Annotations/<resolution>/<sequence>`` their masks. Without a list for the year, that of
    DAVIS-2016 is taken, ``ImageSets/<resolution>/<split>.txt``, or ``ImageSets/<split>.txt``. A split may be
    missing: then every sequence with annotations belongs to it, if the split is ``all``.

    Args:
        root: The folder.
        year: The folder of splits below ``ImageSets``.
        resolution: The folder of sequences below ``JPEGImages`` and ``Annotations``.
    """

    root: Path
    year: str = "2017"
    resolution: str = DEFAULT_RESOLUTION

    @property
    def frames_root(self) -> Path:
        """The folder of all sequences' frames."""
        return self.root / "JPEGImages" / self.resolution

    @property
    def annotations_root(self) -> Path:
        """The folder of all sequences' annotations."""
        return self.root / "Annotations" / self.resolution

    def sequences(self, split: str | None = None, chosen: Sequence[str] | None = None) -> list[str]:
        """Return the names of a split's sequences in the list's order.

        Args:
            split: A list's name without ``.txt``, or ``all`` for every annotated sequence; None for ``val``
                or, where that is not shipped, for the split that is.
            chosen: Only these; each must be in the split.

        Raises:
            InputError: If the root, the list or a chosen sequence is missing, or a name is unsafe.
        """
        require_folder(self.root, "the data set")
        split = split or first_of(self.splits()) or "val"
        if split == "all" and not self._split_file(split).is_file():
            require_folder(self.annotations_root, "the annotations")
            names = sorted(path.name for path in self.annotations_root.iterdir() if path.is_dir())
            return choose_sequences(names, chosen, self.annotations_root)
        return choose_sequences(self._read_split(split), chosen, self._split_file(split))

    def splits(self) -> list[str]:
        """Return the names of all lists."""
        return sorted({path.stem for folder in self._list_folders() for path in folder.glob("*.txt")})

    def _list_folders(self) -> tuple[Path, ...]:
        lists = self.root / "ImageSets"
        return tuple(dict.fromkeys((lists / self.year, lists / self.resolution, lists)))

    def _split_file(self, split: str) -> Path:
        name = f"{require_split(split)}.txt"
        paths = [folder / name for folder in self._list_folders()]
        return next((path for path in paths if path.is_file()), paths[0])

    def _read_split(self, split: str) -> list[str]:
        path = self._split_file(split)
        if not path.is_file():
            lists = self.splits()
            hint = (
                f"{did_you_mean(split, lists)}Splits there: {', '.join(lists)}."
                if lists
                else "Give `data` a folder in the DAVIS layout."
            )
            raise InputError(f"No split {split!r}: {path} is missing.", hint)
        names = read_list(path)
        # A split of the 2016 benchmark lists a pair of files a line; its sequences are their folders.
        files = [Path(line.split()[0]) for line in names]
        return [file.parent.name for file in files] if all(map(_is_frame, files)) else names


def _is_frame(path: Path) -> bool:
    return path.suffix in FRAME_SUFFIXES and path.parent.name != ""
