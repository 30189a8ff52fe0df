from __future__ import annotations

import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import write_mask
from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import decode_ids, inflater, read_header

IDS = np.random.default_rng(0).integers(0, 4, (37, 53), dtype=np.uint8)


def test_decode_ids__own_masks(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", IDS)
    assert np.array_equal(decode_ids(tmp_path / "mask.png"), IDS)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_decode_ids__every_palette_depth(tmp_path: Path, bits: int) -> None:
    ids = (IDS & 1) if bits == 1 else IDS
    image = Image.fromarray(ids)
    image.putpalette(bytes(range(256)) * 3)
    image.save(tmp_path / "mask.png", bits=bits)
    header = read_header(tmp_path / "mask.png")
    assert header is not None
    assert header.depth == bits
    assert np.array_equal(decode_ids(tmp_path / "mask.png"), ids)


def test_decode_ids__grey_with_filtered_rows(tmp_path: Path) -> None:
    # Filter 2 stores a row as its difference to the row above.
    rows = np.concatenate([np.full((len(IDS), 1), 2, np.uint8), IDS], axis=1)
    rows[1:, 1:] = IDS[1:] - IDS[:-1]
    write_png(tmp_path / "mask.png", rows.tobytes(), width=53, height=37, parts=3)
    assert np.array_equal(decode_ids(tmp_path / "mask.png"), IDS)


def test_decode_ids__pixel_data_in_several_chunks(tmp_path: Path) -> None:
    rows = np.concatenate([np.zeros((len(IDS), 1), np.uint8), IDS], axis=1)
    write_png(tmp_path / "mask.png", rows.tobytes(), width=53, height=37, parts=4)
    assert np.array_equal(decode_ids(tmp_path / "mask.png"), IDS)


def test_decode_ids__grey_of_opencv(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "mask.png"), IDS)
    assert np.array_equal(decode_ids(tmp_path / "mask.png"), IDS)


def test_decode_ids__truncated(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    write_mask(path, IDS)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(InputError, match=r"mask\.png cannot be decoded"):
        decode_ids(path)


def test_decode_ids__damaged_inside(tmp_path: Path) -> None:
    path = tmp_path / "mask.png"
    rows = np.zeros((37, 54), np.uint8)
    write_png(path, rows.tobytes()[:-54], width=53, height=37, parts=1)
    with pytest.raises(InputError, match=r"mask\.png cannot be decoded"):
        decode_ids(path)


def test_decode_ids__missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"mask\.png is missing"):
        decode_ids(tmp_path / "mask.png")


def test_decode_ids__colours(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((4, 4, 3), np.uint8)).save(tmp_path / "mask.png")
    with pytest.raises(InputError, match="RGB"):
        decode_ids(tmp_path / "mask.png")


def test_read_header__not_a_png(tmp_path: Path) -> None:
    (tmp_path / "mask.png").write_text("<!DOCTYPE html>" * 20)
    assert read_header(tmp_path / "mask.png") is None


def write_png(path: Path, pixels: bytes, width: int, height: int, parts: int) -> None:
    """Write a grey PNG whose rows, filter bytes included, are given, in so many chunks."""
    packed = zlib.compress(pixels)
    size = -(-len(packed) // parts)
    chunks = [b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)]
    chunks += [b"tEXtTitle\0mask"]
    chunks += [b"IDAT" + packed[at : at + size] for at in range(0, len(packed), size)] + [b"IEND"]
    with path.open("wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        for chunk in chunks:
            file.write(struct.pack(">I", len(chunk) - 4) + chunk + struct.pack(">I", zlib.crc32(chunk)))


@pytest.mark.parametrize("damaged", [False, True])
def test_inflater__falls_back_to_pythons_zlib(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool
) -> None:
    monkeypatch.setitem(sys.modules, "zlib_ng.zlib_ng", None)
    inflater.cache_clear()
    try:
        assert inflater() is zlib
        write_mask(tmp_path / "mask.png", IDS)
        if damaged:
            content = bytearray((tmp_path / "mask.png").read_bytes())
            at = content.index(b"IDAT") + 6
            content[at : at + 40] = b"\xff" * 40
            (tmp_path / "mask.png").write_bytes(content)
            with pytest.raises(InputError, match=r"mask\.png cannot be decoded"):
                decode_ids(tmp_path / "mask.png")
        else:
            assert np.array_equal(decode_ids(tmp_path / "mask.png"), IDS)
    finally:
        inflater.cache_clear()


def test_inflater__takes_zlib_ng_where_it_is_installed() -> None:
    zlib_ng = pytest.importorskip("zlib_ng.zlib_ng", reason="zlib-ng is not installed")
    inflater.cache_clear()
    assert inflater() is zlib_ng
