"""What is propagated: stamped frames, where labels start among them, and how a data set lists them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Protocol

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.film import FilmBasis
from sfc_cli.data.frames import read_frame
from sfc_cli.data.jhmdb import JhmdbDataset
from sfc_cli.data.layouts import open_layout
from sfc_cli.data.masks import read_first_mask
from sfc_cli.data.results import RESERVED_NAMES
from sfc_cli.data.sequence_folders import SequenceFiles
from sfc_cli.data.sequence_names import in_short
from sfc_cli.data.videos import FrameStamp, Selection, Video, VideoFrame
from sfc_cli.data.vip import VipDataset
from sfc_cli.errors import InputError, UsageError
from sfc_cli.inference.anchors import Anchors, JointAnchors, MaskAnchors
from sfc_cli.inference.concurrency import in_threads
from sfc_cli.inference.first_annotations import find_given_masks
from sfc_cli.inference.propagator import Size
from sfc_cli.wording import counted

logger = logging.getLogger(__name__)

# The protocols of UVC and CRW bring frames to these sizes for the networks, whatever their shape.
JHMDB_INPUT_SIZE: Size = (320, 320)
VIP_INPUT_SIZE: Size = (560, 560)
# Frames of data sets have no times of their own.
_DATASET_RATE = 24.0
_MOST_NAMED = 5
_DATASET_BASIS = FilmBasis(frames_per_second=_DATASET_RATE)


class FrameSource(Protocol):
    """Frames of one size, read again and again as streams."""

    @property
    def size(self) -> Size:
        """Height and width."""

    @property
    def stamps(self) -> list[FrameStamp] | None:
        """All frames in order, where they are known without reading; None otherwise."""

    def count(self) -> int:
        """Return how many frames there are, reading through all of them where that is unknown."""

    def read(self, threads: int = 1) -> Iterator[VideoFrame]:
        """Read the frames in order, holding one at a time, or a few a thread.

        Args:
            threads: How many may decode; what is no file of its own for each frame takes one.

        Raises:
            InputError: If one cannot be read, or has another size.
        """

    def read_backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Read these frames, the last first."""


@dataclass(frozen=True)
class FrameFiles:
    """A data set's frames: one image file each.

    Args:
        paths: The files in order.
        size: Height and width that they must have.
    """

    paths: tuple[Path, ...]
    size: Size

    @cached_property
    def stamps(self) -> list[FrameStamp]:
        """All frames in order."""
        return [
            FrameStamp(number=index, name=path.stem, seconds=index / _DATASET_RATE)
            for index, path in enumerate(self.paths)
        ]

    def count(self) -> int:
        """See ``FrameSource``."""
        return len(self.paths)

    def read(self, threads: int = 1) -> Iterator[VideoFrame]:
        """See ``FrameSource``."""
        return in_threads(self._read, self.stamps, threads)

    def read_backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """See ``FrameSource``."""
        return map(self._read, reversed(stamps))

    def _read(self, stamp: FrameStamp) -> VideoFrame:
        path = self.paths[stamp.number]
        frame = read_frame(path)
        if frame.shape[:2] != self.size:
            raise InputError(
                f"{path} has {frame.shape[1]}×{frame.shape[0]} pixels, the first frame of its sequence "
                f"{self.size[1]}×{self.size[0]}.",
                "All frames of a sequence and its mask must have one size.",
            )
        return VideoFrame(stamp=stamp, frame=frame)


@dataclass(frozen=True)
class SelectedFrames:
    """The chosen frames of a video.

    Args:
        video: The video.
        selection: Which of its frames.
        stamps: These, where they were counted beforehand.
    """

    video: Video
    selection: Selection
    stamps: list[FrameStamp] | None

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.video.size

    def count(self) -> int:
        """See ``FrameSource``."""
        return len(self.stamps or self.video.stamps(self.selection))

    def read(self, threads: int = 1) -> Iterator[VideoFrame]:  # noqa: ARG002
        """See ``FrameSource``."""
        return self.video.frames(self.selection)

    def read_backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """See ``FrameSource``."""
        return self.video.backwards(stamps)


