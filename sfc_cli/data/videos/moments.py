"""Points and steps within a clip as users type them: frame numbers or seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sfc_cli.errors import UsageError

_FRAMES = re.compile(r"\d+", re.ASCII)
_SECONDS = re.compile(r"(\d+\.?\d*|\.\d+)\s*s", re.ASCII)
# Minutes and seconds count to 59 where something stands before them: 1:75 is a slip, 90:00 is not.
_CLOCK = re.compile(r"(?:(\d+):(?=[0-5]?\d:))?(\d+):([0-5]?\d(?:\.\d*)?)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class Moment:
    """A place in a clip, or a step from one frame to the next.

    Args:
        value: A frame number from 0, or seconds from the clip's start.
        in_seconds: Whether ``value`` is in seconds.
    """

    value: float
    in_seconds: bool

    def __str__(self) -> str:
        return f"{self.value:g} s" if self.in_seconds else f"frame {self.value:.0f}"


def parse_moment(text: str, option: str) -> Moment:
    """Read a moment: ``57`` is a frame number; ``3.5s``, ``1:05`` and ``0:01:05.5`` are times.

    Args:
        text: What was typed.
        option: The option that it was typed for, to name in the error.

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
        f"{option} {text!r} {what}.",
        f"Give a frame number from 0, as in {option} 57, or a time, as in {option} 3.5s or {option} 1:05.",
    )
