"""The frames that the page shows: read once in order, kept as pictures, decoded again at full size."""

from __future__ import annotations

import logging
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.videos import FrameStamp, Selection, Video
from sfc_cli.errors import InputError, SfcError
from sfc_cli.files import write_bytes

logger = logging.getLogger(__name__)

# What the page shows unless it is zoomed in.
_LONG_SIDE = 1280
_QUALITY, _FULL_QUALITY = 85, 95
# Frames at full size that are kept, for marks that are solved again.
_HELD = 3
# How long a request waits for a frame that is being read.
_PATIENCE = 20.0


class ClipFrames:
    """Gives the frames of a video at random, though it may only be read in order.

    Args:
        video: The video.
        selection: Which of its frames.
        folder: Where the pictures lie while the page is open.
        tell: Called after each frame that was read, in another thread.
    """

    def __init__(
        self, video: Video, selection: Selection, folder: Path, tell: Callable[[], None] = lambda: None
    ) -> None:
        self.video, self.selection = video, selection
        self.stamps: list[FrameStamp] = []
        self.problem: SfcError | None = None
        self.is_read = False
        self._folder, self._tell = folder, tell
        self._held: OrderedDict[int, Frame] = OrderedDict()
        self._lock, self._decoding = threading.Condition(), threading.Lock()
        self._is_closed = False
        self._thread = threading.Thread(target=self._read, name="sfc-clip", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def close(self) -> None:
        """Stop reading and remove the pictures."""
        with self._lock:
            self._is_closed = True
            self._lock.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def count(self) -> int:
        """How many frames are known so far; what is announced while they are read."""
        announced = self.video.count or 0
        is_whole = self.selection == Selection()
        return len(self.stamps) if self.is_read or not is_whole else max(len(self.stamps), announced)

    def picture(self, index: int) -> bytes:
        """Return a frame as JPEG, no larger than a screen.

        Raises:
            InputError: If there is no such frame, or it cannot be read.
        """
        self._wait_for(index)
        try:
            return self._path(index).read_bytes()
        except OSError:
            return _encoded(_shrunk(self.exact(index)), _QUALITY)

    def full_picture(self, index: int) -> bytes:
        """Return a frame as JPEG at its own size."""
        return _encoded(self.exact(index), _FULL_QUALITY)

    def exact(self, index: int) -> Frame:
        """Return a frame's own pixels, uint8 [H, W, 3], RGB.

        Raises:
            InputError: If there is no such frame, or it cannot be read.
        """
        stamp = self._wait_for(index)
        with self._decoding:
            if index not in self._held:
                self._held[index] = next(iter(self.video.backwards([stamp]))).frame
                while len(self._held) > _HELD:
                    self._held.popitem(last=False)
            self._held.move_to_end(index)
            return self._held[index]

    def _wait_for(self, index: int) -> FrameStamp:
        def is_settled() -> bool:
            return self._is_closed or self.is_read or 0 <= index < len(self.stamps)

        with self._lock:
            self._lock.wait_for(is_settled, timeout=_PATIENCE)
            if not 0 <= index < len(self.stamps):
                if self.problem is not None:
                    raise self.problem
                raise InputError(f"The video has no frame {index}, or it was not read yet.")
            return self.stamps[index]

    def _read(self) -> None:
        try:
            with closing(self.video.frames(self.selection)) as frames:  # type: ignore[type-var]
                for index, one in enumerate(frames):
                    self._keep(index, one.frame)
                    with self._lock:
                        self.stamps.append(one.stamp)
                        self._lock.notify_all()
                        if self._is_closed:
                            return
                    self._tell()
        except SfcError as error:
            self.problem = error
        except Exception as error:  # shown in the page, whatever it is
            self.problem = InputError(f"The video cannot be read: {error}.")
        with self._lock:
            self.is_read = True
            self._lock.notify_all()
        self._tell()

    def _keep(self, index: int, frame: Frame) -> None:
        if index == 0:
            with self._decoding:
                self._held[0] = frame
        try:
            write_bytes(self._path(index), _encoded(_shrunk(frame), _QUALITY))
        except InputError as error:
            # A full disk makes the page slower, no more: frames are decoded again when they are shown.
            logger.info("%s", error)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:06d}.jpg"


def _shrunk(frame: Frame) -> Frame:
    import cv2

    height, width = frame.shape[:2]
    scale = _LONG_SIDE / max(height, width)
    if scale >= 1:
        return frame
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)


def _encoded(frame: Frame, quality: int) -> bytes:
    import cv2

    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return content.tobytes()
