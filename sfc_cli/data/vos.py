"""The folder layout of YouTube-VOS, MOSE, LVOS and UVO, and any two folders of frames and masks.

``JPEGImages/<video>`` holds frames, ``Annotations/<video>`` masks of some of them, both in a folder for each
split or in the data set's own. Nothing here ever writes.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.data.sequence_folders import FRAME_SUFFIXES, SPLITS, SequenceFolders, first_of, require_folder
from sfc_cli.data.sequence_names import choose_sequences, in_short, read_list, require_split
from sfc_cli.errors import InputError
from sfc_cli.files import inside
from sfc_cli.wording import did_you_mean

logger = logging.getLogger(__name__)

_MOST_NAMED = 5
FRAMES, ANNOTATIONS = "JPEGImages", "Annotations"
# Archives of YouTube-VOS with every frame hold no masks: those are in the folder of the split itself.
ALL_FRAMES = "_all_frames"


@dataclass(frozen=True, kw_only=True)
class VosDataset(SequenceFolders):
    """Sequences below a folder of frames and a folder of masks.

    Args:
        root: The data set.
        split: The split; None if the set has none.
        images: The folder of all sequences' frames.
        masks: The folder of all sequences' masks.
        listed: The list of the split's sequences; None for every sequence with masks.
    """

    root: Path
    split: str | None = None
    images: Path
    masks: Path
    listed: Path | None = None

    @property
    def frames_root(self) -> Path:
        """The folder of all sequences' frames."""
        return self.images

    @property
    def annotations_root(self) -> Path:
        """The folder of all sequences' masks."""
        return self.masks

    def sequences(self, split: str | None = None, chosen: Sequence[str] | None = None) -> list[str]:
        """Return the names of the sequences: those of the list, or all that have masks.

        Args:
            split: None, ``all``, or the split that this is.
            chosen: Only these.

        Raises:
            InputError: If this is another split, the masks or a chosen sequence are missing, or a name is
                unsafe.
        """
        if split not in (None, "all", self.split):
            raise InputError(f"No split {split!r} in {self.root}.", "Check `split`.")
        require_folder(self.masks, "the annotations")
        if self.listed is not None:
            return choose_sequences(read_list(self.listed), chosen, self.listed)
        names = sequences_below(self.masks)
        if chosen is None:
            self._warn_of_frames_alone(names)
        return choose_sequences(names, chosen, self.masks)

    def _warn_of_frames_alone(self, names: Sequence[str]) -> None:
        """Name the sequences that have frames and no masks: a set that is half unpacked has some."""
        annotated = {name.split("/")[0] for name in names}
        there = sorted(path.name for path in self.images.iterdir()) if self.images.is_dir() else []
        alone = [name for name in there if name[0] != "." and name not in annotated]
        if alone:
            logger.warning(
                "%d of %d sequences in %s have no masks and are left out: %s",
                len(alone),
                len(there),
                self.images,
                in_short(alone, _MOST_NAMED),
            )


@dataclass(frozen=True, kw_only=True)
class PairedFolders(SequenceFolders):
    """Sequences whose folders of frames and masks may lie anywhere.

    Args:
        root: What names them: a list of folders, or the folder of frames.
        folders: The folder of frames and the folder of masks of each sequence.
    """

    root: Path
    folders: dict[str, tuple[Path, Path]]

    @property
    def frames_root(self) -> Path:
        """What names the folders."""
        return self.root

    @property
    def annotations_root(self) -> Path:
        """What names the folders."""
        return self.root

    def sequences(self, split: str | None = None, chosen: Sequence[str] | None = None) -> list[str]:  # noqa: ARG002
        """Return the names of the sequences; there are no splits."""
        return choose_sequences(self.folders, chosen, self.root)

    def frames_folder(self, sequence: str) -> Path:
        """Return the folder of a sequence's frames."""
        return self.folders[sequence][0]

    def annotations_folder(self, sequence: str) -> Path:
        """Return the folder of a sequence's masks."""
        return self.folders[sequence][1]


def sequences_below(masks: Path) -> list[str]:
    """Return the folders below a folder of masks that are sequences, by their paths below it.

    A folder with files is one, and so is an empty one: that its masks are missing must not go unseen.
    """
    found = []
    for parent, folders, files in os.walk(masks, followlinks=True):
        below = Path(parent).relative_to(masks).as_posix()
        if below != "." and (not folders or any(Path(file).suffix == ".png" for file in files)):
            found.append(below)
    return sorted(found)


def open_vos(root: Path, split: str | None = None) -> VosDataset | None:
    """Open a data set in the layout of YouTube-VOS; None if the folder is none.

    Args:
        root: The folder of the data set, or of one split.
        split: A folder below the root, or a list in ``ImageSets``; None for what the set ships: ``valid``,
            ``val`` or ``test``.

    Raises:
        InputError: If there are splits, but not this one, or none that is meant where none is chosen.
    """
    folders = _split_folders(root)
    if split is not None and (inside(root, require_split(split)) / FRAMES).is_dir():
        return _of_split(root, split)
    if (root / FRAMES).is_dir():
        return _of_lists(root, split)
    if not folders:
        return None
    chosen = first_of([name for name in folders if not name.endswith(ALL_FRAMES)]) if split is None else None
    if chosen is None:
        what = f"No split {split!r} in {root}." if split else f"{root} has several splits."
        meant = did_you_mean(split or "", folders)
        raise InputError(what, f"{meant}Splits there: {', '.join(folders)}. Choose one with `split`.")
    return _of_split(root, chosen)


