"""One pass over a video file through PyAV: FFmpeg's frames in order, with their times."""

from __future__ import annotations

import contextlib
import itertools
import zlib
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.stream import Disposition
from av.video.frame import VideoFrame as Picture
from av.video.stream import VideoStream

from sfc_cli.data.videos.deinterlacing import Deinterlacer

# Screen recorders announce the ticks of their clock (600, 1000, 90000 a second) as their rate.
_HIGHEST_RATE = 250.0
_USUAL_RATE = 24.0
_MEASURED_FRAMES = 30
# FFmpeg's own order of preference: the largest picture, unless another is marked as the default.
_DEFAULT_COUNTS_AS = 5_000_000
# Every so many lines of luma tell a frame from what it would be if its references were missing.
_PRINTED_LINES = 16
# Playlists and the like must not make FFmpeg open other files or addresses.
_OPTIONS = {"protocol_whitelist": "file"}


@dataclass(frozen=True)
class Decoded:
    """A decoded frame before its colours are converted.

    Args:
        picture: The frame, deinterlaced where it is interlaced.
        time: When it is shown, in seconds by the video's clock, later than the frame before.
        pts: The same in ticks, as it is stored; None if it is not.
        fingerprint: Of the frame as it was decoded: equal on every pass, unless a reference was missing.
    """

    picture: Picture
    time: float
    pts: int | None
    fingerprint: int


class Decoder:
    """One pass over the pictures of a video file. Close it, or use it in a ``with``.

    Args:
        path: The file.
        threads: Whether frames are decoded side by side.
        is_whole: Whether an earlier pass found nothing wrong: packets without a picture are no damage then.

    Raises:
        FFmpegError: If FFmpeg cannot open the file.
        NoPicturesError: If it has no pictures, or no decoder for them.

    Attributes:
        context: The decoder's, with what it knows of the pictures.
        has_threads: Whether it still uses threads: at the first damage it begins again without them.
        damaged: How many packets could not be decoded or read so far.
        packets: How many packets of pictures were read.
    """

    def __init__(self, path: Path, *, threads: bool = True, is_whole: bool = False) -> None:
        self._path, self._is_whole = path, is_whole
        self._origin: tuple[int, float] | None = None
        self._open(threads)

    def _open(self, threads: bool) -> None:
        # A name with a colon would be taken for an address if it did not begin with a slash.
        self._container = av.open(str(self._path.resolve()), options=_OPTIONS, metadata_errors="replace")
        try:
            self._stream = _choose_stream(self._container)
            self.context = self._stream.codec_context
            if threads:
                self.context.thread_type = "AUTO"
            else:
                self.context.thread_count = 1
        except BaseException:
            self._container.close()
            raise
        self.has_threads = threads
        self.damaged = self.packets = 0
        self._last: float | None = None

    def __enter__(self) -> Decoder:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Release the file."""
        self._container.close()

    @property
    def announced(self) -> int | None:
        """How many packets of pictures the container counts; None if it does not."""
        return self._stream.frames or None

    @property
    def end(self) -> float | None:
        """When the pictures end by the container's word, in seconds; None if it does not say."""
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            return float(((stream.start_time or 0) + stream.duration) * stream.time_base)
        # Matroska keeps what a track lasts as text.
        text = next((value for key, value in stream.metadata.items() if key.startswith("DURATION")), "")
        with contextlib.suppress(ValueError):
            hours, minutes, seconds = (float(part) for part in text.split(":"))
            return 3600 * hours + 60 * minutes + seconds
        duration = self._container.duration
        return None if duration is None else ((self._container.start_time or 0) + duration) / 1e6

    @property
    def kind(self) -> str:
        """FFmpeg's names of the container, such as ``mov,mp4,m4a,3gp,3g2,mj2``."""
        return str(self._container.format.name)

    @property
    def stream_count(self) -> int:
        """How many streams of pictures there are, without covers."""
        return len(_moving(self._container))

    @property
    def has_sound(self) -> bool:
        """Whether the file has sound."""
        return bool(self._container.streams.audio)

    @property
    def pixel_aspect(self) -> Any:
        """How much wider a stored pixel is than high, as a fraction."""
        return self._stream.sample_aspect_ratio or self.context.sample_aspect_ratio or 1

    @property
    def rate(self) -> float | None:
        """The average frames per second that the container announces; None if that cannot be true."""
        rate = float(self._stream.average_rate or 0)
        return rate if 0 < rate <= _HIGHEST_RATE else None

    def measure_rate(self) -> float:
        """Return the announced rate, or one measured over the next frames where there is none."""
        if self.rate is not None:
            return self.rate
        times = [decoded.time for decoded, _ in zip(self, range(_MEASURED_FRAMES), strict=False)]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else _USUAL_RATE

    def seek(self, pts: int, lead: float) -> bool:
        """Jump to a key frame some seconds before a time in ticks; return whether that is possible."""
        assert self._stream.time_base is not None
        try:
            self._container.seek(pts - round(lead / self._stream.time_base), stream=self._stream)
        except FFmpegError:
            return False
        self._last, self._origin = None, (pts, lead)
        return True

    def __iter__(self) -> Iterator[Decoded]:
        """Give all frames from here on, deinterlaced."""
        fields, waiting = Deinterlacer(), deque[Decoded]()
        for decoded in self._decoded():
            waiting.append(decoded)
            for picture in fields.put(decoded.picture):
                yield _with_picture(waiting.popleft(), picture)
        for picture in fields.flush():
            yield _with_picture(waiting.popleft(), picture)

    def _decoded(self) -> Iterator[Decoded]:
        for picture in self._pictures():
            pts = picture.pts if picture.pts is not None else picture.dts
            time = None if pts is None else float(pts * (picture.time_base or 0))
            # Frames without a time of their own (some of a packed AVI) follow the one before.
            if self._last is not None and (time is None or time <= self._last):
                time = self._last + 1 / (self.rate or _USUAL_RATE)
            self._last = time = time or 0.0
            yield Decoded(picture, time, pts, _fingerprint(picture))

    def _pictures(self) -> Iterator[Picture]:
        given = 0
        while True:
            try:
                for picture in itertools.islice(self._one_pass(), given, None):
                    given += 1
                    yield picture
                return
            except _DamagedError:
                self.close()
                self._open(threads=False)
                if self._origin is not None:
                    self.seek(*self._origin)

    def _one_pass(self) -> Iterator[Picture]:
        packets, waiting = self._container.demux(self._stream), 0
        while True:
            packet = None
            try:
                packet = next(packets, None)
            except FFmpegError:
                # What follows a read error cannot be found: FFmpeg's own command ends there too.
                self.damaged += 1
            is_last = packet is None or not packet.size
            try:
                pictures = self.context.decode(packet)
            except FFmpegError:
                self.damaged += 1
                self._refuse_threads()
                pictures = []
            if packet is not None and not is_last:
                self.packets += 1
                waiting += not packet.is_discard
            waiting -= len(pictures)
            for picture in pictures:
                self.damaged += picture.is_corrupt
                yield picture
            if is_last:
                break
        # PyAV passes over an error among the last frames and those behind it.
        if waiting > 0 and not self._is_whole:
            self._refuse_threads()

    def _refuse_threads(self) -> None:
        if self.has_threads:
            raise _DamagedError


