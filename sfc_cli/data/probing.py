"""Looking at image files without decoding them: size, and whether they are whole."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_TAIL = 4096
_THREADS = 8


@dataclass(frozen=True)
class Probe:
    """What a look at an image file found.

    Args:
        size: Width and height; None if the file cannot be used.
        problem: Why it cannot be used; empty if it can.
    """

    size: tuple[int, int] | None
    problem: str = ""


def is_image_name(name: str) -> bool:
    """Tell whether a file name is that of an image; hidden files are not."""
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def probe_images(paths: Sequence[Path]) -> list[Probe]:
    """Look at many files at once, in their order."""
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(probe_image, paths))


def probe_image(path: Path) -> Probe:
    """Read a file's header and, for a JPEG, its end."""
    from PIL import Image

    try:
        with path.open("rb") as file, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            start = file.read(2)
            if not start:
                return Probe(None, "empty")
            if start == _JPEG_START and not _ends(file.seek(0, 2), file):
                return Probe(None, "truncated")
            file.seek(0)
            with Image.open(file) as image:
                size = image.size
    except FileNotFoundError:
        return Probe(None, "missing")
    except OSError as error:
        return Probe(None, error.strerror or "not an image")
    except (SyntaxError, ValueError, Image.DecompressionBombError):
        return Probe(None, "not an image")
    # A box in image coordinates needs two pixels a side.
    return Probe(size) if min(size) >= 2 else Probe(None, f"only {size[0]}×{size[1]} pixels")


def _ends(length: int, file: object) -> bool:
    """Tell whether a JPEG's end marker is near its end."""
    file.seek(max(0, length - _TAIL))  # type: ignore[attr-defined]
    return _JPEG_END in file.read()  # type: ignore[attr-defined]
