"""Video files, decoded by OpenCV's FFmpeg: forward as a stream, backwards in short stretches."""

from __future__ import annotations

import contextlib
import logging
import math
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from sfc_cli.data.frames import Frame, quiet_opencv
from sfc_cli.data.videos.containers import Container
from sfc_cli.data.videos.selection import ALL_FRAMES, FrameStamp, Selection, Video, VideoFrame, as_time
from sfc_cli.errors import InputError

logger = logging.getLogger(__name__)

_FFMPEG_LEVEL, _FFMPEG_QUIET = "OPENCV_FFMPEG_LOGLEVEL", "-8"
# A damaged part fails frame by frame, up to a whole group of them; sound frames may follow.
_ATTEMPTS = 250
# Screen recorders announce the ticks of their clock (600, 1000, 90000 a second) as their rate.
_HIGHEST_RATE = 250.0
_USUAL_RATE = 24.0
_MEASURED_FRAMES = 30
# What a pass backwards may hold at once: one stretch of frames, decoded forward.
_STRETCH_BYTES = 128 * 2**20
_STRETCH_FRAMES = 64
# How far before a stretch to aim, in seconds: seeking lands late where the frame rate varies.
_LEADS = (0.0, 0.5, 2.0, 8.0)
# Times come from the same numbers on every pass; this only allows for rounding.
_SAME_TIME = 1e-6
_DIGITS = 5
_CONVERT = "Convert it to an MP4 with H.264, or extract its frames as images and give their folder."


class Capture:
    """One pass over a video file, with a clock that always runs forward.

    Args:
        path: The video; its name must be valid UTF-8, or OpenCV ends the process.

    Attributes:
        announced_rate: Frames per second according to the container, which may be nonsense; 0 if it has none.
    """

    def __init__(self, path: Path) -> None:
        import cv2

        with quiet_opencv(), _quiet_ffmpeg():
            # A name with a colon would be taken for an address if it did not begin with a slash.
            self._capture = cv2.VideoCapture(str(path.resolve()), cv2.CAP_FFMPEG)
            self._capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
        self._time: float | None = None
        self.announced_rate = self._number(cv2.CAP_PROP_FPS)

    def __enter__(self) -> Capture:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._capture.release()

    @property
    def is_open(self) -> bool:
        """Whether FFmpeg found a video stream."""
        return bool(self._capture.isOpened())

    @property
    def announced(self) -> int | None:
        """How many frames the container announces, or its duration suggests; None if it does not say."""
        import cv2

        count = self._number(cv2.CAP_PROP_FRAME_COUNT)
        return round(count) if 1 <= count < 2**31 else None

    @property
    def codec(self) -> str:
        """The four letters of the codec, such as ``AV01``."""
        import cv2

        letters = int(self._number(cv2.CAP_PROP_FOURCC)).to_bytes(8, "little", signed=True)[:4]
        return letters.decode("ascii", "replace").strip("\0 ")

    def grab(self) -> float | None:
        """Go to the next frame.

        Returns:
            Its time in seconds by the stream's clock, later than that of the frame before; None at the end.
        """
        import cv2

        with quiet_opencv():
            if not any(self._capture.grab() for _ in range(_ATTEMPTS)):
                return None
        time = self._number(cv2.CAP_PROP_POS_MSEC) / 1000
        # Frames without a time of their own (the last of an MPEG-PS or a packed AVI) are given 0 or less.
        if self._time is not None and time <= self._time:
            time = self._time + 1 / (self.announced_rate if self._is_likely_rate else _USUAL_RATE)
        self._time = time
        return time

    def retrieve(self) -> Frame | None:
        """Return the pixels of the frame that was grabbed, uint8 [H, W, 3], RGB, upright."""
        import cv2

        with quiet_opencv():
            found, frame = self._capture.retrieve()
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8) if found else None

    def seek(self, time: float) -> None:
        """Jump near a time: OpenCV counts frames from a key frame on, at the average rate."""
        import cv2

        with quiet_opencv():
            self._capture.set(cv2.CAP_PROP_POS_MSEC, max(0.0, time) * 1000)
        self._time = None

    def measure_rate(self) -> float:
        """Return the average rate that the container announces; a measured one where that cannot be true."""
        if self._is_likely_rate:
            return self.announced_rate
        times = [time for _ in range(_MEASURED_FRAMES) if (time := self.grab()) is not None]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else _USUAL_RATE

    @property
    def _is_likely_rate(self) -> bool:
        return 0 < self.announced_rate <= _HIGHEST_RATE

    def _number(self, quantity: int) -> float:
        value = float(self._capture.get(quantity))
        return value if math.isfinite(value) else 0.0


