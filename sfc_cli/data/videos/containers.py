"""Whether a video file is whole, judged by what its container announces: decoders stop early in silence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

# Boxes at the top of an MP4 or MOV. Padding (free, skip) cut short has cost nothing.
_BOXES = frozenset(
    (b"ftyp", b"moov", b"mdat", b"moof", b"mfra", b"uuid", b"pnot", b"sidx", b"styp", b"meta", b"udta")
)
_PADDING = frozenset((b"free", b"skip", b"wide", b"junk"))
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
# Some writers count the header into a RIFF's size.
_RIFF_SLACK = 8
_UNKNOWN_RIFF_SIZES = (0, 0xFFFFFFFF)
# Starts of other media files: enough to distinguish sound or a rarer container from other files.
_NAMED_MEDIA = (b"RIFF", b"ID3", b"OggS", b"fLaC", b"FLV", b"#!AMR", b"caff", b"FORM", b"GIF8")
# MPEG transport, program and elementary streams, ASF.
_STREAMS = (b"\x47", b"\x00\x00\x01", b"\x30\x26\xb2\x75")
# The first frames of AAC and MP3.
_SOUND_FRAMES = (b"\xff\xf1", b"\xff\xf9", b"\xff\xfb", b"\xff\xf3", b"\xff\xf2", b"\xff\xfa")
_MEDIA_STARTS = _NAMED_MEDIA + _STREAMS + _SOUND_FRAMES


@dataclass(frozen=True, kw_only=True)
class Container:
    """What a file's container says of itself.

    Args:
        kind: ``MP4`` (or MOV), ``AVI``, ``Matroska`` (or WebM), ``other`` media, or empty if unknown.
        size: The bytes of the file.
        announced: The bytes that the file should have, where that is more than it has; else None.
        has_index: False if an MP4 lacks the box (moov) that says where everything else is.
    """

    kind: str
    size: int
    announced: int | None = None
    has_index: bool = True

    @property
    def counts_frames(self) -> bool:
        """Whether its number of frames was counted when it was written, not estimated from a duration."""
        return self.kind in ("MP4", "AVI")


def examine(path: Path) -> Container:
    """Read a file's outermost structure: some headers, not what they contain.

    Raises:
        OSError: If the file cannot be read.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(16)
        if start[4:8] in _BOXES | _PADDING:
            announced, has_index = _walk_boxes(file, size)
            return Container(kind="MP4", size=size, announced=announced, has_index=has_index)
        if start[:4] == b"RIFF" and start[8:12] == b"AVI ":
            return Container(kind="AVI", size=size, announced=_walk_riff(file, size))
        if start[:4] == _EBML:
            return Container(kind="Matroska", size=size, announced=_segment_end(file, size))
    return Container(kind="other" if start.startswith(_MEDIA_STARTS) else "", size=size)


def _walk_boxes(file: BinaryIO, size: int) -> tuple[int | None, bool]:
    """Step over an MP4's boxes; return their end if that is beyond the file, and whether it has its index."""
    offset, has_index = 0, False
    while offset + 8 <= size:
        file.seek(offset)
        header = file.read(16)
        length, kind = int.from_bytes(header[:4], "big"), header[4:8]
        if kind not in _BOXES | _PADDING:
            # Cameras append blocks of their own, which players do not read.
            break
        if length == 1:
            length = int.from_bytes(header[8:16], "big")
        elif length == 0:
            length = size - offset
        if length < 8:
            break
        offset += length
        if offset > size and kind in _BOXES:
            return offset, has_index or kind == b"moov"
        has_index |= kind == b"moov"
    return None, has_index


def _walk_riff(file: BinaryIO, size: int) -> int | None:
    """Step over an AVI's chunks, several beyond 1 GB; return their end if that is beyond the file."""
    offset = 0
    while offset + 12 <= size:
        file.seek(offset)
        header = file.read(8)
        length = int.from_bytes(header[4:8], "little")
        if header[:4] != b"RIFF" or length in _UNKNOWN_RIFF_SIZES:
            break
        offset += 8 + length
        if offset > size + _RIFF_SLACK:
            return offset
        offset += length % 2
    return None


def _segment_end(file: BinaryIO, size: int) -> int | None:
    """Find a Matroska file's segment; return its end if that is beyond the file."""
    offset = 0
    while offset + 5 <= size:
        file.seek(offset)
        header = file.read(12)
        # Top-level elements have names of four bytes, but for padding (Void), which has one.
        name = header[:1] if header[:1] == b"\xec" else header[:4]
        width, length = _number(header[len(name) :])
        if not width or length is None:
            return None
        offset += len(name) + width + length
        if name == _SEGMENT:
            return offset if offset > size else None
    return None


def _number(content: bytes) -> tuple[int, int | None]:
    """Read a number of EBML: its leading zero bits give its width; only ones after them mean unknown."""
    if not content or not content[0]:
        return 0, None
    width = 9 - content[0].bit_length()
    value = int.from_bytes(content[:width], "big") & ((1 << 7 * width) - 1)
    return width, None if value == (1 << 7 * width) - 1 else value