def splits_in(root: Path) -> list[str]:
    """Return the splits of a data set in either layout: lists in ``ImageSets``, and folders."""
    lists = {path.stem for path in (root / "ImageSets").rglob("*.txt")}
    return sorted(lists.union(_split_folders(root)))


def _split_folders(root: Path) -> list[str]:
    """Return the folders of splits: known by their names, since any folder might hold a data set."""
    found = root.iterdir() if root.is_dir() else ()
    return sorted(
        path.name
        for path in found
        if path.name.removesuffix(ALL_FRAMES) in SPLITS and (path / FRAMES).is_dir()
    )


def _of_split(root: Path, split: str) -> VosDataset:
    base = inside(root, split)
    masks = base / ANNOTATIONS
    if not masks.is_dir() and split.endswith(ALL_FRAMES):
        masks = inside(root, split.removesuffix(ALL_FRAMES)) / ANNOTATIONS
    return VosDataset(root=root, split=split, images=base / FRAMES, masks=masks)


def _of_lists(root: Path, split: str | None) -> VosDataset:
    lists = root / "ImageSets"
    found = {path.stem: path for path in sorted(lists.rglob("*.txt"))}
    chosen = split or first_of(found)
    whole = VosDataset(root=root, split=split, images=root / FRAMES, masks=root / ANNOTATIONS)
    if chosen in found:
        return VosDataset(
            root=root, split=chosen, images=whole.images, masks=whole.masks, listed=found[chosen]
        )
    # A folder that is one split of the set may be named by it.
    if split not in (None, "all", root.resolve().name):
        splits = f"{did_you_mean(split, found)}Splits there: {', '.join(found)}."
        hint = splits if found else "Leave `split` out: the folder has none."
        raise InputError(f"No split {split!r} in {root}.", hint)
    return whole


def pair_folders(frames: Path, masks: Path) -> PairedFolders:
    """Pair a folder of frames, or of folders of frames, with one of masks that is built like it.

    Raises:
        InputError: If a folder is missing, or has no masks.
    """
    require_folder(frames, "the frames")
    require_folder(masks, "the annotations")
    if any(path.suffix in FRAME_SUFFIXES for path in frames.iterdir()):
        return PairedFolders(root=frames, folders={frames.resolve().name: (frames, masks)})
    names = sequences_below(masks)
    if not names:
        raise InputError(f"No masks in {masks}.", f"Expected folders named like those in {frames}.")
    return PairedFolders(
        root=frames, folders={name: (inside(frames, name), inside(masks, name)) for name in names}
    )


def read_filelist(path: Path) -> PairedFolders:
    """Read a list of folders as the released code takes it: frames and masks of one sequence a line.

    Each sequence is named after its folder of frames, with as many folders above it as tell all apart.

    Raises:
        InputError: If the list cannot be read, or a line does not name two folders that are there.
    """
    pairs = [_pair(line, number, path) for number, line in enumerate(read_list(path), 1)]
    if not pairs:
        raise InputError(f"No folders in {path}.", "Each line names a folder of frames and one of masks.")
    # Links are not followed: a link keeps its own name.
    frames = [Path(os.path.abspath(pair[0])) for pair in pairs]  # noqa: PTH100
    for number, folder in enumerate(frames):
        if folder in frames[:number]:
            first = frames.index(folder) + 1
            raise InputError(
                f"{path} names the frames in {folder} twice, in its lines {first} and {number + 1}.",
                "Remove one of them: the results of both would have one name.",
            )
    depth = 1
    while len({folder.parts[-depth:] for folder in frames}) < len(frames):
        depth += 1
    names = [Path(*folder.parts[-depth:]).as_posix().lstrip("/") for folder in frames]
    return PairedFolders(root=path, folders=dict(zip(names, pairs, strict=True)))


def _pair(line: str, number: int, source: Path) -> tuple[Path, Path]:
    # Paths with spaces need a tab between the two.
    words = line.split("\t") if line.count("\t") == 1 else line.split()
    paths = [Path(word.strip()).expanduser() for word in words[:2]]
    # The released code takes paths from the current folder; beside the list they are found, too.
    paths = [path if path.is_dir() else source.parent / path for path in paths]
    absent = [str(path) for path in paths if not path.is_dir()]
    if len(paths) < 2 or absent:
        problem = f"{in_short(absent)} is missing" if absent else "a folder of masks is missing"
        raise InputError(
            f"Line {number} of {source}: {problem}.",
            "Each line names a folder of frames and a folder of masks, with a space or a tab between them.",
        )
    return paths[0], paths[1]
