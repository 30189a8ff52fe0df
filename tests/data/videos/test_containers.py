from __future__ import annotations

import struct
from pathlib import Path

import pytest

from sfc_cli.data.videos.containers import Container, examine
from tests.data.videos.support import box

EBML = b"\x1a\x45\xdf\xa3\x84abcd"


def look(path: Path, content: bytes) -> Container:
    path.write_bytes(content)
    return examine(path)


def riff(kind: bytes, payload: bytes, length: int | None = None) -> bytes:
    return b"RIFF" + struct.pack("<I", 4 + len(payload) if length is None else length) + kind + payload


def segment(length: bytes, payload: bytes) -> bytes:
    return b"\x18\x53\x80\x67" + length + payload


@pytest.mark.parametrize(
    ("content", "announced", "has_index"),
    [
        (box(b"ftyp", b"isom") + box(b"mdat", b"1234") + box(b"moov", b"12"), None, True),
        (box(b"ftyp", b"isom") + box(b"moov", b"12") + box(b"mdat", b"1234")[:-3], 34, True),
        (box(b"ftyp", b"isom") + box(b"mdat", b"1234") + box(b"moov", b"12")[:-1], 34, True),
        (box(b"ftyp", b"isom") + box(b"mdat", b"1234"), None, False),
        # A box may have a size of 64 bits, or none and reach to the end.
        (struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 20) + b"1234" + box(b"moov", b""), None, True),
        (box(b"moov", b"") + struct.pack(">I", 1) + b"mdat" + struct.pack(">Q", 2**40), 2**40 + 8, True),
        (box(b"ftyp", b"isom") + box(b"moov", b"") + struct.pack(">I", 0) + b"mdat" + b"1" * 99, None, True),
        # Padding cut short, and a camera's own block behind the last box, have cost nothing.
        (box(b"ftyp", b"isom") + box(b"moov", b"") + struct.pack(">I", 999) + b"free", None, True),
        (box(b"ftyp", b"isom") + box(b"moov", b"") + b"\xff\xff\xff\xffown data", None, True),
        (box(b"wide", b"") + box(b"moov", b"") + bytes(50), None, True),
    ],
)
def test_examine__mp4(tmp_path: Path, content: bytes, announced: int | None, has_index: bool) -> None:
    found = look(tmp_path / "f", content)
    assert found == Container(kind="MP4", size=len(content), announced=announced, has_index=has_index)


@pytest.mark.parametrize(
    ("content", "announced"),
    [
        (riff(b"AVI ", b"1" * 90), None),
        (riff(b"AVI ", b"1" * 90)[:-20], 102),
        # Some writers count the header in; recordings that were never finished announce nothing.
        (riff(b"AVI ", b"1" * 90, 102), None),
        (riff(b"AVI ", b"1" * 90, 0), None),
        (riff(b"AVI ", b"1" * 90, 0xFFFFFFFF), None),
        # Beyond 1 GB, further chunks follow; older writers leave the first one's size too small.
        (riff(b"AVI ", b"1" * 90) + riff(b"AVIX", b"1" * 50), None),
        (riff(b"AVI ", b"1" * 91) + b"\0" + riff(b"AVIX", b"1" * 50)[:-30], 104 + 62),
        (riff(b"AVI ", b"1" * 90, 30), None),
    ],
)
def test_examine__avi(tmp_path: Path, content: bytes, announced: int | None) -> None:
    assert look(tmp_path / "f", content) == Container(kind="AVI", size=len(content), announced=announced)


@pytest.mark.parametrize(
    ("content", "announced"),
    [
        (EBML + segment(b"\xe4", b"1" * 100), None),
        (EBML + segment(b"\xe4", b"1" * 99), 114),
        (EBML + b"\xec\x82ab" + segment(b"\x40\x64", b"1" * 10), 119),
        (EBML + segment(b"\x01" + struct.pack(">Q", 2**33)[1:], b"1"), 9 + 12 + 2**33),
        # All ones: a stream, written before its end was known.
        (EBML + segment(b"\x01" + b"\xff" * 7, b"1" * 10), None),
        (EBML + segment(b"\xff", b"1" * 10), None),
        (EBML + b"\0" * 20, None),
    ],
)
def test_examine__matroska(tmp_path: Path, content: bytes, announced: int | None) -> None:
    assert look(tmp_path / "f", content) == Container(kind="Matroska", size=len(content), announced=announced)


def test_examine__other_media_and_none(tmp_path: Path) -> None:
    assert look(tmp_path / "f", riff(b"WAVE", b"1" * 50)).kind == "other"
    assert look(tmp_path / "f", b"ID3\x04" + bytes(50)).kind == "other"
    assert look(tmp_path / "f", bytes(50)).kind == ""
    assert look(tmp_path / "f", b"") == Container(kind="", size=0)