@contextlib.contextmanager
def _quiet_ffmpeg() -> Iterator[None]:
    """Keep FFmpeg silent for good: OpenCV reads this variable once, when it opens its first video."""
    if _FFMPEG_LEVEL in os.environ:
        yield
        return
    os.environ[_FFMPEG_LEVEL] = _FFMPEG_QUIET
    try:
        yield
    finally:
        os.environ.pop(_FFMPEG_LEVEL, None)


class VideoFile(Video):
    """A video kept as one file.

    Args:
        path: A file that is whole, or whose readable part is wanted.
        container: What the file says of itself.
        name: What the video is called.

    Raises:
        InputError: If none of its frames can be decoded.
    """

    def __init__(self, path: Path, container: Container, *, name: str) -> None:
        self.name = name
        self.source = path
        self.files = (path,)
        self.is_exact = False
        with Capture(path) as capture:
            if not capture.is_open:
                raise _no_video(path, container)
            first_time = capture.grab()
            frame = None if first_time is None else capture.retrieve()
            if first_time is None or frame is None:
                raise _no_frame(path, capture)
            self._first_time = first_time
            self.size = (frame.shape[0], frame.shape[1])
            self.frames_per_second = capture.measure_rate()
            self.count = _likely_count(capture, container, self.frames_per_second)
        self._container = container
        self._digits = max(_DIGITS, len(str((self.count or 1) - 1)))

    def frames(self, selection: Selection = ALL_FRAMES) -> Iterator[VideoFrame]:
        """Decode the chosen frames in order, holding one at a time."""
        with Capture(self.source) as capture:
            for stamp in selection.choose(self._pass(capture), str(self.source)):
                yield VideoFrame(stamp=stamp, frame=self._pixels(capture, stamp))

    def stamps(self, selection: Selection = ALL_FRAMES) -> list[FrameStamp]:
        """List the chosen frames in one pass that keeps no pixels."""
        with Capture(self.source) as capture:
            return list(selection.choose(self._pass(capture), str(self.source)))

    def backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Decode the given frames, the last first, in stretches of at most 128 MiB."""
        height, width = self.size
        length = max(1, min(_STRETCH_FRAMES, _STRETCH_BYTES // (3 * height * width)))
        with Capture(self.source) as capture:
            for end in range(len(stamps), 0, -length):
                stretch = stamps[max(0, end - length) : end]
                held = self._jump(capture, stretch) or self._decode_from_start(stretch)
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

    def _pass(self, capture: Capture) -> Iterator[FrameStamp]:
        """Step through all frames; the caller may retrieve each as it comes."""
        number, seconds = -1, 0.0
        while (time := capture.grab()) is not None:
            number, seconds = number + 1, max(0.0, time - self._first_time)
            yield FrameStamp(number=number, name=f"{number:0{self._digits}d}", seconds=seconds)
        self._note_end(number + 1, seconds)

    def _note_end(self, count: int, last: float) -> None:
        """Keep the true number of frames, and warn if the container announced more."""
        announced, self.count, self.is_exact = self.count, count, True
        if announced is None:
            return
        slack = max(2, 0.02 * announced)
        is_certain = self._container.counts_frames or self._container.announced is not None
        # Elsewhere the number was made from the duration, which in Matroska may begin before the frames do.
        is_early = last * self.frames_per_second + 1 < announced - slack
        if count < announced - slack and (is_certain or (is_early and self._container.kind == "other")):
            message = "%s announces %d frames, %d could be decoded: it was trimmed, or it is damaged."
            logger.warning(message, self.source, announced, count)

    def _jump(self, capture: Capture, stretch: Sequence[FrameStamp]) -> list[VideoFrame]:
        """Seek to a stretch and decode it; return nothing if its times are not met exactly."""
        aim = stretch[0].seconds + self._first_time
        for lead in _LEADS:
            capture.seek(aim - lead)
            time = capture.grab()
            if time is not None and time <= aim + _SAME_TIME:
                return self._collect(capture, time, stretch)
        return []

    def _collect(self, capture: Capture, time: float, stretch: Sequence[FrameStamp]) -> list[VideoFrame]:
        held = []
        grabbed: float | None = time
        for stamp in stretch:
            aim = stamp.seconds + self._first_time
            while grabbed is not None and grabbed < aim - _SAME_TIME:
                grabbed = capture.grab()
            if grabbed is None or grabbed > aim + _SAME_TIME:
                return []
            held.append(VideoFrame(stamp=stamp, frame=self._pixels(capture, stamp)))
        return held

    def _decode_from_start(self, stretch: Sequence[FrameStamp]) -> list[VideoFrame]:
        """Decode a stretch by counting frames from the first: slow, but right where seeking is not."""
        wanted = {stamp.number: stamp for stamp in stretch}
        held = []
        with Capture(self.source) as capture:
            for number in range(stretch[-1].number + 1):
                if capture.grab() is None:
                    raise _unreadable(self.source, stretch[-1])
                if stamp := wanted.get(number):
                    held.append(VideoFrame(stamp=stamp, frame=self._pixels(capture, stamp)))
        return held

    def _pixels(self, capture: Capture, stamp: FrameStamp) -> Frame:
        frame = capture.retrieve()
        if frame is None:
            raise _unreadable(self.source, stamp)
        if frame.shape[:2] != self.size:
            (height, width), (old_height, old_width) = frame.shape[:2], self.size
            raise InputError(
                f"{self.source} changes its size from {old_width}×{old_height} to {width}×{height} pixels "
                f"at frame {stamp.number}.",
                f"Convert it to one size, or set `end` to {stamp.number}.",
            )
        return frame


def _likely_count(capture: Capture, container: Container, rate: float) -> int | None:
    """Return the announced number of frames; if it was made with a false rate, make it again."""
    count = capture.announced
    if count is None or container.counts_frames or rate == capture.announced_rate:
        return count
    return max(1, round(count * rate / capture.announced_rate)) if capture.announced_rate > 0 else None


def _unreadable(path: Path, stamp: FrameStamp) -> InputError:
    return InputError(
        f"Frame {stamp.number} of {path} can no longer be decoded.", "Was the file changed in the meantime?"
    )


def _no_video(path: Path, container: Container) -> InputError:
    if container.kind:
        return InputError(
            f"No video in {path} that OpenCV's FFmpeg can read: the file may contain only sound, use a codec "
            "that is missing there, or be damaged.",
            "Choose the file that contains the pictures, or convert it to an MP4 with H.264.",
        )
    return InputError(f"{path} is not in a video format that OpenCV's FFmpeg knows.", _CONVERT)


def _no_frame(path: Path, capture: Capture) -> InputError:
    if not capture.announced:
        return InputError(f"No frames in {path}.", "Record or export it again.")
    return InputError(
        f"{path} announces {capture.announced} frames, but none could be decoded: it is damaged, or "
        f"OpenCV's FFmpeg lacks its codec ({capture.codec or 'unnamed'}).",
        _CONVERT,
    )
