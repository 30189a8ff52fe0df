"""A video of the user's own as a sequence: which frames, and which mask belongs to which of them."""

from __future__ import annotations

import contextlib
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfc_cli.core.manifest import sha256_of
from sfc_cli.data.painted_masks import PaintedMask, read_painted_masks
from sfc_cli.data.videos import FrameStamp, Selection, Video, open_video, parse_moment
from sfc_cli.data.videos.selection import TOLERANCE
from sfc_cli.errors import InputError, UsageError
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.propagator import Size
from sfc_cli.inference.sequences import FirstFrames, FrameSequence, FrameSource, SelectedFrames, scaled

# What may be a frame before the colon: anything else, a drive's letter for instance, belongs to the path.
_FRAME = re.compile(r"(\d[\d.:]*s?|\d+)")


@dataclass(frozen=True, kw_only=True)
class FrameMask:
    """A mask for one frame of a video.

    Args:
        path: The mask's file.
        frame: The frame as it was typed: a number, a time or a name; None for the first frame taken.
    """

    path: Path
    frame: str | None = None

    @classmethod
    def parse(cls, text: str) -> FrameMask:
        """Read ``[FRAME:]FILE``; a file of the whole name comes first.

        Raises:
            UsageError: If no file is named.
        """
        path = Path(text).expanduser()
        parts = text.split(":")
        splits = [(":".join(parts[:cut]), ":".join(parts[cut:])) for cut in range(1, len(parts))]
        found = [(frame, rest) for frame, rest in splits if frame and Path(rest).expanduser().is_file()]
        if path.is_file() or not splits:
            mask = cls(path=path)
        else:
            # Times and names may hold colons themselves, and so may paths.
            frame, rest = found[0] if found else splits[-1]
            mask = cls(path=Path(rest).expanduser(), frame=frame)
        if not mask.path.name:
            raise UsageError(f"`masks` {text!r} names no file.", "Write FILE or FRAME:FILE.")
        return mask


@dataclass(frozen=True, kw_only=True)
class OwnVideo:
    """A user's video, ready to be propagated.

    Args:
        sequence: What is propagated.
        video: The video.
        masks: What was painted, in the frames' order.
        identity: What tells this video, frames and masks from others, for the record.
    """

    sequence: FrameSequence
    video: Video
    masks: list[PaintedMask]
    identity: dict[str, Any]

    def describe(self) -> str:
        """Return in a few words what the video is."""
        frames = self.sequence.expected
        seen = f", seen at {_pixels(self.sequence.resized)}" if self.sequence.resized else ""
        return (
            f"{self.video.source}: {'an unknown number of' if frames is None else frames} frames of "
            f"{_pixels(self.video.size)}, {self.sequence.frames_per_second:.4g} a second{seen}"
        )

    def remarks(self) -> list[str]:
        """Return the legend of each mask and what was decided in reading it, one line each."""
        lines = []
        for mask in self.masks:
            colours = ", ".join(
                f"object {identity} #{red:02x}{green:02x}{blue:02x}"
                for identity, (red, green, blue) in sorted(mask.legend.items())
            )
            lines.append(f"{mask.path} ({mask.kind}): {colours}")
            lines += [f"{mask.path}: {remark}" for remark in mask.remarks]
        kinds = {mask.kind for mask in self.masks}
        shared = set.intersection(*(set(mask.legend) for mask in self.masks))
        if "indexed" in kinds and "colours" in kinds and not shared:
            lines.append(
                "The indexed and the coloured masks share no object: colours are matched with the palette's. "
                "To correct an earlier result, paint all masks in its colours, or all as indexed files."
            )
        if not self.sequence.both_ways and self.sequence.anchors.first:
            lines.append(
                f"{self.sequence.anchors.first} frames before the first mask get none; `both_ways` gives "
                "them theirs."
            )
        return lines


