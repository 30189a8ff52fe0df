"""Video files: forward as a stream, backwards in stretches that are checked against the pass forwards."""

from __future__ import annotations

import logging
from array import array
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path

from av.error import FFmpegError

from sfc_cli.data.frames import Frame
from sfc_cli.data.videos.decoder import Decoded, Decoder, NoPicturesError
from sfc_cli.data.videos.selection import ALL_FRAMES, FrameStamp, Selection, Video, VideoFrame, as_time
from sfc_cli.data.videos.true_colours import RgbConverter, Turn, hdr_name, turn_of, why_not_converted
from sfc_cli.errors import InputError
from sfc_cli.wording import counted

logger = logging.getLogger(__name__)

# What a pass backwards may hold at once: one stretch of frames, decoded forward.
_STRETCH_BYTES = 128 * 2**20
_STRETCH_FRAMES = 64
# How far before a stretch to aim, in seconds: not every key frame is one, and some lack what they refer to.
_LEADS = (0.0, 0.5, 2.0, 8.0)
_DIGITS = 5
# Formats that count their frames when they are written; elsewhere only a duration is known.
_COUNTED = ("mov", "avi")
_MOST_MISSING_SECONDS = 1.0
_CONVERT = "Convert it to an MP4 with H.264, or extract its frames as images and give their folder."


