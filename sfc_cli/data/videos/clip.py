"""What every clip offers, whatever its frames are stored in."""

from __future__ import annotations

import abc
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from sfc_cli.data.frames import Frame
from sfc_cli.data.videos.selection import FrameStamp, Selection

ALL_FRAMES = Selection()


@dataclass(frozen=True, kw_only=True)
class VideoFrame:
    """One frame of a clip.

    Args:
        stamp: Its place, name and time.
        frame: uint8 [H, W, 3], RGB, upright.
    """

    stamp: FrameStamp
    frame: Frame


class Video(abc.ABC):
    """Footage as a stream: frames in order or backwards, never all of them at once.

    Attributes:
        name: The stem of the file or folder, safe as a folder's name.
        source: The video, or the folder that the images lie in.
        size: Height and width of every frame, after rotation.
        frames_per_second: The average of a video; what was asked for with images.
        count: How many frames the clip has; None where a video's container announces none.
        is_exact: Whether ``count`` was counted, not announced.
    """

    name: str
    source: Path
    size: tuple[int, int]
    frames_per_second: float
    count: int | None
    is_exact: bool

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
            InputError: If the clip cannot be read or the selection takes no frame.
        """

    @abc.abstractmethod
    def backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Decode the given frames, the last first, holding a bounded number of them.

        Args:
            stamps: Frames of this clip, in order, as ``stamps`` or ``frames`` gave them.

        Raises:
            InputError: If a frame cannot be decoded.
        """

    @abc.abstractmethod
    def identity(self) -> dict[str, object]:
        """Return what tells this clip from another, ready for JSON."""


def as_time(seconds: float) -> str:
    """Write a file's time so that it can be read, and compared to the microsecond.

    Args:
        seconds: Since 1970.
    """
    return datetime.fromtimestamp(seconds, tz=timezone.utc).isoformat(timespec="microseconds")
