"""Films written through PyAV: at true times, with sound or transparency, whole or not at all."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.errors import InputError
from sfc_cli.files import PartFile, unwritable

logger = logging.getLogger(__name__)

FilmKind = Literal["mp4", "webm", "clear-webm", "clear-prores"]

# Beyond these encoders fail.
_SLOWEST, _FASTEST = 0.1, 1000.0
# Ticks a second: those of MPEG, and the milliseconds of WebM.
_TICKS, _WEBM_TICKS = 90_000, 1000
_BT709, _LIMITED_RANGE = 1, 1
_SOUND_RATE = 48_000
_NO_SPACE = "Free some space, or choose another folder."


@dataclass(frozen=True)
class _Manner:
    """How one kind of film is encoded.

    Args:
        suffix: Of the file.
        container: FFmpeg's name of it.
        encoders: Names of encoders; the first that the installed FFmpeg has is used.
        pixels: The pixel format.
        options: Of the encoder.
        is_clear: Whether pictures have transparency.
        copied: Sound that the container takes as it is; other sound is encoded by ``sound``.
        sound: The encoder of sound.
    """

    suffix: str
    container: str
    encoders: tuple[str, ...]
    pixels: str
    options: dict[str, str]
    is_clear: bool = False
    copied: frozenset[str] = frozenset()
    sound: str = "aac"

    @property
    def ticks(self) -> int:
        return _WEBM_TICKS if self.container == "webm" else _TICKS


_VP9 = {"crf": "24", "b": "0", "deadline": "good", "cpu-used": "5", "row-mt": "1"}
_VORBIS_OPUS = frozenset({"opus", "vorbis"})
_MANNERS: dict[str, _Manner] = {
    # Browsers play H.264 with chroma at half size, from the first bytes on if the index comes first.
    "mp4": _Manner(
        ".mp4",
        "mp4",
        ("libx264", "libopenh264", "h264_videotoolbox", "h264_mf", "mpeg4"),
        "yuv420p",
        # Reordered frames of uneven times would end after the duration that the index states.
        {"crf": "18", "preset": "veryfast", "bf": "0"},
        copied=frozenset({"aac", "mp3", "ac3", "opus"}),
    ),
    "webm": _Manner(".webm", "webm", ("libvpx-vp9",), "yuv420p", _VP9, copied=_VORBIS_OPUS, sound="libopus"),
    "clear-webm": _Manner(
        ".webm",
        "webm",
        ("libvpx-vp9",),
        "yuva420p",
        # Frames that are never shown have no transparency, which the encoder refuses.
        {**_VP9, "auto-alt-ref": "0"},
        is_clear=True,
        copied=_VORBIS_OPUS,
        sound="libopus",
    ),
    "clear-prores": _Manner(
        ".mov", "mov", ("prores_ks",), "yuva444p10le", {"profile": "4444", "vendor": "apl0"}, is_clear=True
    ),
}


@dataclass(frozen=True, kw_only=True)
class Sound:
    """The sound of a video.

    Args:
        path: The video file.
        origin: When its first frame is shown, in seconds by its own clock.
    """

    path: Path
    origin: float


@dataclass(frozen=True, kw_only=True)
class FilmBasis:
    """What a film takes over from the video that it is made of.

    Args:
        frames_per_second: On average; how long the last frame is shown.
        pixel_aspect: How much wider a pixel is than high.
        sound: What is heard with it, if anything.
    """

    frames_per_second: float = 24.0
    pixel_aspect: Fraction = Fraction(1)
    sound: Sound | None = None


class FilmWriter:
    """Writes one film frame by frame. ``finish`` or ``abandon`` must follow.

    Args:
        path: The film, with the suffix of its kind.
        kind: ``mp4`` (H.264) or ``webm`` (VP9); with transparency ``clear-webm`` (VP9) or ``clear-prores``.
        basis: Of what it is made.

    Raises:
        InputError: If its folder cannot be written to.
    """

    def __init__(self, path: Path, kind: FilmKind, basis: FilmBasis) -> None:
        self._manner, self._basis = _MANNERS[kind], basis
        self._file = PartFile(path, self._manner.suffix)
        self._frame_seconds = 1 / min(max(basis.frames_per_second, _SLOWEST), _FASTEST)
        self._container: Any = None
        self._stream: Any = None
        self._track: _Track | None = None
        # The frame before, which is shown until the next one comes.
        self._held: tuple[Any, float] | None = None
        self._first: float | None = None
        try:
            self._file.part.touch()
        except OSError as error:
            raise unwritable(path, error) from None

    def add(self, picture: Frame, seconds: float) -> None:
        """Add a picture.

        Args:
            picture: RGB, or RGBA for a film with transparency, uint8 [H, W, 3 or 4]; all of one size.
            seconds: When it is shown, by the video's clock; later than the picture before.

        Raises:
            InputError: If it cannot be encoded, or the disk is full.
        """
        from av.error import FFmpegError

        try:
            if self._container is None:
                self._open(picture.shape[0], picture.shape[1], seconds)
            self._encode(until=seconds)
            self._held = (self._frame_of(picture), seconds)
        except (FFmpegError, OSError, ValueError) as error:
            raise self._failed(error) from None

    def finish(self) -> None:
        """Close the film and give it its name.

        Raises:
            InputError: If the disk is full.
        """
        from av.error import FFmpegError

        if self._held is None:
            self.abandon()
            return
        end = self._held[1] + self._frame_seconds
        try:
            self._encode(until=end)
            self._container.mux(self._stream.encode(None))
            if self._track is not None:
                self._track.write_until(end - (self._first or 0.0))
                self._track.finish()
            self._container.close()
        except (FFmpegError, OSError, ValueError) as error:
            self.abandon()
            raise self._failed(error) from None
        self._container = None
        self._file.keep()

    def abandon(self) -> None:
        """Close the film and remove it."""
        from av.error import FFmpegError

        if self._track is not None:
            self._track.close()
        if self._container is not None:
            try:
                self._container.close()
            except (FFmpegError, OSError, ValueError):
                # It is removed anyway.
                pass
            finally:
                self._container = None
        self._file.drop()

    def _open(self, height: int, width: int, seconds: float) -> None:
        import av

        options = {"movflags": "faststart"} if self._manner.container == "mp4" else {}
        self._container = av.open(
            str(self._file.part.resolve()), "w", format=self._manner.container, options=options
        )
        self._first = seconds
        encoder = next((name for name in self._manner.encoders if _has_encoder(name)), None)
        if encoder is None:
            raise ValueError(f"the installed FFmpeg has no encoder {' or '.join(self._manner.encoders)}")
        rate = Fraction(1 / self._frame_seconds).limit_denominator(1001)
        self._stream = self._container.add_stream(encoder, rate=rate, options=self._options(encoder))
        context = self._stream.codec_context
        context.height, context.width = self._size_of(height, width)
        context.pix_fmt = self._manner.pixels
        context.time_base = Fraction(1, self._manner.ticks)
        context.sample_aspect_ratio = 1 if self._is_squared else self._basis.pixel_aspect
        context.thread_type = "AUTO"
        context.colorspace = context.color_primaries = context.color_trc = _BT709
        context.color_range = _LIMITED_RANGE
        if self._basis.sound is not None:
            self._track = _Track.open(self._basis.sound, seconds, self._container, self._manner)

    @property
    def _is_squared(self) -> bool:
        """Whether pictures are resized to square pixels: PyAV cannot tell WebM that they are none."""
        return self._manner.container == "webm" and self._basis.pixel_aspect != 1

    def _size_of(self, height: int, width: int) -> tuple[int, int]:
        if self._is_squared:
            aspect = self._basis.pixel_aspect
            height, width = (height, round(width * aspect)) if aspect > 1 else (round(height / aspect), width)
        if self._manner.is_clear:
            return height, width
        return height + height % 2, width + width % 2

    def _options(self, encoder: str) -> dict[str, str]:
        return (
            {"b": "8M"} if self._manner.container == "mp4" and encoder != "libx264" else self._manner.options
        )

    def _frame_of(self, picture: Frame) -> Any:
        from av.video.frame import VideoFrame as Picture
        from av.video.reformatter import ColorRange, Colorspace, Interpolation

        height, width = picture.shape[:2]
        context = self._stream.codec_context
        if (height, width) != (context.height, context.width) and not self._is_squared:
            picture = _padded(picture, context.height, context.width)
        frame = Picture.from_ndarray(
            np.ascontiguousarray(picture), "rgba" if self._manner.is_clear else "rgb24"
        )
        return frame.reformat(
            width=context.width,
            height=context.height,
            format=self._manner.pixels,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            interpolation=Interpolation.BICUBIC,
        )

    def _encode(self, until: float) -> None:
        """Encode the frame that is held, which is shown until a time."""
        if self._held is None:
            return
        assert self._first is not None
        frame, seconds = self._held
        ticks = self._manner.ticks
        frame.time_base = Fraction(1, ticks)
        frame.pts = round((seconds - self._first) * ticks)
        frame.duration = max(1, round((until - seconds) * ticks))
        if self._track is not None:
            self._track.write_until(seconds - self._first)
        self._container.mux(self._stream.encode(frame))

    def _failed(self, error: Exception) -> InputError:
        if isinstance(error, OSError) and error.strerror:
            return InputError(f"Cannot write {self._file.path}: {error.strerror}.", _NO_SPACE)
        return InputError(f"Cannot write {self._file.path}: {error}.", "Set `overlay` to frames.")


class _Track:
    """The sound of a film, read beside the pictures: copied, or encoded where the container needs that.

    Args:
        source: The video, open.
        stream: Its sound.
        container: The film.
        manner: How the film is encoded.
        start: When the film begins, by the clock of the video.
    """

    def __init__(self, source: Any, stream: Any, container: Any, manner: _Manner, start: float) -> None:
        self._source, self._container, self._start = source, container, start
        self._is_copied = stream.codec_context.name.removesuffix("float") in manner.copied
        if self._is_copied:
            self._out = container.add_stream_from_template(stream)
        else:
            layout = stream.codec_context.layout.name
            self._out = container.add_stream(manner.sound, rate=_SOUND_RATE, layout=layout)
        self._packets: Iterator[Any] = source.demux(stream)
        self._waiting: Any = None

    @classmethod
    def open(cls, sound: Sound, seconds: float, container: Any, manner: _Manner) -> _Track | None:
        """Open the sound of a video from a frame's time on; None, with a warning, if it has none."""
        import av
        from av.error import FFmpegError

        source = av.open(
            str(sound.path.resolve()), options={"protocol_whitelist": "file"}, metadata_errors="replace"
        )
        stream: Any = next((one for one in source.streams.audio if _is_decodable(one)), None)
        if stream is None:
            source.close()
            logger.warning("%s has no sound.", sound.path)
            return None
        start = sound.origin + seconds
        # Where that is not possible it is read from its beginning.
        with contextlib.suppress(FFmpegError):
            source.seek(round(start / stream.time_base), stream=stream)
        return cls(source, stream, container, manner, start)

    def write_until(self, seconds: float) -> None:
        """Write what is heard before a time of the film."""
        while True:
            packet = self._waiting or next(self._packets, None)
            self._waiting = packet
            if packet is None or not packet.size:
                return
            at = None if packet.pts is None else float(packet.pts * packet.time_base) - self._start
            if at is not None and at >= seconds:
                return
            self._waiting = None
            if at is not None and at >= 0:
                self._write(packet, at)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if not self._is_copied:
            self._container.mux(self._out.encode(None))
        self.close()

    def close(self) -> None:
        """Release the video."""
        self._source.close()

    def _write(self, packet: Any, at: float) -> None:
        if self._is_copied:
            shift = round(self._start / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.pts if packet.dts is None else packet.dts - shift
            packet.stream = self._out
            self._container.mux(packet)
            return
        for frame in packet.decode():
            frame.pts = round(at * frame.sample_rate)
            frame.time_base = Fraction(1, frame.sample_rate)
            at += frame.samples / frame.sample_rate
            self._container.mux(self._out.encode(frame))


def _is_decodable(stream: Any) -> bool:
    return stream.codec_context is not None


@lru_cache
def _has_encoder(name: str) -> bool:
    from av.codec import Codec
    from av.codec.codec import UnknownCodecError

    try:
        Codec(name, "w")
    except UnknownCodecError:
        return False
    return True


def _padded(picture: Frame, height: int, width: int) -> Frame:
    """Make odd sides even by repeating a line, as encoders need it."""
    missing = (height - picture.shape[0], width - picture.shape[1])
    return np.pad(picture, ((0, missing[0]), (0, missing[1]), (0, 0)), mode="edge")
