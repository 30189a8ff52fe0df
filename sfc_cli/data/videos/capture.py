"""OpenCV's FFmpeg reader, made quiet and given a clock that always runs forward."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.opencv_log import quiet_opencv

_FFMPEG_LEVEL, _FFMPEG_QUIET = "OPENCV_FFMPEG_LOGLEVEL", "-8"
# A damaged stretch fails frame by frame, up to a whole group of them; sound ones may follow.
_ATTEMPTS = 250
# Screen recorders announce the ticks of their clock (600, 1000, 90000 a second) as their rate.
_HIGHEST_RATE = 250.0
_USUAL_RATE = 24.0
_MEASURED_FRAMES = 30


class Capture:
    """One pass over a video: the time of every frame, and the pixels of those asked for.

    Args:
        path: The video; its name must be valid UTF-8, or OpenCV brings down the process.

    Attributes:
        announced_rate: Frames per second as the container has them, which may be nonsense; 0 if it has none.
    """

    def __init__(self, path: Path) -> None:
        import cv2

        with quiet_opencv(), _quiet_ffmpeg():
            # A name with a colon would be taken for an address, if it did not begin with a slash.
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
        """How many frames the container announces, or its duration makes likely; None if it says nothing."""
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
            time = self._time + 1 / self._trusted_rate
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
        if 0 < self.announced_rate <= _HIGHEST_RATE:
            return self.announced_rate
        times = [time for _ in range(_MEASURED_FRAMES) if (time := self.grab()) is not None]
        return (len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else _USUAL_RATE

    @property
    def _trusted_rate(self) -> float:
        return self.announced_rate if 0 < self.announced_rate <= _HIGHEST_RATE else _USUAL_RATE

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
