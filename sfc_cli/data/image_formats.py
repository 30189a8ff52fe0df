"""Which files of a training set are images or videos, by their suffixes; what they contain is probed."""

from __future__ import annotations

import contextlib
import functools
from pathlib import Path

IMAGE_SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".bmp", ".dib", ".webp", ".gif", ".tif", ".tiff",
        ".avif", ".heic", ".heif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".tga", ".pcx",
        ".sgi", ".psd", ".qoi",
    }
)  # fmt: skip
VIDEO_SUFFIXES = frozenset(
    {
        ".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv",
        ".flv", ".ogv", ".3gp", ".y4m",
    }
)  # fmt: skip


def is_image_name(name: str) -> bool:
    """Return whether a file name is that of an image; hidden files are not."""
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def is_video_name(name: str) -> bool:
    """Return whether a file name is that of a video file; hidden files are not."""
    return not name.startswith(".") and Path(name).suffix.lower() in VIDEO_SUFFIXES


@functools.cache
def add_installed_formats() -> None:
    """Let Pillow read HEIC photographs where the package for it is installed."""
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()
