"""From what a decoder gives to upright RGB: the matrix, range and display matrix that a video declares."""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from av.error import FFmpegError
from av.video.frame import VideoFrame as Picture
from av.video.reformatter import Interpolation, VideoReformatter

from sfc_cli.data.frames import Frame

# Numbers of ITU-T H.273, which containers and codecs share.
_RGB, _BT709, _UNSPECIFIED, _RESERVED, _SMPTE170M, _SMPTE240M, _YCGCO, _BT2020 = 0, 1, 2, 3, 6, 7, 8, 9
_DERIVED = 12
_CONVERTED = frozenset((_BT709, _UNSPECIFIED, _RESERVED, 4, 5, _SMPTE170M, _SMPTE240M, _YCGCO, _BT2020))
_MATRIX_NAMES = {
    _RGB: "RGB in a format of luma and chroma",
    10: "BT.2020 with constant luminance",
    11: "SMPTE ST 2085 (Y'D'zD'x)",
    _DERIVED: "derived from primaries that are not known",
    13: "derived from its primaries, with constant luminance",
    14: "ICtCp (BT.2100)",
    15: "IPT-C2",
    16: "YCgCo-Re",
    17: "YCgCo-Ro",
}
# The matrices that follow from primaries: BT.709, SMPTE 170M and 240M, BT.2020.
_OF_PRIMARIES = {1: _BT709, 6: _SMPTE240M, 7: _SMPTE240M, 9: _BT2020}
# What swscale calls matrices.
_ITU709, _ITU601 = 1, 5
# FCC among them, which is 4; all others are BT.601 to it.
_SAME_IN_SWSCALE = frozenset((_BT709, 4, _SMPTE240M, _BT2020))
_FULL_RANGE = 2
_HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
_FIXED_POINT = 1 << 16


@dataclass(frozen=True)
class Turn:
    """How stored pictures are brought upright: first transposed, then mirrored.

    Args:
        is_transposed: Rows become columns.
        is_flipped: Left and right are exchanged.
        is_upside_down: Top and bottom are exchanged.
        is_exact: Whether the video asks for just that, not for some angle near it.
    """

    is_transposed: bool = False
    is_flipped: bool = False
    is_upside_down: bool = False
    is_exact: bool = True

    def apply(self, frame: Frame) -> Frame:
        """Return a picture [H, W, 3] upright."""
        if self.is_transposed:
            frame = frame.transpose(1, 0, 2)
        if self.is_flipped:
            frame = frame[:, ::-1]
        if self.is_upside_down:
            frame = frame[::-1]
        return np.ascontiguousarray(frame)


def turn_of(picture: Picture) -> Turn:
    """Return how a picture is to be shown: turned by quarters and mirrored, as its display matrix says."""
    matrix: Any = None
    # Kinds of side data that are newer than PyAV have no name in it.
    with contextlib.suppress(KeyError, ValueError):
        matrix = picture.side_data["DISPLAYMATRIX"]  # type: ignore[typeddict-item]
    if matrix is None:
        return Turn()
    a, b, _, c, d, *_ = struct.unpack("=9i", bytes(matrix)[:36])
    is_transposed = abs(b) + abs(c) > abs(a) + abs(d)
    across, down = (c, b) if is_transposed else (a, d)
    others = (a, d) if is_transposed else (b, c)
    return Turn(is_transposed, across < 0, down < 0, max(map(abs, others)) < _FIXED_POINT // 100)


def why_not_converted(picture: Picture) -> str:
    """Return the name of a declared matrix that cannot be converted; nothing if all is well."""
    matrix = _matrix_of(picture)
    if matrix in _CONVERTED or not _has_chroma(picture):
        return ""
    return _MATRIX_NAMES.get(matrix, f"number {matrix} of ITU-T H.273")


def hdr_name(transfer: int) -> str:
    """Return ``HLG`` or ``PQ`` if a number of ITU-T H.273 means one; nothing otherwise."""
    return _HDR_TRANSFERS.get(transfer, "")


class RgbConverter:
    """Converts pictures of one video as FFmpeg's own command does; not for several threads."""

    def __init__(self) -> None:
        self._reformatter = VideoReformatter()

    def convert(self, picture: Picture, turn: Turn) -> Frame:
        """Return a picture as uint8 [H, W, 3], RGB, upright.

        Raises:
            ValueError: If FFmpeg cannot convert its pixel format.
        """
        matrix = _matrix_of(picture)
        if matrix == _YCGCO and _has_chroma(picture):
            pixels = "yuvj444p" if picture.format.name.startswith("yuvj") else "yuv444p"
            return turn.apply(_from_ycgco(self._reformat(picture, pixels, _ITU709, _ITU709)))
        source = matrix if matrix in _SAME_IN_SWSCALE else _ITU601
        # Said even where the frame says it: older PyAV converts by the default if both are left out.
        rgb = self._reformat(picture, "rgb24", source, _ITU601)
        return turn.apply(np.asarray(rgb.to_ndarray(), np.uint8))

    def _reformat(self, picture: Picture, pixels: str, source: int, target: int) -> Picture:
        try:
            return self._reformatter.reformat(
                picture,
                format=pixels,
                src_colorspace=source,
                dst_colorspace=target,
                interpolation=Interpolation.BICUBIC,
            )
        except (FFmpegError, OSError) as error:
            raise ValueError(f"{picture.format.name}: {error}") from None


def _matrix_of(picture: Picture) -> int:
    matrix = int(picture.colorspace)
    if matrix == _DERIVED:
        return _OF_PRIMARIES.get(int(getattr(picture, "color_primaries", _UNSPECIFIED)), _DERIVED)
    # The reserved number stands in files of careless programs, and means nothing.
    return _SMPTE170M if matrix == _RESERVED else matrix


def _has_chroma(picture: Picture) -> bool:
    kind = picture.format
    return not kind.is_rgb and not kind.has_palette and len(kind.components) > 2


def _from_ycgco(picture: Picture) -> Frame:
    """Convert YCgCo, which swscale lacks, from full planes of 8 bits."""
    luma, green, orange = (plane.astype(np.float32) for plane in picture.to_ndarray())
    is_full = picture.color_range == _FULL_RANGE or picture.format.name.startswith("yuvj")
    if not is_full:
        luma = (luma - 16) * np.float32(255 / 219)
    scale = np.float32(1 if is_full else 255 / 224)
    green, orange = (green - 128) * scale, (orange - 128) * scale
    rest = luma - green
    rgb: npt.NDArray[np.float32] = np.stack([rest + orange, luma + green, rest - orange], axis=-1)
    return np.rint(rgb).clip(0, 255).astype(np.uint8)
