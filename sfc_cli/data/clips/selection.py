"""Which frames of a clip are wanted, decided frame by frame so that no pass has to know the clip's end."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from sfc_cli.data.clips.moments import Moment
from sfc_cli.errors import UsageError

# Containers keep times in ticks, often of a millisecond: half of one is no difference.
TOLERANCE = 0.0005


@dataclass(frozen=True, kw_only=True)
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


class Verdict(Enum):
    """What a selection says of a frame."""

    SKIP = "skip"
    TAKE = "take"
    PAST_END = "past the end"


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
        start, end, every = self.start, self.end, self.every
        if every is not None and every.value <= (TOLERANCE if every.in_seconds else 0):
            raise UsageError("--every is 0.", "Leave it out to take all frames.")
        if end is not None and end.value <= 0:
            raise UsageError("--end is 0, which leaves no frame.", "The end is the first frame left out.")
        if start is None or end is None or start.in_seconds != end.in_seconds:
            return
        if start.value >= end.value:
            raise UsageError(
                f"--start ({start}) is not before --end ({end}).", "The end is the first frame left out."
            )

    def chooser(self) -> Callable[[int, float], Verdict]:
        """Return a function that judges frames in order; each pass over a clip needs its own.

        Returns:
            A function of a frame's number and seconds.
        """
        first: tuple[int, float] | None = None
        next_step = 0

        def judge(number: int, seconds: float) -> Verdict:
            nonlocal first, next_step
            if self.end is not None and _reached(self.end, number, seconds):
                return Verdict.PAST_END
            if self.start is not None and not _reached(self.start, number, seconds):
                return Verdict.SKIP
            if first is None:
                first = (number, seconds)
            if self.every is None:
                return Verdict.TAKE
            passed = seconds - first[1] + TOLERANCE if self.every.in_seconds else number - first[0]
            step = math.floor(passed / self.every.value)
            if step < next_step:
                return Verdict.SKIP
            next_step = step + 1
            return Verdict.TAKE

        return judge


def _reached(moment: Moment, number: int, seconds: float) -> bool:
    return seconds + TOLERANCE >= moment.value if moment.in_seconds else number >= moment.value
