"""Finds the data set that a user chose: by name or path, by two folders, or by a list of folders."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sfc_cli.data.davis import DEFAULT_RESOLUTION
from sfc_cli.data.vos import ALL_FRAMES, PairedFolders, pair_folders, read_filelist
from sfc_cli.errors import UsageError
from sfc_cli.inference.sequences import FrameSequence, list_masked, list_sequences, resized_to
from sfc_cli.settings.locations import DEFAULT_DATA, find_data


@dataclass(frozen=True, kw_only=True)
class DataChoice:
    """Which data set is to be propagated, as the user gave it.

    Args:
        data: Its name or path; None for ``davis``.
        annotations: The folder of masks of ``data``, which is then any folder of frames, or of folders of
            frames; None for a known layout.
        filelist: A list of folders in place of ``data``, see ``read_filelist``.
        split: The split's name; None for the one that the set ships.
        resolution: The folder between ``JPEGImages`` and the sequences; None for ``480p`` or the only one.
        sequences: Only these; None for all.
        size: The short side that frames are resized to for the networks; None for the layout's own size.

    Raises:
        UsageError: If two of them exclude each other.
    """

    data: str | None = None
    annotations: Path | None = None
    filelist: Path | None = None
    split: str | None = None
    resolution: str | None = None
    sequences: Sequence[str] | None = None
    size: int | None = None

    def __post_init__(self) -> None:
        others: tuple[str, ...] = ("data", "annotations", "split", "resolution") if self.filelist else ()
        if self.annotations is not None:
            others = ("split", "resolution")
        for other in others:
            if getattr(self, other) is not None:
                by = "filelist" if self.filelist else "annotations"
                raise UsageError(
                    f"`{other}` {getattr(self, other)} beside `{by}`, which says where frames and masks lie.",
                    f"Leave out `{other}`.",
                )

    def resolve(self) -> ChosenData:
        """Find the data set and list its sequences, each of which is checked.

        Raises:
            UsageError: If a name is empty.
            InputError: If something is missing or does not fit.
        """
        if self.filelist is not None:
            return self._of_pairs(read_filelist(self.filelist.expanduser()), self.filelist.stem)
        data = self.data or DEFAULT_DATA
        root = find_data(data)
        name = root.resolve().name if Path(data).expanduser() == root else data
        if self.annotations is not None:
            masks = self.annotations.expanduser()
            return self._of_pairs(pair_folders(root, masks), name, annotations=masks)
        listed = list_sequences(root, self.split, self.sequences, size=self.size, resolution=self.resolution)
        folders = {}
        if self.resolution not in (None, DEFAULT_RESOLUTION):
            folders["resolution"] = str(self.resolution)
        if self.split is not None and self.split.endswith(ALL_FRAMES):
            # The same names as in the split itself, but more frames.
            folders["split"] = self.split
        return ChosenData(name=name, root=root, sequences=listed, folders=folders)

    def _of_pairs(self, dataset: PairedFolders, name: str, *, annotations: Path | None = None) -> ChosenData:
        names = dataset.sequences(chosen=self.sequences)
        return ChosenData(
            name=name,
            root=dataset.root,
            sequences=resized_to(self.size, list_masked(dataset, names)),
            folders={} if annotations is None else {"annotations": str(annotations.resolve())},
            read={folder for pair in dataset.folders.values() for folder in pair},
        )


@dataclass(frozen=True, kw_only=True)
class ChosenData:
    """A data set that was found.

    Args:
        name: What its results are named after.
        root: Its folder, or the list that names its folders.
        sequences: What is to be propagated.
        folders: What tells its frames and masks from others of the same root, for the record.
        read: Folders of frames and masks that may lie outside of the root.
    """

    name: str
    root: Path
    sequences: list[FrameSequence]
    folders: dict[str, str] = field(default_factory=dict)
    read: set[Path] = field(default_factory=set)
