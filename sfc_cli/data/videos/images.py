"""Videos kept as images, one file a frame: which files belong, in which order, and that all have one size."""

from __future__ import annotations

import hashlib
import math
import re
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sfc_cli.data.frames import Frame, read_deep_frame, read_frame
from sfc_cli.data.videos.selection import ALL_FRAMES, FrameStamp, Selection, Video, VideoFrame, as_time
from sfc_cli.errors import InputError, UsageError

if TYPE_CHECKING:
    from PIL import Image

_PILLOW_SUFFIXES = frozenset({".avif", ".heic", ".heif"})
_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", *_PILLOW_SUFFIXES})
# What can hold more than 8 bits.
_DEEP_SUFFIXES = frozenset({".png", ".tif", ".tiff"})
_DEPTHS = (8, 10, 12, 14, 16)
# So many images, evenly spread, tell how many bits the numbers of all have.
_MEASURED_IMAGES = 32
# A hyphen is a sign unless it joins words or numbers, a dot a decimal point unless there are several.
_NUMBER = re.compile(r"((?:(?<![^\W_])-)?(?:(?<![0-9])(?<![0-9]\.)[0-9]+\.[0-9]+(?!\.?[0-9])|[0-9]+))")
_USUAL_RATE = 24.0

# What file managers leave in folders.
_LITTER = frozenset({"thumbs.db", "desktop.ini"})
_ORIENTATION = 0x0112
# Orientations from 5 on turn the picture by a quarter.
_FIRST_TURNED = 5
_THREADS = 8


class ImageSeries(Video):
    """A video of one image file per frame.

    Args:
        files: At least two images of one folder, in any order.
        name: What the video is called.
        frames_per_second: How fast they follow each other; 24 if None.

    Raises:
        InputError: If there are fewer than two, two share a stem, one is not an image or differs in size.
        UsageError: If the rate is not above 0.
    """

    def __init__(self, files: Sequence[Path], *, name: str, frames_per_second: float | None = None) -> None:
        rate = _USUAL_RATE if frames_per_second is None else frames_per_second
        if not (math.isfinite(rate) and rate > 0):
            raise UsageError(
                f"A rate of {rate:g} frames per second is not above 0.",
                "Set `frames_per_second` to 24, for example.",
            )
        self.files = tuple(sorted(files, key=natural_order))
        self.name = name
        self.source = self.files[0].parent
        self.frames_per_second = rate
        self.count = len(self.files)
        self.is_exact = True
        _refuse_few(self.files)
        _refuse_shared_stems(self.files)
        self.size = _common_size(self.files)
        self._most, self._depth = _measure_depth(self.files)

    def remarks(self) -> list[str]:
        """Return what was decided about images of 16 bits."""
        if self._depth is None:
            return []
        return [f"16-bit images hold {self._depth}-bit numbers (up to {self._most}) and are scaled by that."]

    def frames(self, selection: Selection = ALL_FRAMES) -> Iterator[VideoFrame]:
        """Decode the chosen images in order, holding one at a time."""
        for stamp in selection.choose(self._all_stamps(), str(self.source)):
            yield self._read(stamp)

    def stamps(self, selection: Selection = ALL_FRAMES) -> list[FrameStamp]:
        """List the chosen images; none is opened."""
        return list(selection.choose(self._all_stamps(), str(self.source)))

    def backwards(self, stamps: Sequence[FrameStamp]) -> Iterator[VideoFrame]:
        """Decode the given images, the last first, holding one at a time."""
        return map(self._read, reversed(stamps))

    def identity(self) -> dict[str, object]:
        """Return the folder, how many images it has, their names as a digest, bytes and the newest's time."""
        states = [path.stat() for path in self.files]
        names = "\0".join(path.name for path in self.files)
        return {
            "kind": "images",
            "path": str(self.source.resolve()),
            "files": len(self.files),
            "names": hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:16],
            "frames_per_second": self.frames_per_second,
            "bytes": sum(state.st_size for state in states),
            "modified": as_time(max(state.st_mtime for state in states)),
        }

    def _all_stamps(self) -> Iterator[FrameStamp]:
        for number, path in enumerate(self.files):
            yield FrameStamp(number=number, name=path.stem, seconds=number / self.frames_per_second)

    def _read(self, stamp: FrameStamp) -> VideoFrame:
        path = self.files[stamp.number]
        frame = _read(path, self._depth)
        if frame.shape[:2] != self.size:
            raise _other_size(path, (frame.shape[0], frame.shape[1]), self.files[0], self.size)
        return VideoFrame(stamp=stamp, frame=frame)


def is_image(path: Path) -> bool:
    """Return whether a file's suffix is that of an image."""
    return path.suffix.lower() in _SUFFIXES


def is_passed_over(path: Path) -> bool:
    """Return whether an entry of a folder is never meant as a frame: hidden, litter, or a folder."""
    return path.name.startswith(".") or path.name.lower() in _LITTER or path.is_dir()


def natural_order(path: Path) -> tuple[list[str | Decimal], str]:
    """Return a key that sorts ``img2`` before ``img10``, ``-1`` before ``0.5``, names by the alphabet."""
    # Text and numbers alternate, so that text is only compared with text.
    parts = _NUMBER.split(path.stem.casefold())
    return [Decimal(part) if index % 2 else part for index, part in enumerate(parts)], path.name


