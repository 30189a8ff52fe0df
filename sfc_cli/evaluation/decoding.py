"""The fastest way to a mask's ids: a plain indexed PNG only needs inflating."""

from __future__ import annotations

import functools
import importlib
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfc_cli.data.masks import Ids, read_ids
from sfc_cli.errors import InputError

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_HEADER_END = 33
_GREY, _PALETTE = 0, 3
_COLOUR_NAMES = {2: "an RGB image", 4: "a grey image with transparency", 6: "an RGB image with transparency"}


@dataclass(frozen=True)
class Header:
    """What the first bytes of a PNG say about it."""

    height: int
    width: int
    depth: int
    colour: int
    interlaced: bool

    @property
    def holds_ids(self) -> bool:
        """Whether a pixel is one number of at most 8 bits: an id, not a colour."""
        return self.colour in {_GREY, _PALETTE} and self.depth <= 8

    @property
    def described(self) -> str:
        """What the image is, for a message."""
        return _COLOUR_NAMES.get(self.colour, f"an image of {self.depth} bits a pixel")


def read_header(path: Path) -> Header | None:
    """Read the first bytes of a PNG; None if the file is not one.

    Raises:
        OSError: If the file is missing or cannot be read.
    """
    with path.open("rb", buffering=0) as file:
        return _parse_header(file.read(_HEADER_END))


def decode_ids(path: Path) -> Ids:
    """Read a mask's ids, uint8 [H, W], in the fastest way that the file allows.

    Raises:
        InputError: If the file is missing or damaged, or stores colours instead of ids.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    ids = _decode_plain(content, path)
    return read_ids(path) if ids is None else ids


@functools.lru_cache(maxsize=1)
def inflater() -> Any:
    """Return zlib-ng, which inflates masks three times as fast, or Python's zlib where it cannot be had."""
    try:
        return importlib.import_module("zlib_ng.zlib_ng")
    except ImportError:
        return importlib.import_module("zlib")


def _decode_plain(content: bytes, path: Path) -> Ids | None:
    """Decode an 8-bit indexed or grey PNG whose rows are stored unfiltered; None for every other file."""
    header = _parse_header(content[:_HEADER_END])
    if header is None or not header.holds_ids or header.depth != 8 or header.interlaced:
        return None
    stored = header.height * (header.width + 1)
    library = inflater()
    try:
        # One byte more than needed, so that the end is seen without a second buffer.
        inflated = library.decompress(_pixel_data(content), bufsize=stored + 1)
    except (library.error, struct.error):
        return None
    if len(inflated) != stored:
        raise InputError(
            f"{path} cannot be decoded as an image: it has {len(inflated)} of {stored} bytes of pixels.",
            "Replace the file.",
        )
    # Each row begins with a byte that names its filter; 0 means that the row is stored as it is.
    rows = np.frombuffer(inflated, np.uint8).reshape(header.height, header.width + 1)
    return None if rows[:, 0].any() else rows[:, 1:]


def _parse_header(start: bytes) -> Header | None:
    if len(start) < _HEADER_END or not start.startswith(_SIGNATURE) or start[12:16] != b"IHDR":
        return None
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", start[16:29])
    if not width or not height:
        return None
    return Header(height=height, width=width, depth=depth, colour=colour, interlaced=bool(interlaced))


def _pixel_data(content: bytes) -> bytes:
    parts = []
    at = _HEADER_END
    while at + 8 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, at)
        if kind == b"IDAT":
            parts.append(content[at + 8 : at + 8 + length])
        elif kind == b"IEND":
            break
        at += length + 12
    return parts[0] if len(parts) == 1 else b"".join(parts)
