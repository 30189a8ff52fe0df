"""MP4 films written with OpenCV: H.264 where it can, MPEG-4 otherwise, whole or not at all."""

from __future__ import annotations

import logging
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from sfc_cli.data.frames import Frame, quiet_opencv
from sfc_cli.errors import InputError
from sfc_cli.files import PartFile, unwritable

logger = logging.getLogger(__name__)

_ENDING = ".mp4"
# Beyond these encoders fail, FFmpeg's own by ending the process.
_SLOWEST, _FASTEST = 0.1, 1000.0
_NO_SPACE = "Free some space, or choose another folder."

# The packages' OpenCV mostly lacks an H.264 encoder, and some have one that opens and writes nothing. FFmpeg
# says so on standard error, past Python and OpenCV's own log; in another process the message is caught.
_PROBE = """
import pathlib, sys, tempfile
import cv2, numpy
width, height, rate = int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3])
with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
    for backend in cv2.videoio_registry.getWriterBackends():
        if cv2.videoio_registry.getBackendName(backend) not in ("FFMPEG", "AVFOUNDATION", "MSMF"):
            continue
        path = str(pathlib.Path(folder, f"{backend}.mp4"))
        film = cv2.VideoWriter(path, backend, cv2.VideoWriter_fourcc(*"avc1"), rate, (width, height))
        if not film.isOpened():
            continue
        for level in (0, 128, 255):
            film.write(numpy.full((height, width, 3), level, numpy.uint8))
        film.release()
        stored = cv2.VideoCapture(path)
        read = [stored.read()[0] for _ in range(3)]
        stored.release()
        if all(read):
            print(backend)
            break
"""


class FilmWriter:
    """Writes one film frame by frame. ``finish`` or ``abandon`` must follow.

    Args:
        path: The film, ``.mp4``.
        frames_per_second: How fast it plays, from 0.1 to 1000; beyond that it plays at the limit.

    Raises:
        InputError: If its folder cannot be written to.
    """

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self._file = PartFile(path, _ENDING)
        self._frames_per_second = min(max(frames_per_second, _SLOWEST), _FASTEST)
        self._writer: Any = None
        self._written = 0
        try:
            # OpenCV does not say why it cannot open a file.
            self._file.part.touch()
        except OSError as error:
            raise unwritable(path, error) from None

    def add(self, picture: Frame) -> None:
        """Add a picture, BGR, uint8 [H, W, 3], both sides even; all of one size.

        Raises:
            InputError: If OpenCV cannot write films.
        """
        if self._writer is None:
            self._writer = self._open(*picture.shape[:2])
        with quiet_opencv():
            self._writer.write(picture)
        self._written += 1

    def finish(self) -> None:
        """Close the film and give it its name.

        Raises:
            InputError: If frames are missing in it, as on a full disk.
        """
        if self._writer is None:
            self.abandon()
            return
        self._close()
        stored = _count_frames(self._file.part)
        if stored != self._written:
            self.abandon()
            raise InputError(
                f"Cannot write {self._file.path}: {stored} of {self._written} frames reached the disk.",
                _NO_SPACE,
            )
        self._file.keep()

    def abandon(self) -> None:
        """Close the film and remove it."""
        self._close()
        self._file.drop()

    def _open(self, height: int, width: int) -> Any:
        import cv2

        h264 = h264_backend(height, width, self._frames_per_second)
        choices = [] if h264 is None else [(h264, "avc1", "H.264")]
        for backend, code, name in (*choices, (cv2.CAP_FFMPEG, "mp4v", "MPEG-4")):
            four = cv2.VideoWriter.fourcc(*code)
            with quiet_opencv():
                writer = cv2.VideoWriter(
                    str(self._file.part), backend, four, self._frames_per_second, (width, height)
                )
            if writer.isOpened():
                logger.info("%s: %s, %d×%d", self._file.path, name, width, height)
                return writer
        raise InputError(
            f"Cannot write {self._file.path}: the installed OpenCV has no encoder for MP4 films of "
            f"{width}×{height} pixels.",
            "Install opencv-python from PyPI, or set `overlay` to frames.",
        )

    def _close(self) -> None:
        if self._writer is not None:
            with quiet_opencv():
                self._writer.release()
            self._writer = None


def as_film_picture(picture: Frame) -> Frame:
    """Turn a picture, RGB [H, W, 3], into what encoders take: BGR, odd sides longer by a repeated line."""
    import cv2

    height, width = picture.shape[:2]
    turned = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)
    if height % 2 or width % 2:
        turned = cv2.copyMakeBorder(turned, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(turned, np.uint8)


@lru_cache(maxsize=16)
def h264_backend(height: int, width: int, frames_per_second: float) -> int | None:
    """Return which of OpenCV's backends writes H.264 that can be read again; None if none does."""
    order = [sys.executable, "-c", _PROBE, str(width), str(height), str(frames_per_second)]
    try:
        done = subprocess.run(order, capture_output=True, text=True, timeout=60, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    words = done.stdout.split()
    return int(words[-1]) if done.returncode == 0 and words and words[-1].isdigit() else None


def _count_frames(path: Path) -> int:
    """Return how many frames a film's index names, if its first can be decoded."""
    import cv2

    with quiet_opencv():
        film = cv2.VideoCapture(str(path))
    try:
        if not film.isOpened() or not film.read()[0]:
            return 0
        return int(film.get(cv2.CAP_PROP_FRAME_COUNT))
    finally:
        film.release()