@dataclass(frozen=True)
class FirstFrames:
    """The first frames of others.

    Args:
        source: The others; their stamps must be known.
        limit: How many.
    """

    source: FrameSource
    limit: int

    @property
    def size(self) -> Size:
        """Height and width."""
        return self.source.size

    @property
    def stamps(self) -> list[FrameStamp]:
        """These frames in order."""
        return (self.source.stamps or [])[: self.limit]

    def count(self) -> int:
        """See ``FrameSource``."""
        return len(self.stamps)

    def read(self, threads: int = 1) -> Iterator[VideoFrame]:
        """See ``FrameSource``."""
        return islice(self.source.read(threads), self.limit)

    def read_backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """See ``FrameSource``."""
        return self.source.read_backwards(stamps)


@dataclass(frozen=True, kw_only=True)
class FrameSequence:
    """One sequence: a user's video, or one of DAVIS, YouTube-VOS, JHMDB or VIP.

    Args:
        name: Names its results.
        frames: The frames.
        anchors: Where labels start among them.
        both_ways: Propagate to the frames before the masks, too; the stamps must be known.
        resized: Height and width to which frames are resized for the networks; None for their own.
        antialias: Resize by area, which suits frames much larger than that.
        basis: What films take over from the video.
        expected: How many frames will have a result; None if nobody knows.
        takes_masks: Whether the user may add masks on other frames.
        inputs: The files of frames and masks, which no result may replace.

    Raises:
        UsageError: If its results would be named like those of another kind.
    """

    name: str
    frames: FrameSource
    anchors: Anchors
    both_ways: bool = False
    resized: Size | None = None
    antialias: bool = False
    basis: FilmBasis = _DATASET_BASIS
    expected: int | None
    takes_masks: bool = False
    inputs: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if Path(self.name).parts[0] in RESERVED_NAMES:
            raise UsageError(
                f"A sequence named {self.name} would lie where results of another kind go.", "Rename it."
            )

    @property
    def input_size(self) -> Size:
        """Height and width of what the networks see."""
        return self.resized or self.frames.size

    @property
    def steps(self) -> int | None:
        """How many frames go through the networks: on both ways, those before the last mask do twice."""
        if self.expected is None or not self.both_ways:
            return self.expected
        return self.expected + self.anchors.last + 1

    @property
    def without_result(self) -> int:
        """How many frames come before the first mask and get none."""
        return 0 if self.both_ways else self.anchors.first

    @property
    def result_stamps(self) -> list[FrameStamp] | None:
        """The frames that will have a result, where they are known without reading."""
        stamps = self.frames.stamps
        return None if stamps is None else stamps[self.without_result :]


def scaled(size: Size, short_side: int | None, *, enlarge: bool = True) -> Size | None:
    """Return the height and width with a given short side; None if that leaves the size as it is.

    Args:
        size: Height and width in pixels.
        short_side: In pixels; None for the size's own.
        enlarge: Whether a smaller size grows.

    Raises:
        UsageError: If the short side has no pixel.
    """
    if short_side is not None and short_side < 1:
        raise UsageError(f"`size` is {short_side}.", "It must be 1 at least, or None for the frames' own.")
    if short_side is None or min(size) == short_side or (min(size) < short_side and not enlarge):
        return None
    scale = short_side / min(size)
    return round(size[0] * scale), round(size[1] * scale)


def list_sequences(
    root: Path,
    split: str | None,
    chosen: Sequence[str] | None,
    *,
    size: int | None = None,
    resolution: str | None = None,
) -> list[FrameSequence]:
    """List what is to be propagated in a data set, whose layout its folders tell.

    ``joint_positions`` marks JHMDB, ``Annotations/Category_ids`` (or ``VIP_Fine``) VIP; anything else is
    DAVIS or in the layout of YouTube-VOS, see ``open_layout``. Every sequence is checked: its frames, its
    annotations, their sizes.

    Args:
        root: The data set.
        split: The split's name; None for the one that the set ships, or ``1`` of JHMDB.
        chosen: Only these sequences; None for all.
        size: The short side that frames are resized to for the networks; None for the layout's own size.
        resolution: See ``open_layout``.

    Raises:
        InputError: If something is missing or does not fit; the first problem, and how many more there are.
    """
    return resized_to(size, _list(root, split, chosen, resolution))


def resized_to(size: int | None, sequences: list[FrameSequence]) -> list[FrameSequence]:
    """Return sequences whose frames are resized to a short side for the networks; None leaves them."""
    if size is None:
        return sequences
    return [replace(one, resized=scaled(one.frames.size, size), antialias=True) for one in sequences]