def _read(path: Path, depth: int | None) -> Frame:
    """Decode an image; numbers of so many bits in a 16-bit file become 8 bits."""
    if path.suffix.lower() in _PILLOW_SUFFIXES:
        return _read_by_pillow(path)
    if depth is None:
        return read_frame(path)
    frame = read_deep_frame(path)
    if frame.dtype == np.uint8:
        return np.asarray(frame, np.uint8)
    return np.asarray(np.minimum(frame >> (depth - 8), np.iinfo(np.uint8).max).astype(np.uint8))


def _read_by_pillow(path: Path) -> Frame:
    from PIL import Image, ImageOps

    _register_heif(path)
    try:
        with Image.open(path) as image:
            return np.array(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"Frame {path} cannot be decoded ({error}).", "Extract it again.") from None


def _register_heif(path: Path) -> None:
    """Make sure that Pillow can open a file of its suffix.

    Raises:
        InputError: If a plugin is missing.
    """
    from PIL import Image

    Image.init()
    suffix = path.suffix.lower()
    if suffix in Image.registered_extensions():
        return
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
        if suffix == ".avif":
            import pillow_avif  # noqa: F401
    except ImportError:
        plugin = "pillow-avif-plugin" if suffix == ".avif" else "pillow-heif"
        raise InputError(
            f"Frame {path} is a {suffix[1:].upper()} image, which Pillow reads only with a plugin.",
            f"Install it (pip install {plugin}), or convert the images to PNG.",
        ) from None


def _measure_depth(files: Sequence[Path]) -> tuple[int, int | None]:
    """Return the largest number of 16-bit images and its bits; None where nothing has to be scaled."""
    if files[0].suffix.lower() not in _DEEP_SUFFIXES or read_deep_frame(files[0]).dtype == np.uint8:
        return 0, None
    step = max(1, len(files) // _MEASURED_IMAGES)
    most = max(int(read_deep_frame(path).max()) for path in files[::step])
    depth = next(depth for depth in _DEPTHS if most < 1 << depth)
    return most, None if depth == _DEPTHS[-1] else depth


def _refuse_few(files: Sequence[Path]) -> None:
    if len(files) < 2:
        raise InputError(
            f"{files[0]} is a single image, and a video needs at least two frames.",
            "Give the folder of all frames, or the video file.",
        )


def _refuse_shared_stems(files: Sequence[Path]) -> None:
    seen: dict[str, Path] = {}
    for path in files:
        other = seen.setdefault(path.stem, path)
        if other is not path:
            raise InputError(
                f"{other.name} and {path.name} in {path.parent} would write results of the same name.",
                "Keep one of them, or choose with a pattern such as '*.jpg'.",
            )


def _common_size(files: Sequence[Path]) -> tuple[int, int]:
    """Read the headers of all files; return the height and width that they share."""
    first = None
    with warnings.catch_warnings(), ThreadPoolExecutor(_THREADS) as pool:
        # Pillow warns of large images and odd tags; such frames can be read all the same.
        warnings.simplefilter("ignore")
        for path, size in zip(files, pool.map(_upright_size, files), strict=True):
            first = first or size
            if size != first:
                pool.shutdown(wait=False, cancel_futures=True)
                raise _other_size(path, size, files[0], first)
    return first or (0, 0)


def _other_size(path: Path, size: tuple[int, int], first: Path, expected: tuple[int, int]) -> InputError:
    return InputError(
        f"{path} has {size[1]}×{size[0]} pixels, but {first.name} has {expected[1]}×{expected[0]}.",
        "All frames of a video need the same size: resize them, or move away those that do not belong to it.",
    )


def _upright_size(path: Path) -> tuple[int, int]:
    """Return an image's height and width once decoded, from its header wherever that is enough."""
    from PIL import Image

    if path.suffix.lower() in _PILLOW_SUFFIXES:
        _register_heif(path)
    try:
        if not path.stat().st_size:
            raise InputError(f"Frame {path} is empty (0 bytes).", "Extract it again, or move it away.")
        with Image.open(path) as image:
            (width, height), kind = image.size, image.format
            tags = image.getexif() if kind == "TIFF" else _own_tags(image.info.get("exif", b""))
            is_turned = int(tags.get(_ORIENTATION, 1)) >= _FIRST_TURNED
    except OSError as error:
        reason = f"cannot be read: {error.strerror}" if error.strerror else "is not an image"
        raise InputError(f"Frame {path} {reason}.", "Extract it again, or move it away.") from None
    except (SyntaxError, TypeError, ValueError, Image.DecompressionBombError):
        raise InputError(f"Frame {path} is not an image.", "Extract it again, or move it away.") from None
    if not is_turned:
        return height, width
    if kind in ("JPEG", "MPO", "PNG"):
        return width, height
    # Versions of OpenCV and Pillow differ in whether they turn a WebP or a TIFF.
    height, width = _read(path, None).shape[:2]
    return height, width


def _own_tags(exif: bytes) -> Image.Exif:
    """Read tags from a header: asking Pillow for them would decode a whole PNG."""
    from PIL import Image

    tags = Image.Exif()
    tags.load(exif)
    return tags
