"""Which mask belongs to which frame of a clip: ``--mask [FRAME:]FILE``."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.data.videos import FrameStamp, Video, parse_moment
from sfc_cli.data.videos.selection import TOLERANCE
from sfc_cli.errors import InputError, UsageError

# What may be a frame before the colon: anything else, a drive's letter for instance, belongs to the path.
_FRAME = re.compile(r"(\d[\d.:]*s?|\d+)")


@dataclass(frozen=True, kw_only=True)
class MaskOption:
    """One ``--mask``.

    Args:
        path: The file.
        frame: The frame as it was typed: a number, a time or a name; None for the first frame taken.
    """

    path: Path
    frame: str | None = None

    @classmethod
    def parse(cls, text: str) -> MaskOption:
        """Read ``[FRAME:]FILE``; a file of the whole name comes first.

        Raises:
            UsageError: If no file is named.
        """
        path = Path(text).expanduser()
        parts = text.split(":")
        splits = [(":".join(parts[:cut]), ":".join(parts[cut:])) for cut in range(1, len(parts))]
        found = [(frame, rest) for frame, rest in splits if frame and Path(rest).expanduser().is_file()]
        if path.is_file() or not splits:
            option = cls(path=path)
        else:
            # Times and names may hold colons themselves, and so may paths.
            frame, rest = found[0] if found else splits[-1]
            option = cls(path=Path(rest).expanduser(), frame=frame)
        if not option.path.name:
            raise UsageError(f"--mask {text!r} names no file.", "Type --mask FILE or --mask FRAME:FILE.")
        return option


def place_masks(options: Sequence[MaskOption], stamps: Sequence[FrameStamp], clip: Video) -> list[int]:
    """Find the places of masks among the frames that are propagated.

    Args:
        options: The masks.
        stamps: All frames that are propagated.
        clip: What they are of.

    Returns:
        A place for each mask.

    Raises:
        InputError: If a mask's frame is not there.
        UsageError: If two masks are for one frame.
    """
    places = [0 if option.frame is None else _place(option.frame, stamps, clip) for option in options]
    for index, place in enumerate(places):
        if place in places[:index]:
            other = options[places.index(place)].path
            raise UsageError(
                f"{other} and {options[index].path} are both for frame {stamps[place].number}.",
                "Give each frame one mask; paint several objects into one file.",
            )
    return places


def _place(frame: str, stamps: Sequence[FrameStamp], clip: Video) -> int:
    # A plain number counts from 0, as everywhere; leading zeros make it a name.
    is_number = frame.isdecimal() and (frame == "0" or frame[0] != "0")
    for place, stamp in enumerate(stamps):
        if stamp.name == frame and not is_number:
            return place
    if not _FRAME.fullmatch(frame):
        raise InputError(
            f"--mask {frame}:… names no frame of {clip.source}.",
            "Before the colon goes a frame's number, counted from 0, a time such as 3.5s, or a frame's name.",
        )
    moment = parse_moment(frame, "--mask")
    number = moment.value
    if moment.in_seconds:
        # The frame shown at that time, taken or not: a mask fits no other.
        later = (stamp.number for stamp in clip.stamps() if stamp.seconds + TOLERANCE >= moment.value)
        number = next(later, math.inf)
    for place, stamp in enumerate(stamps):
        if stamp.number == number:
            return place
    raise InputError(
        f"--mask {frame}:… is for a frame that is not propagated: {_described(stamps, clip)}.",
        f"The nearest is frame {_nearest(stamps, moment.value, moment.in_seconds).number}.",
    )


def _nearest(stamps: Sequence[FrameStamp], value: float, in_seconds: bool) -> FrameStamp:
    return min(stamps, key=lambda stamp: abs((stamp.seconds if in_seconds else stamp.number) - value))


def _described(stamps: Sequence[FrameStamp], clip: Video) -> str:
    first, last = stamps[0], stamps[-1]
    return (
        f"of {clip.source} the {len(stamps)} frames from {first.number} to {last.number} "
        f"({first.seconds:.2f} to {last.seconds:.2f} s) are taken"
    )