def _list(
    root: Path, split: str | None, chosen: Sequence[str] | None, resolution: str | None
) -> list[FrameSequence]:
    if (root / "joint_positions").is_dir():
        jhmdb = JhmdbDataset(root=root)
        return [_of_joints(jhmdb, name) for name in jhmdb.sequences(split or "1", chosen)]
    if (root / "VIP_Fine").is_dir() or (root / "Annotations" / "Category_ids").is_dir():
        vip = VipDataset(root=root)
        return list_masked(vip, vip.sequences(split or "val", chosen), resized=VIP_INPUT_SIZE)
    dataset = open_layout(root, split, resolution=resolution)
    return list_masked(dataset, dataset.sequences(split, chosen))


def list_masked(
    dataset: SequenceFiles, names: Sequence[str], *, resized: Size | None = None
) -> list[FrameSequence]:
    """List sequences that start from masks.

    Args:
        dataset: Has their frames and masks.
        names: Their names.
        resized: Height and width that the layout brings frames to for the networks.

    Raises:
        InputError: See ``list_sequences``.
    """
    sequences, problems = [], []
    for name in names:
        try:
            sequences.append(_of_masks(dataset, name, resized))
        except InputError as error:
            problems.append(error)
    if problems:
        more = f" ({len(problems) - 1} more sequences have problems.)" if len(problems) > 1 else ""
        raise InputError(problems[0].message, problems[0].hint + more)
    late = [one.name for one in sequences if one.anchors.first]
    if late:
        logger.warning(
            "%s without an object in the first frame (%s): frames before the first object get no mask",
            counted(len(late), "sequence"),
            in_short(late, _MOST_NAMED),
        )
    return sequences


def _of_masks(dataset: SequenceFiles, name: str, resized: Size | None) -> FrameSequence:
    paths = dataset.frames(name)
    if len(paths) < 2:
        raise InputError(
            f"Sequence {name} has a single frame, {paths[0]}.",
            "There is nothing to propagate to; leave it out of `sequences`.",
        )
    annotations = dataset.annotations(name)
    if isinstance(dataset, DavisDataset | VipDataset):
        # There the first frame is always given: without it the data set is not whole.
        first = dataset.first_annotation(name, paths[0])
        read_first_mask(first)
        # The parts of VIP are those of the first frame, whatever comes later.
        annotations = annotations if isinstance(dataset, DavisDataset) else [first]
    given = find_given_masks(name, paths, annotations)
    height, width = read_frame(paths[0]).shape[:2]
    for annotation, (index, mask) in zip(given.paths, given.masks.items(), strict=True):
        if mask.shape != (height, width):
            raise InputError(
                f"{annotation} has {mask.shape[1]}×{mask.shape[0]} pixels, its frame {paths[index]} "
                f"{width}×{height}.",
                "Mask and frame must have one size.",
            )
    anchors = MaskAnchors(given.masks)
    return FrameSequence(
        name=name,
        frames=FrameFiles(tuple(paths), (height, width)),
        anchors=anchors,
        resized=resized,
        expected=len(paths) - anchors.first,
        inputs=(*given.paths, *paths),
    )


def _of_joints(dataset: JhmdbDataset, name: str) -> FrameSequence:
    joints, paths = dataset.joints(name), dataset.frames(name)
    # JHMDB annotates fewer frames than some videos have; only annotated frames are propagated to.
    count = min(len(joints), len(paths))
    if count < 2:
        raise InputError(f"Video {name} has {count} annotated frames.", "There is nothing to propagate to.")
    height, width = read_frame(paths[0]).shape[:2]
    return FrameSequence(
        name=name,
        frames=FrameFiles(tuple(paths[:count]), (height, width)),
        anchors=JointAnchors(joints[0], (height, width)),
        resized=JHMDB_INPUT_SIZE,
        expected=count,
        inputs=tuple(paths),
    )


def share_of(sequences: Sequence[FrameSequence], rank: int, world: int) -> list[FrameSequence]:
    """Return the sequences that one of several processes does: the longest first, each to the least busy.

    Args:
        sequences: All, the same in every process.
        rank: The number of the process.
        world: How many processes there are.
    """
    loads = [0] * world
    mine = []
    for sequence in sorted(sequences, key=lambda one: (-(one.expected or 0), one.name)):
        least = loads.index(min(loads))
        loads[least] += sequence.expected or 0
        if least == rank:
            mine.append(sequence)
    return mine