class VideoFile(Video):
    """A video kept as one file.

    Args:
        path: The file.
        name: What the video is called.
        strict: Refuse a file of which a part cannot be decoded; otherwise that is a remark.

    Raises:
        InputError: If none of its frames can be decoded.
    """

    def __init__(self, path: Path, *, name: str, strict: bool = False) -> None:
        self.name = name
        self.source = path
        self.files = (path,)
        self.is_exact = False
        self._strict, self._is_whole, self._has_warned = strict, False, False
        # Of every frame, in ticks and as CRC: what a pass backwards is compared with.
        self._ticks, self._prints = array("q"), array("L")
        with self._open() as decoder:
            first = next(iter(decoder), None)
            if first is None:
                raise _no_frame(path, decoder)
            self._first_time = first.time
            self.sound_origin = first.time if decoder.has_sound else None
            self._turn = turn_of(first.picture)
            self._require_convertible(first)
            self.size = self._pixels(RgbConverter(), first, 0, is_first=True).shape[:2]
            aspect = Fraction(decoder.pixel_aspect)
            self.pixel_aspect = 1 / aspect if self._turn.is_transposed else aspect
            self.frames_per_second = decoder.measure_rate()
            self.count = _likely_count(decoder, self._first_time, self.frames_per_second)
            self._remarks = _remarks(decoder, self._turn)
        self._digits = max(_DIGITS, len(str((self.count or 1) - 1)))

    def remarks(self) -> list[str]:
        """Return what was decided in opening the file, a line each."""
        return self._remarks

    def frames(self, selection: Selection = ALL_FRAMES) -> Iterator[VideoFrame]:
        """Decode the chosen frames in order, holding one at a time."""
        converter, current = RgbConverter(), _Current()
        with self._open() as decoder:
            for stamp in selection.choose(self._pass(decoder, current), str(self.source)):
                assert current.decoded is not None
                yield VideoFrame(stamp=stamp, frame=self._pixels(converter, current.decoded, stamp.number))

    def stamps(self, selection: Selection = ALL_FRAMES) -> list[FrameStamp]:
        """List the chosen frames in one pass that keeps no pixels."""
        with self._open() as decoder:
            return list(selection.choose(self._pass(decoder, _Current()), str(self.source)))

    def backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Decode the given frames, the last first, in stretches of at most 128 MiB."""
        height, width = self.size
        length = max(1, min(_STRETCH_FRAMES, _STRETCH_BYTES // (3 * height * width)))
        if stamps and len(self._ticks) <= stamps[-1].number:
            self.stamps()
        numbers = {ticks: number for number, ticks in enumerate(self._ticks)}
        can_seek = len(numbers) == len(self._ticks)
        for end in range(len(stamps), 0, -length):
            stretch = stamps[max(0, end - length) : end]
            held = (self._jump(numbers, stretch) if can_seek else []) or self._decode_from_start(stretch)
            # A frame that was passed on is no longer held here.
            while held:
                yield held.pop()

    def identity(self) -> dict[str, object]:
        """Return the file's path, its bytes and when it was changed."""
        state = self.source.stat()
        return {
            "kind": "video",
            "path": str(self.source.resolve()),
            "bytes": state.st_size,
            "modified": as_time(state.st_mtime),
        }

    def _open(self) -> Decoder:
        try:
            return Decoder(self.source, is_whole=self._is_whole)
        except NoPicturesError as error:
            raise InputError(
                f"No pictures in {self.source} that can be read: {error}.",
                _CONVERT if error.is_codec else "Choose the file that contains the pictures.",
            ) from None
        except FFmpegError:
            raise _not_a_video(self.source) from None

    def _pass(self, decoder: Decoder, current: _Current) -> Iterator[FrameStamp]:
        """Step through all frames; the caller may convert each as it comes."""
        number, seconds = -1, 0.0
        for number, decoded in enumerate(decoder):
            if number == len(self._ticks):
                self._ticks.append(number if decoded.pts is None else decoded.pts)
                self._prints.append(decoded.fingerprint)
            current.decoded, seconds = decoded, max(0.0, decoded.time - self._first_time)
            yield FrameStamp(number=number, name=f"{number:0{self._digits}d}", seconds=seconds)
        self._note_end(decoder, number + 1, seconds)

    def _note_end(self, decoder: Decoder, count: int, last: float) -> None:
        """Keep the true number of frames, and warn, or refuse, if the file has or announces more."""
        self.count, self.is_exact = count, True
        damage = _damage(decoder, count, last + self._first_time, self.frames_per_second)
        self._is_whole = not damage
        if not damage or (self._has_warned and not self._strict):
            return
        self._has_warned = True
        message = f"{self.source} {damage}: it is damaged, or was cut short."
        if self._strict:
            raise InputError(message, "Copy or download it again, or leave out `strict_video`.")
        logger.warning("%s The %d frames that can be decoded are used.", message, count)

    def _jump(self, numbers: dict[int, int], stretch: Sequence[FrameStamp]) -> list[VideoFrame]:
        """Seek to a stretch and decode it; return nothing if it is not met exactly as on the way."""
        # A deinterlaced frame is made of its neighbours, too.
        begin, end = max(0, stretch[0].number - 1), stretch[-1].number + 1
        converter = RgbConverter()
        for lead in _LEADS:
            with Decoder(self.source, is_whole=True) as decoder:
                if not decoder.seek(self._ticks[begin], lead):
                    return []
                held = self._collect(decoder, converter, numbers, stretch, range(begin, end + 1))
            if held:
                return held
        return []

    def _collect(
        self,
        decoder: Decoder,
        converter: RgbConverter,
        numbers: dict[int, int],
        stretch: Sequence[FrameStamp],
        checked: range,
    ) -> list[VideoFrame]:
        wanted = {stamp.number: stamp for stamp in stretch}
        held, last = [], None
        for decoded in decoder:
            number = numbers.get(decoded.pts) if decoded.pts is not None else None
            if (
                number is None
                or (last is None and number > checked.start)
                or (last or number - 1) + 1 < number
            ):
                return []
            last = number
            if number in checked and decoded.fingerprint != self._prints[number]:
                return []
            if stamp := wanted.get(number):
                held.append(VideoFrame(stamp=stamp, frame=self._pixels(converter, decoded, number)))
            if number >= min(checked.stop, len(self._ticks)) - 1:
                break
        return held if len(held) == len(stretch) else []

    def _decode_from_start(self, stretch: Sequence[FrameStamp]) -> list[VideoFrame]:
        """Decode a stretch by counting frames from the first: slow, but right where seeking is not."""
        wanted = {stamp.number: stamp for stamp in stretch}
        converter, held = RgbConverter(), []
        with self._open() as decoder:
            for number, decoded in enumerate(decoder):
                if stamp := wanted.get(number):
                    held.append(VideoFrame(stamp=stamp, frame=self._pixels(converter, decoded, number)))
                if number == stretch[-1].number:
                    return held
        raise InputError(
            f"Frame {stretch[-1].number} of {self.source} can no longer be decoded.",
            "Was the file changed in the meantime?",
        )

    def _require_convertible(self, decoded: Decoded) -> None:
        if name := why_not_converted(decoded.picture):
            raise InputError(
                f"{self.source} declares the colour matrix {name}, which FFmpeg cannot convert to RGB.",
                "Export it with BT.709 colours.",
            )

    def _pixels(
        self, converter: RgbConverter, decoded: Decoded, number: int, *, is_first: bool = False
    ) -> Frame:
        try:
            frame = converter.convert(decoded.picture, self._turn)
        except ValueError as error:
            raise InputError(
                f"Frame {number} of {self.source} cannot be converted ({error}).", _CONVERT
            ) from None
        if not is_first and frame.shape[:2] != self.size:
            (height, width), (old_height, old_width) = frame.shape[:2], self.size
            raise InputError(
                f"{self.source} changes its size from {old_width}×{old_height} to {width}×{height} pixels "
                f"at frame {number}.",
                f"Convert it to one size, or set `end` to {number}.",
            )
        return frame


