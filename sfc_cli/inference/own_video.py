"""A video of the user's own as a sequence: which frames, and which mask belongs to which of them."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

from sfc_cli.core.manifest import sha256_of
from sfc_cli.data.colours import Colours
from sfc_cli.data.film import FilmBasis, Sound
from sfc_cli.data.painted_masks import PaintedMask
from sfc_cli.data.videos import FrameStamp, Selection, Video, open_video
from sfc_cli.errors import InputError, UsageError
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.given_masks import FrameMask, GivenMask, find_frames, open_masks, read_masks
from sfc_cli.inference.propagator import Size
from sfc_cli.inference.sequences import FirstFrames, FrameSequence, FrameSource, SelectedFrames, scaled
from sfc_cli.wording import counted

# Of more masks those with the same legend are told of together.
_MOST_LEGENDS = 3


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
        length = "an unknown number of frames" if frames is None else counted(frames, "frame")
        return (
            f"{self.video.source}: {length} of "
            f"{_pixels(self.video.size)}, {self.sequence.basis.frames_per_second:.4g} a second{seen}"
        )

    def remarks(self) -> list[str]:
        """Return the legend of each mask and what was decided in reading it, one line each."""
        lines = [f"{self.video.source}: {remark}" for remark in self.video.remarks()]
        told: dict[str, tuple[int, int]] = {}
        for mask in self.masks:
            colours = ", ".join(
                f"object {identity} {mask.names[identity]}"
                if identity in mask.names
                else f"object {identity} #{red:02x}{green:02x}{blue:02x}"
                for identity, (red, green, blue) in sorted(mask.legend.items())
            )
            legend = f"({mask.kind}): {colours}"
            if len(self.masks) > _MOST_LEGENDS and legend in told:
                line, more = told[legend]
                told[legend] = line, more + 1
            else:
                told[legend] = len(lines), 0
                lines.append(f"{mask.path} {legend}")
            lines += [f"{mask.path}: {remark}" for remark in mask.remarks]
        for line, more in told.values():
            lines[line] += f" (and so for {counted(more, 'more mask')})" if more else ""
        kinds = {mask.kind for mask in self.masks}
        shared = set.intersection(*(set(mask.legend) for mask in self.masks))
        if "indexed" in kinds and "colours" in kinds and not shared:
            lines.append(
                "The indexed and the coloured masks share no object: colours are matched with the palette's. "
                "To correct an earlier result, paint all masks in its colours, or all as indexed files."
            )
        if not self.sequence.both_ways and self.sequence.anchors.first:
            before = counted(self.sequence.anchors.first, "frame")
            verb = "gets" if self.sequence.anchors.first == 1 else "get"
            lines.append(f"{before} before the first mask {verb} none; `both_ways` gives them theirs.")
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
    strict_size: bool = False,
    frames_per_second: float | None = None,
    strict_video: bool = False,
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
        strict_size: Refuse masks of another size than the frames, even if the shape is the same.
        frames_per_second: Of images.
        strict_video: Refuse a video file of which a part cannot be decoded.

    Raises:
        UsageError: If a choice is impossible.
        InputError: If the video or a mask is missing or damaged.
    """
    if not masks:
        raise UsageError("A video needs a mask to start from.", "Give at least one of `masks`.")
    video = open_video(
        sources,
        frames_per_second=frames_per_second,
        masks=[mask.path for mask in masks],
        strict_video=strict_video,
    )
    both_ways = both_ways or backwards
    given = open_masks(masks)
    opened = given.masks
    is_first = len(opened) == 1 and opened[0].frame is None and opened[0].stem is None
    must_count = video.is_exact or both_ways or not is_first
    stamps = video.stamps(selection) if must_count else None
    if stamps is None and selection.start is not None:
        # A start beyond the end is found out before anything is overwritten.
        with contextlib.closing(video.frames(selection)) as frames:  # type: ignore[type-var]
            next(frames)
    indices = [0] if stamps is None else find_frames(opened, stamps, video)
    # Ids must not depend on the order of typing.
    placed = [(index, mask) for index, mask in zip(indices, opened, strict=True) if index is not None]
    ordered = sorted(placed, key=lambda pair: pair[0])
    if len(ordered) < len(opened):
        left_out = counted(len(opened) - len(ordered), "mask")
        given.add(f"Left out, because the frame is not propagated: {left_out}.")
    read = read_masks(
        given,
        [mask for _, mask in ordered],
        size=video.size,
        strict_size=strict_size,
        frames=[partial(_frame_at, video, selection, index) for index, _ in ordered],
    )
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
        basis=FilmBasis(
            frames_per_second=_rate(video, selection),
            pixel_aspect=video.pixel_aspect,
            sound=None if video.sound_origin is None else Sound(path=video.source, origin=video.sound_origin),
        ),
        takes_masks=True,
        expected=_expected(video, selection, stamps, 0 if both_ways else anchors.first),
        inputs=(*video.files, *dict.fromkeys(mask.path for mask in opened)),
    )
    moments = {"start": selection.start, "end": selection.end, "every": selection.every}
    identity = {
        **video.identity(),
        **{name: None if moment is None else str(moment) for name, moment in moments.items()},
        # A mask is known by its frame and the start of its file's SHA-256.
        "masks": [
            f"{index}:{_sum_of(mask, painted)}" for (index, mask), painted in zip(ordered, read, strict=True)
        ],
        "both_ways": both_ways,
        **({"backwards": True} if backwards else {}),
    }
    return OwnVideo(sequence=sequence, video=video, masks=read, identity=identity)


def _frame_at(video: Video, selection: Selection, index: int) -> Colours:
    """Return one of the chosen frames, uint8 [H, W, 3]."""
    with contextlib.closing(video.frames(selection)) as frames:  # type: ignore[type-var]
        found = next(islice(frames, index, None))
    frame: Colours = found.frame
    return frame


def _sum_of(given: GivenMask, read: PaintedMask) -> str:
    if given.image is None:
        return sha256_of(given.path)[:16]
    # One file may have the masks of many frames, and one mask many files.
    return hashlib.sha256(read.ids.tobytes()).hexdigest()[:16]


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
