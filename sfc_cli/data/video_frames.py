"""Frames of video files as images in the user's cache: a training needs single frames in any order.

Decoding a video up to a random frame again and again would cost far more than the disk space.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import shutil
from pathlib import Path

import cv2

from sfc_cli.data.frames import Frame
from sfc_cli.data.videos import Moment, Selection, open_video
from sfc_cli.errors import InputError
from sfc_cli.settings.locations import user_cache_folder

# An epoch takes 80 frames of a video by default; neighbours of a long one are much alike.
MOST_FRAMES = 1000
# Views are 256 pixels wide by default, and smaller crops are enlarged anyhow.
SHORT_SIDE = 480
_QUALITY = 95


def frames_folder() -> Path:
    """Return the folder of all videos' frames."""
    return user_cache_folder() / "video-frames"


def extract_frames(video: Path) -> Path:
    """Write frames of a video, evenly spaced over its whole length, as JPEGs; once as long as the file stays.

    Args:
        video: The file.

    Returns:
        The folder of the frames.

    Raises:
        InputError: If it cannot be decoded, or the cache cannot be written.
    """
    state = video.stat()
    key = f"{video.resolve()}\0{state.st_size}\0{state.st_mtime_ns}\0{MOST_FRAMES}\0{SHORT_SIDE}"
    folder = frames_folder() / hashlib.sha256(key.encode("utf-8", "surrogateescape")).hexdigest()[:16]
    if folder.is_dir():
        return folder
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    try:
        part.mkdir(parents=True)
        _write_frames(video, part)
        # Whole or not at all; if another process was faster, its frames are the same.
        with contextlib.suppress(FileExistsError):
            part.rename(folder)
    except OSError as error:
        raise InputError(
            f"Cannot write the frames of {video} to {folder.parent}: {error.strerror or error}.",
            "Free some space, or set XDG_CACHE_HOME to another folder.",
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return folder


def _write_frames(path: Path, folder: Path) -> None:
    video = open_video([str(path)])
    count = video.count or len(video.stamps())
    every = Moment(value=max(1, math.ceil(count / MOST_FRAMES)), in_seconds=False)
    for one in video.frames(Selection(every=every)):
        content = cv2.imencode(".jpg", _shrunk(one.frame), [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1]
        (folder / f"{one.stamp.number:06d}.jpg").write_bytes(content.tobytes())


def _shrunk(frame: Frame) -> Frame:
    height, width = frame.shape[:2]
    scale = min(1.0, SHORT_SIDE / min(height, width))
    size = (max(2, round(width * scale)), max(2, round(height * scale)))
    shrunk = cv2.resize(frame, size, interpolation=cv2.INTER_AREA) if scale < 1 else frame
    return cv2.cvtColor(shrunk, cv2.COLOR_RGB2BGR)  # type: ignore[return-value]
