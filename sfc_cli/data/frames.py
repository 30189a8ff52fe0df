"""Frames read from image files with OpenCV, on whose decoder the published numbers depend."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.errors import InputError

Frame = npt.NDArray[np.uint8]

_JPEG_START = b"\xff\xd8"
# Inside coded data 0xFF is followed by 0, and restart markers count from D0 to D7.
_JPEG_MARKER = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
_JPEG_END, _JPEG_SCAN = 0xD9, 0xDA
# What may stand between the scans of one image: tables, numbers of lines, restart intervals, comments.
_JPEG_BETWEEN_SCANS = frozenset({0xC4, 0xCC, _JPEG_SCAN, 0xDB, 0xDC, 0xDD, 0xFE})


def read_frame(path: Path) -> Frame:
    """Decode an image file.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        InputError: If the file is missing, damaged, truncated or not an image.
    """
    import cv2

    frame = _decode(path, cv2.IMREAD_COLOR)
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))


def read_deep_frame(path: Path) -> npt.NDArray[np.uint8] | npt.NDArray[np.uint16]:
    """Decode an image file with as many bits as it stores; see ``read_frame``."""
    import cv2

    frame = _decode(path, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    rgb = np.ascontiguousarray(frame[..., ::-1])
    # Floating point has no largest number to scale by.
    return rgb if rgb.dtype in (np.uint8, np.uint16) else read_frame(path)


def _decode(path: Path, flags: int) -> npt.NDArray[Any]:
    """Decode an image file with OpenCV, BGR."""
    import cv2

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read frame {path}: {error.strerror or error}.") from None
    # OpenCV fills what a damaged JPEG lacks with grey and says nothing.
    if content.startswith(_JPEG_START) and (damage := _damage_of_jpeg(content)):
        raise InputError(f"Frame {path} is a {damage} JPEG.", "Extract or download it again.")
    try:
        frame = cv2.imdecode(np.frombuffer(content, np.uint8), flags) if content else None
    except cv2.error:
        frame = None
    if frame is None:
        what = "cannot be decoded as an image" if content else "is empty (0 bytes)"
        raise InputError(f"Frame {path} {what}.", "Extract or download it again.")
    return np.asarray(frame)


@contextlib.contextmanager
def quiet_opencv() -> Iterator[None]:
    """Keep OpenCV's own messages from the terminal, and leave its log level as it was."""
    import cv2

    # OpenCV 5 moved the function.
    set_level = getattr(cv2, "setLogLevel", None) or cv2.utils.logging.setLogLevel
    level = set_level(0)
    try:
        yield
    finally:
        set_level(level)


def why_damaged(content: bytes) -> str:
    """Return what is wrong with an encoded image, as far as its structure tells: nothing, mostly."""
    return _damage_of_jpeg(content) if content.startswith(_JPEG_START) else ""


def _damage_of_jpeg(content: bytes) -> str:
    """Follow a JPEG's markers to its end; return ``damaged``, ``truncated`` or nothing."""
    offset, in_scans = len(_JPEG_START), False
    while found := _JPEG_MARKER.search(content, offset):
        marker = found[1][0]
        if marker == _JPEG_END:
            return "" if in_scans else "damaged"
        if in_scans and marker not in _JPEG_BETWEEN_SCANS:
            return "damaged"
        in_scans |= marker == _JPEG_SCAN
        # A segment's length counts its own two bytes.
        offset = found.end() + int.from_bytes(content[found.end() : found.end() + 2], "big")
    return "truncated"