class _Current:
    """The frame that a pass has reached."""

    decoded: Decoded | None = None


def _likely_count(decoder: Decoder, first: float, rate: float) -> int | None:
    """Return how many frames the container announces, or its duration suggests."""
    if decoder.kind.startswith(_COUNTED) and decoder.announced:
        return decoder.announced
    return None if decoder.end is None else max(1, round((decoder.end - first) * rate))


def _damage(decoder: Decoder, count: int, last: float, rate: float) -> str:
    """Return in words what a pass to the end has found missing; nothing if it found all."""
    announced, end = decoder.announced, decoder.end
    if decoder.kind.startswith(_COUNTED) and announced and decoder.packets < announced:
        return f"announces {counted(announced, 'frame')}, {count} could be decoded"
    if decoder.damaged:
        return f"has {decoder.damaged} parts that could not be decoded"
    if end is not None and last + 1 / rate + max(_MOST_MISSING_SECONDS, 0.02 * end) < end:
        return f"announces pictures up to {end:.2f} s, the last could be decoded at {last:.2f} s"
    return ""


def _remarks(decoder: Decoder, turn: Turn) -> list[str]:
    remarks = []
    if (streams := decoder.stream_count) > 1:
        size = f"{decoder.context.width}×{decoder.context.height}"
        remarks.append(f"Of {streams} streams of pictures the one of {size} pixels is read.")
    if transfer := hdr_name(decoder.context.color_trc):
        remarks.append(
            f"The video is HDR ({transfer}); it is read without tone mapping, so colours look flat."
        )
    if not turn.is_exact:
        remarks.append("The video is to be shown turned by an odd angle; it is turned by quarters only.")
    return remarks


def _not_a_video(path: Path) -> InputError:
    with path.open("rb") as file:
        is_mp4 = file.read(8)[4:] == b"ftyp"
    if is_mp4:
        return InputError(
            f"{path} cannot be opened: it has no index (moov box), because its recording was cut off before "
            "it was finished, or it is damaged.",
            "Copy it again from the camera, or repair it with the camera's own program.",
        )
    return InputError(f"{path} is not in a video format that FFmpeg knows, or is damaged.", _CONVERT)


def _no_frame(path: Path, decoder: Decoder) -> InputError:
    if not decoder.packets:
        return InputError(f"No frames in {path}.", "Record or export it again.")
    return InputError(
        f"{path} has {decoder.announced or decoder.packets} frames, but none could be decoded: it is damaged "
        f"({decoder.context.name}).",
        _CONVERT,
    )
