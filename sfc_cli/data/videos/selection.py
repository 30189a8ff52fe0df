"""A video as a stream of frames with numbers and times, and which of its frames are wanted.

The choice is made frame by frame: no pass over a video has to know where it ends.
"""

from __future__ import annotations

import abc
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from fractions import Fraction
from pathlib import Path

from sfc_cli.data.frames import Frame
from sfc_cli.errors import InputError, UsageError
from sfc_cli.wording import counted

# Containers keep times in ticks, often of a millisecond: a difference of half a tick means nothing.
TOLERANCE = 0.0005

_FRAMES = re.compile(r"\d+", re.ASCII)
_SECONDS = re.compile(r"(\d+\.?\d*|\.\d+)\s*s", re.ASCII)
# What follows a colon counts to 59: 1:75 is a slip, 90:00 is not.
_CLOCK = re.compile(r"(?:(\d+):(?=[0-5]?\d:))?(\d+):([0-5]?\d(?:\.\d*)?)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A point in a video, or a step from one frame to the next.

    Args:
        value: A frame number from 0, or seconds from the start of the video.
        in_seconds: Whether ``value`` is in seconds.
    """

    value: float
    in_seconds: bool

    def __str__(self) -> str:
        return f"{self.value:g} s" if self.in_seconds else f"frame {self.value:.0f}"


def parse_moment(text: str, field: str) -> Moment:
    """Read a moment: ``57`` is a frame number; ``3.5s``, ``1:05`` and ``0:01:05.5`` are times.

    Args:
        text: What was typed.
        field: What it is for, such as ``start``, to name in an error.

    Raises:
        UsageError: If the text is neither, or negative.
    """
    typed = text.strip()
    if _FRAMES.fullmatch(typed):
        return Moment(value=float(typed), in_seconds=False)
    if found := _SECONDS.fullmatch(typed):
        return Moment(value=float(found[1]), in_seconds=True)
    if found := _CLOCK.fullmatch(typed):
        hours, minutes, seconds = (float(part or 0) for part in found.groups())
        return Moment(value=3600 * hours + 60 * minutes + seconds, in_seconds=True)
    what = "is negative" if typed.startswith(("-", "−")) else "is neither a frame number nor a time"
    raise UsageError(
        f"`{field}` {text!r} {what}.",
        "Give a frame number from 0, such as 57, or a time, such as 3.5s or 1:05.",
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameStamp:
    """What is known of a frame without its pixels.

    Args:
        number: Which frame of the video it is, from 0, before any selection.
        name: The stem of its result files.
        seconds: When it is shown, from the start of the video.
    """

    number: int
    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A part of a video, all of its frames or some at even steps.

    Args:
        start: The first frame that may be taken; the first of the video if None.
        end: The first frame that is left out; None takes all to the end of the video.
        every: ``2`` takes every second frame counted from the first taken; ``0.5s`` takes the first frame at
            or after each half second, counted from the first taken. None takes all.

    Raises:
        UsageError: If the start is not before the end, or the step is 0.
    """

    start: Moment | None = None
    end: Moment | None = None
    every: Moment | None = None

    def __post_init__(self) -> None:
        start, end = self.start, self.end
        if self.every is not None and _is_zero(self.every):
            raise UsageError("`every` is 0.", "Leave it out to take all frames.")
        if end is not None and _is_zero(end):
            raise UsageError("`end` is 0, which leaves no frames.", "The end is the first frame left out.")
        # A frame number and a time can only be compared while the video is read.
        if start is None or end is None or start.in_seconds != end.in_seconds:
            return
        if start.value >= end.value:
            raise UsageError(
                f"`start` ({start}) is not before `end` ({end}).", "The end is the first frame left out."
            )

    def choose(self, stamps: Iterable[FrameStamp], video: str) -> Iterator[FrameStamp]:
        """Yield the wanted frames of a whole video, and stop reading at the first one past the end.

        Args:
            stamps: All frames of the video, in order; read one at a time.
            video: What to call the video in an error.

        Raises:
            InputError: If no frame is taken.
        """
        first = last = None
        next_step = 0
        for last in stamps:
            if self.end is not None and _is_reached(self.end, last):
                break
            if self.start is not None and not _is_reached(self.start, last):
                continue
            first = first or last
            step = self._steps(first, last)
            if step >= next_step:
                next_step = step + 1
                yield last
        else:
            if first is None and last is not None:
                raise self._beyond(video, last)
        if first is None and last is not None:
            raise InputError(
                f"`start` ({self.start}) leaves no frames of {video} before `end` ({self.end}).",
                "The end is the first frame left out.",
            )

    def _steps(self, first: FrameStamp, stamp: FrameStamp) -> int:
        """Count the whole steps from the first taken frame to this one."""
        if self.every is None:
            # Any count that grows by at least 1 a frame takes all.
            return stamp.number
        passed = stamp.seconds - first.seconds if self.every.in_seconds else stamp.number - first.number
        slack = TOLERANCE if self.every.in_seconds else 0.0
        return math.floor((passed + slack) / self.every.value)

    def _beyond(self, video: str, last: FrameStamp) -> InputError:
        # The last frame is taken to be shown for as long as the others are on average.
        seconds = last.seconds + last.seconds / max(1, last.number)
        return InputError(
            f"`start` ({self.start}) is past the end of {video}, which has "
            f"{counted(last.number + 1, 'frame')} ({seconds:.2f} s).",
            f"Frames count from 0: the last one is {last.number} ({last.seconds:.2f} s).",
        )


def _is_zero(moment: Moment) -> bool:
    return moment.value <= (TOLERANCE if moment.in_seconds else 0)


def _is_reached(moment: Moment, stamp: FrameStamp) -> bool:
    if moment.in_seconds:
        return stamp.seconds + TOLERANCE >= moment.value
    return stamp.number >= moment.value


ALL_FRAMES = Selection()


@dataclass(frozen=True, kw_only=True)
class VideoFrame:
    """One frame of a video.

    Args:
        stamp: Its number, name and time.
        frame: uint8 [H, W, 3], RGB, upright.
    """

    stamp: FrameStamp
    frame: Frame


class Video(abc.ABC):
    """A stream of frames in order or backwards, never all of them at once, whatever they are stored in.

    Attributes:
        name: The stem of the file or folder, safe as a folder's name.
        source: The file, or the folder of the images.
        files: The file, or the images in order.
        size: Height and width of every frame, after rotation.
        frames_per_second: The average of a video file; what was asked for with images.
        count: How many frames there are; None if a video file does not say.
        is_exact: Whether ``count`` was counted, not announced.
        pixel_aspect: How much wider a pixel is than high; frames and masks are in stored pixels all the same.
        sound_origin: When the first frame is shown by the clock of the file's sound; None without sound.
    """

    name: str
    source: Path
    files: tuple[Path, ...]
    size: tuple[int, int]
    frames_per_second: float
    count: int | None
    is_exact: bool
    pixel_aspect: Fraction = Fraction(1)
    sound_origin: float | None = None

    def remarks(self) -> list[str]:
        """Return what was decided in opening the video, a line each."""
        return []

    @abc.abstractmethod
    def frames(self, selection: Selection = ALL_FRAMES) -> Iterator[VideoFrame]:
        """Decode the chosen frames in order, holding one at a time.

        Raises:
            InputError: If a frame cannot be decoded or the selection takes none.
        """

    @abc.abstractmethod
    def stamps(self, selection: Selection = ALL_FRAMES) -> list[FrameStamp]:
        """List the chosen frames without keeping their pixels.

        Raises:
            InputError: If the video cannot be read or the selection takes no frame.
        """

    @abc.abstractmethod
    def backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Decode the given frames, the last first, holding a bounded number of them.

        Args:
            stamps: Frames of this video, in order, as ``stamps`` or ``frames`` gave them.

        Raises:
            InputError: If a frame cannot be decoded.
        """

    @abc.abstractmethod
    def identity(self) -> dict[str, object]:
        """Return what distinguishes this video from others, ready for JSON."""


def as_time(seconds: float) -> str:
    """Write a file's time, in seconds since 1970, to be read and to be compared to the microsecond."""
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(timespec="microseconds")