def open_own_video(
    sources: Sequence[str],
    *,
    masks: Sequence[FrameMask],
    selection: Selection,
    both_ways: bool = False,
    backwards: bool = False,
    size: int | None = None,
    enlarge: bool = True,
    frames_per_second: float | None = None,
) -> OwnVideo:
    """Open a video and read its masks.

    Args:
        sources: The video, see ``open_video``.
        masks: At least one.
        selection: Which frames.
        both_ways: Propagate to the frames before the masks, too.
        backwards: Propagate to the frames before the masks, and to none after the last.
        size: The short side that frames are resized to for the networks, in pixels; None for their own.
        enlarge: Frames that are smaller than that are enlarged; otherwise they stay as they are.
        frames_per_second: Of images.

    Raises:
        UsageError: If a choice is impossible.
        InputError: If the video or a mask is missing or damaged.
    """
    if not masks:
        raise UsageError("A video needs a mask to start from.", "Give at least one of `masks`.")
    video = open_video(
        sources, frames_per_second=frames_per_second, allow_truncated=selection.end is not None
    )
    both_ways = both_ways or backwards
    must_count = video.is_exact or both_ways or len(masks) > 1 or masks[0].frame is not None
    stamps = video.stamps(selection) if must_count else None
    if stamps is None and selection.start is not None:
        # A start beyond the end is found out before anything is overwritten.
        with contextlib.closing(video.frames(selection)) as frames:  # type: ignore[type-var]
            next(frames)
    indices = [0] if stamps is None else find_frames(masks, stamps, video)
    # Ids must not depend on the order of typing.
    ordered = sorted(zip(indices, masks, strict=True), key=lambda pair: pair[0])
    read = read_painted_masks([mask.path for _, mask in ordered], size=video.size)
    anchors = MaskAnchors({index: mask.ids for (index, _), mask in zip(ordered, read, strict=True)})
    source: FrameSource = SelectedFrames(video, selection, stamps)
    if backwards and stamps is not None:
        stamps = stamps[: anchors.last + 1]
        source = FirstFrames(source, len(stamps))
    sequence = FrameSequence(
        name=video.name,
        frames=source,
        anchors=anchors,
        both_ways=both_ways,
        resized=scaled(video.size, size, enlarge=enlarge),
        antialias=True,
        frames_per_second=_rate(video, selection),
        takes_masks=True,
        expected=_expected(video, selection, stamps, 0 if both_ways else anchors.first),
        inputs=(*video.files, *(mask.path for mask in masks)),
    )
    moments = {"start": selection.start, "end": selection.end, "every": selection.every}
    identity = {
        **video.identity(),
        **{name: None if moment is None else str(moment) for name, moment in moments.items()},
        # A mask is known by its frame and the start of its file's SHA-256.
        "masks": [f"{index}:{sha256_of(mask.path)[:16]}" for index, mask in ordered],
        "both_ways": both_ways,
        **({"backwards": True} if backwards else {}),
    }
    return OwnVideo(sequence=sequence, video=video, masks=read, identity=identity)


def find_frames(masks: Sequence[FrameMask], stamps: Sequence[FrameStamp], video: Video) -> list[int]:
    """Find the frames of masks among those that are propagated.

    Args:
        masks: The masks.
        stamps: All frames that are propagated.
        video: What they are of.

    Returns:
        An index into ``stamps`` for each mask.

    Raises:
        InputError: If a mask's frame is not there.
        UsageError: If two masks are for one frame.
    """
    indices = [0 if mask.frame is None else _find_frame(mask.frame, stamps, video) for mask in masks]
    for number, index in enumerate(indices):
        if index in indices[:number]:
            other = masks[indices.index(index)].path
            raise UsageError(
                f"{other} and {masks[number].path} are both for frame {stamps[index].number}.",
                "Give each frame one mask; paint several objects into one file.",
            )
    return indices


def _find_frame(frame: str, stamps: Sequence[FrameStamp], video: Video) -> int:
    # A plain number counts from 0, as everywhere; leading zeros make it a name.
    is_number = frame.isdecimal() and (frame == "0" or frame[0] != "0")
    for index, stamp in enumerate(stamps):
        if stamp.name == frame and not is_number:
            return index
    if not _FRAME.fullmatch(frame):
        raise InputError(
            f"`masks` {frame}:… names no frame of {video.source}.",
            "Before the colon goes a frame's number, counted from 0, a time such as 3.5s, or a frame's name.",
        )
    moment = parse_moment(frame, "masks")
    number = moment.value
    if moment.in_seconds:
        # The frame shown at that time, taken or not: a mask fits no other.
        later = (stamp.number for stamp in video.stamps() if stamp.seconds + TOLERANCE >= moment.value)
        number = next(later, math.inf)
    for index, stamp in enumerate(stamps):
        if stamp.number == number:
            return index
    first, last = stamps[0], stamps[-1]
    nearest = min(
        stamps, key=lambda stamp: abs((stamp.seconds if moment.in_seconds else stamp.number) - moment.value)
    )
    raise InputError(
        f"`masks` {frame}:… is for a frame that is not propagated: of {video.source} the {len(stamps)} "
        f"frames from {first.number} to {last.number} ({first.seconds:.2f} to {last.seconds:.2f} s) are "
        "taken.",
        f"The nearest is frame {nearest.number}.",
    )


def _rate(video: Video, selection: Selection) -> float:
    """Return how many of the chosen frames a second has."""
    every, rate = selection.every, video.frames_per_second
    if every is None:
        return rate
    return min(rate, 1 / every.value if every.in_seconds else rate / every.value)


def _expected(
    video: Video, selection: Selection, stamps: list[FrameStamp] | None, without: int
) -> int | None:
    """Return how many frames will have a mask; None if nobody knows."""
    if stamps is not None:
        return len(stamps) - without
    if video.count is None:
        return None
    rate = video.frames_per_second
    announced = (FrameStamp(number=number, name="", seconds=number / rate) for number in range(video.count))
    try:
        return sum(1 for _ in selection.choose(announced, video.name))
    except InputError:
        # What a container announces may be wrong: reading the video will tell.
        return None


def _pixels(size: Size) -> str:
    return f"{size[1]}×{size[0]}"
