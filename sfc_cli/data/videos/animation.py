"""Animated images as videos: GIF, WebP and PNG, read by Pillow."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from sfc_cli.data.frames import Frame
from sfc_cli.data.videos.selection import ALL_FRAMES, FrameStamp, Selection, Video, VideoFrame, as_time
from sfc_cli.errors import InputError

_SUFFIXES = frozenset({".gif", ".webp", ".png", ".apng"})
_FORMATS = ("GIF", "WEBP", "PNG")
# What viewers do where the file says nothing, or next to nothing, in milliseconds.
_USUAL_DURATION, _SHORTEST_DURATION = 100.0, 10.0
# What a pass backwards may hold at once.
_STRETCH_BYTES = 128 * 2**20
_DIGITS = 5


class Animation(Video):
    """A video kept as one animated image; what is transparent lies on white.

    Args:
        path: The file.
        name: What the video is called.

    Raises:
        InputError: If it cannot be decoded.
    """

    def __init__(self, path: Path, *, name: str) -> None:
        self.name = name
        self.source = path
        self.files = (path,)
        # All delays have to be read to know the times.
        pictures = list(self._pictures(keep=False))
        self._times = [time for time, _ in pictures]
        self.count, self.is_exact = len(pictures), True
        self.size = pictures[0][1].shape[:2]
        span = self._times[-1] - self._times[0]
        self.frames_per_second = (len(pictures) - 1) / span if span > 0 else 1000 / _USUAL_DURATION
        self._digits = max(_DIGITS, len(str(self.count - 1)))

    def frames(self, selection: Selection = ALL_FRAMES) -> Iterator[VideoFrame]:
        """Decode the chosen frames in order, holding one at a time."""
        pictures = enumerate(self._pictures())
        for stamp in selection.choose(self._all_stamps(), str(self.source)):
            yield VideoFrame(
                stamp=stamp, frame=next(frame for number, (_, frame) in pictures if number == stamp.number)
            )

    def stamps(self, selection: Selection = ALL_FRAMES) -> list[FrameStamp]:
        """List the chosen frames; none is decoded."""
        return list(selection.choose(self._all_stamps(), str(self.source)))

    def backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Decode the given frames, the last first, in stretches that each begin at the first frame."""
        height, width = self.size
        length = max(1, _STRETCH_BYTES // (3 * height * width))
        for end in range(len(stamps), 0, -length):
            wanted = {stamp.number: stamp for stamp in stamps[max(0, end - length) : end]}
            held = [
                VideoFrame(stamp=wanted[number], frame=frame)
                for number, (_, frame) in enumerate(itertools.islice(self._pictures(), max(wanted) + 1))
                if number in wanted
            ]
            while held:
                yield held.pop()

    def identity(self) -> dict[str, object]:
        """Return the file's path, its bytes and when it was changed."""
        state = self.source.stat()
        return {
            "kind": "animation",
            "path": str(self.source.resolve()),
            "bytes": state.st_size,
            "modified": as_time(state.st_mtime),
        }

    def _all_stamps(self) -> Iterator[FrameStamp]:
        for number, time in enumerate(self._times):
            yield FrameStamp(number=number, name=f"{number:0{self._digits}d}", seconds=time)

    def _pictures(self, *, keep: bool = True) -> Iterator[tuple[float, Frame]]:
        """Decode all frames with their times; of those that are not kept only the first has pixels."""
        time, empty = 0.0, np.zeros((0, 0, 3), np.uint8)
        try:
            with warnings.catch_warnings(), Image.open(self.source, formats=_FORMATS) as image:
                warnings.simplefilter("ignore")
                for number in range(getattr(image, "n_frames", 1)):
                    image.seek(number)
                    image.load()
                    yield time / 1000, _on_white(image) if keep or number == 0 else empty
                    duration = float(image.info.get("duration") or 0)
                    time += duration if duration > _SHORTEST_DURATION else _USUAL_DURATION
        except (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise InputError(f"{self.source} cannot be decoded ({error}).", "Export it again.") from None


def is_animation(path: Path) -> bool:
    """Return whether a file is an image of several frames that follow each other in time."""
    if path.suffix.lower() not in _SUFFIXES:
        return False
    try:
        with warnings.catch_warnings(), Image.open(path, formats=_FORMATS) as image:
            warnings.simplefilter("ignore")
            return int(getattr(image, "n_frames", 1)) > 1
    except (OSError, EOFError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False


def _on_white(image: Image.Image) -> Frame:
    if not image.has_transparency_data:
        return np.array(image.convert("RGB"))
    white = Image.new("RGBA", image.size, "white")
    return np.array(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))