class NoPicturesError(Exception):
    """A media file has no pictures that can be decoded.

    Args:
        reason: Why.
        is_codec: Whether there are pictures, but no decoder.
    """

    def __init__(self, reason: str, *, is_codec: bool = False) -> None:
        super().__init__(reason)
        self.is_codec = is_codec


class _DamagedError(Exception):
    """A packet could not be decoded, and with threads the frames that are waiting would be lost with it."""


def _choose_stream(container: Any) -> VideoStream:
    streams = _moving(container)
    if not streams:
        has_sound = container.streams.audio or container.streams.video
        raise NoPicturesError("it contains only sound, or a cover" if has_sound else "it contains other data")
    best = max(streams, key=_preference)
    if _preference(best) < 0:
        raise NoPicturesError("FFmpeg has no decoder for them", is_codec=True)
    return best


def _moving(container: Any) -> list[VideoStream]:
    return [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
    ]


def _preference(stream: VideoStream) -> int:
    context: Any = stream.codec_context
    if context is None:
        # PyAV found no decoder.
        return -1
    is_default = bool(stream.disposition & Disposition.default)
    return int(context.width * context.height + _DEFAULT_COUNTS_AS * is_default)


def _with_picture(decoded: Decoded, picture: Picture) -> Decoded:
    return Decoded(picture, decoded.time, decoded.pts, decoded.fingerprint)


def _fingerprint(picture: Picture) -> int:
    plane = picture.planes[0]
    width = plane.line_size
    if width <= 0:
        return 0
    lines = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, width)
    return zlib.crc32(lines[::_PRINTED_LINES, : plane.width].tobytes())
