"""Animated GIFs written a frame at a time, with palettes that keep the colours of objects clean."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import GifImagePlugin, Image

from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.overlay import blend, require_one_size
from sfc_cli.files import PartFile, unwritable

WIDEST = 640
# Of 256 colours. Objects are what one looks at, but have few pixels beside the background.
_OBJECT_COLOURS = 96
_LOOP_FOR_EVER = b"\x21\xff\x0bNETSCAPE2.0\x03\x01\x00\x00\x00"
_END = b"\x3b"
# What a block begins with: the frame's delay follows.
_CONTROL = b"\x21\xf9\x04"
# The largest number of the format's two bytes.
_LONGEST_DELAY = 0xFFFF
# Viewers play shorter delays at a tenth of a second.
_SHORTEST_DELAY = 2

Indices = npt.NDArray[np.uint8]


class GifWriter:
    """Appends encoded frames to a GIF. ``finish`` or ``abandon`` must follow.

    Args:
        path: The file.

    Raises:
        InputError: If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._file = PartFile(path)
        self._is_empty = True
        # The frame before is written once it is known how long it is shown.
        self._held, self._first = b"", 0.0
        self._seconds: float | None = None
        try:
            self._stream = self._file.part.open("wb")
        except OSError as error:
            raise unwritable(path, error) from None

    def add(self, size: tuple[int, int], block: bytes, seconds: float | None = None) -> None:
        """Append a frame.

        Args:
            size: Height and width.
            block: What ``encode_gif_frame`` gave.
            seconds: When it is shown, by the video's clock: the frame before gets its delay from it.

        Raises:
            InputError: If the disk is full.
        """
        if self._is_empty:
            height, width = size
            # Without a palette for all frames: each has its own.
            self._write(b"GIF89a" + struct.pack("<HHBBB", width, height, 0x70, 0, 0) + _LOOP_FOR_EVER)
            self._is_empty = False
        if seconds is not None and self._seconds is not None and self._held[:3] == _CONTROL:
            # Counted from the first frame, so that rounding errors cancel out.
            begin, end = (round(100 * (time - self._first)) for time in (self._seconds, seconds))
            delay = min(max(_SHORTEST_DELAY, end - begin), _LONGEST_DELAY)
            self._held = self._held[:4] + struct.pack("<H", delay) + self._held[6:]
        elif seconds is not None and self._seconds is None:
            self._first = seconds
        self._write(self._held)
        self._held, self._seconds = block, seconds

    def finish(self) -> None:
        """End the file and give it its name.

        Raises:
            InputError: If the disk is full.
        """
        if self._is_empty:
            self.abandon()
            return
        self._write(self._held + _END)
        try:
            self._stream.close()
        except OSError as error:
            raise unwritable(self._file.path, error) from None
        self._file.keep()

    def abandon(self) -> None:
        """Remove the file."""
        try:
            self._stream.close()
        except OSError:
            # The disk is full, and the file is removed anyway.
            pass
        finally:
            self._file.drop()

    def _write(self, content: bytes) -> None:
        try:
            self._stream.write(content)
        except OSError as error:
            raise unwritable(self._file.path, error) from None


def gif_delay(number: int, frames_per_second: float) -> int:
    """Return for how many hundredths of a second a frame is shown, such that rounding errors cancel out."""
    if frames_per_second * _LONGEST_DELAY < 100:
        return _LONGEST_DELAY
    starts = [round(100 * frame / frames_per_second) for frame in (number, number + 1)]
    return max(_SHORTEST_DELAY, starts[1] - starts[0])


def encode_gif_frame(frame: Frame, mask: Ids, delay: int) -> tuple[tuple[int, int], bytes]:
    """Blend a frame with its mask and encode it as one block of a GIF, at most 640 pixels wide.

    Args:
        frame: uint8 [H, W, 3], RGB.
        mask: Ids, uint8 [H, W].
        delay: For how many hundredths of a second it is shown.

    Returns:
        Height and width of the picture, and the block.

    Raises:
        InputError: If the sizes differ.
    """
    import cv2

    require_one_size(frame, mask)
    height, width = mask.shape
    if width > WIDEST:
        size = (WIDEST, max(1, round(height * WIDEST / width)))
        # Shrunk before they are blended, so that outlines stay one pixel wide.
        frame = np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), np.uint8)
        mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST), np.uint8)
    picture = _reduce_colours(blend(frame, mask), (mask != 0) & (mask != VOID))
    block = b"".join(
        GifImagePlugin.getdata(picture, duration=10 * delay, include_color_table=True, disposal=1)
    )
    return (picture.height, picture.width), block


def _reduce_colours(picture: Frame, objects: npt.NDArray[np.bool_]) -> Image.Image:
    """Choose the colours of objects and background separately, so that neither smudges the other."""
    indices = np.zeros(objects.shape, np.uint8)
    palette = np.zeros((256, 3), np.uint8)
    used = 0
    for area, most in ((objects, _OBJECT_COLOURS), (~objects, 256)):
        pixels = picture[area]
        if not len(pixels):
            continue
        few = Image.fromarray(pixels[None]).quantize(min(most, 256 - used), dither=Image.Dither.NONE)
        colours = np.asarray(few.getpalette("RGB"), np.uint8).reshape(-1, 3)
        indices[area] = np.asarray(few)[0] + used
        palette[used : used + len(colours)] = colours
        used += len(colours)
    image = Image.fromarray(indices)
    image.putpalette(palette.tobytes())
    return image
