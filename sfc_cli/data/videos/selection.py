"""Which frames of a clip are wanted, decided frame by frame so that no pass has to know the clip's end."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sfc_cli.data.videos.moments import Moment
from sfc_cli.errors import InputError, UsageError

# Containers keep times in ticks, often of a millisecond: half of one is no difference.
TOLERANCE = 0.0005


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameStamp:
    """What is known of a frame without its pixels.

    Args:
        number: Its place in the clip, from 0, before any selection.
        name: The stem of its result files.
        seconds: When it is shown, from the clip's start.
    """

    number: int
    name: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Selection:
    """A stretch of a clip, thinned out.

    Args:
        start: The first frame that may be taken; the clip's first if None.
        end: The first frame that is not taken any more (exclusive); None for all to the clip's end.
        every: ``2`` takes every second frame counted from the first taken; ``0.5s`` the first frame at or
            after each half second from the time of the first taken. None takes all.

    Raises:
        UsageError: If the start is not before the end, or the step is 0.
    """

    start: Moment | None = None
    end: Moment | None = None
    every: Moment | None = None

    def __post_init__(self) -> None:
        start, end = self.start, self.end
        if self.every is not None and _is_zero(self.every):
            raise UsageError("--every is 0.", "Leave it out to take all frames.")
        if end is not None and _is_zero(end):
            raise UsageError("--end is 0, which leaves no frame.", "The end is the first frame left out.")
        if start is None or end is None or start.in_seconds != end.in_seconds:
            return
        if start.value >= end.value:
            raise UsageError(
                f"--start ({start}) is not before --end ({end}).", "The end is the first frame left out."
            )

    def choose(self, stamps: Iterable[FrameStamp], clip: str) -> Iterator[FrameStamp]:
        """Pass on the wanted frames of a whole clip, and stop drawing at the first one past the end.

        Args:
            stamps: All frames of the clip, in order; drawn one at a time.
            clip: What to call the clip in an error.

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
                raise self._beyond(clip, last)
        if first is None and last is not None:
            raise InputError(
                f"--start ({self.start}) leaves no frame of {clip} before --end ({self.end}).",
                "The end is the first frame left out.",
            )

    def _steps(self, first: FrameStamp, stamp: FrameStamp) -> int:
        """Count the whole steps from the first taken frame to this one."""
        if self.every is None:
            return stamp.number
        passed = stamp.seconds - first.seconds if self.every.in_seconds else stamp.number - first.number
        slack = TOLERANCE if self.every.in_seconds else 0.0
        return math.floor((passed + slack) / self.every.value)

    def _beyond(self, clip: str, last: FrameStamp) -> InputError:
        # The last frame is shown for as long as the others are on average.
        seconds = last.seconds + last.seconds / max(1, last.number)
        return InputError(
            f"--start ({self.start}) lies beyond {clip}, of {last.number + 1} frames ({seconds:.2f} s).",
            "Choose an earlier start; frames count from 0.",
        )


def _is_zero(moment: Moment) -> bool:
    return moment.value <= (TOLERANCE if moment.in_seconds else 0)


def _is_reached(moment: Moment, stamp: FrameStamp) -> bool:
    if moment.in_seconds:
        return stamp.seconds + TOLERANCE >= moment.value
    return stamp.number >= moment.value
