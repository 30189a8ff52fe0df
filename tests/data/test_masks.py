from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import (
    encode_mask,
    object_ids,
    open_image,
    palette,
    read_first_mask,
    read_ids,
    write_mask,
)
from sfc_cli.errors import InputError
from tests.data.painted_files import blocks, save


def test_palette__known_davis_colours() -> None:
    known = {
        0: (0, 0, 0),
        1: (128, 0, 0),
        2: (0, 128, 0),
        3: (128, 128, 0),
        4: (0, 0, 128),
        5: (128, 0, 128),
        6: (0, 128, 128),
        7: (128, 128, 128),
        8: (64, 0, 0),
        9: (192, 0, 0),
        20: (0, 64, 128),
        255: (224, 224, 192),
    }
    colours = palette()
    assert colours.shape == (256, 3)
    assert colours.dtype == np.uint8
    assert {identity: tuple(map(int, colours[identity])) for identity in known} == known
    assert len({tuple(colour) for colour in colours.tolist()}) == 256


def test_write_mask__is_indexed_with_the_davis_palette(tmp_path: Path) -> None:
    ids = blocks(0, 1, 7, 200, 255)
    write_mask(tmp_path / "m.png", ids)
    with Image.open(tmp_path / "m.png") as image:
        assert image.format == "PNG"
        assert image.mode == "P"
        assert image.getpalette() == palette().ravel().tolist()
        np.testing.assert_array_equal(np.asarray(image), ids)
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), palette()[ids])


def test_encode_mask__any_memory_layout() -> None:
    ids = blocks(0, 3, 5)
    assert encode_mask(np.asfortranarray(ids)) == encode_mask(ids)
    assert encode_mask(ids.astype(np.int64)) == encode_mask(ids)


@pytest.mark.parametrize("read", [read_ids, read_first_mask])
def test_read_ids__indexed_ids_are_kept(tmp_path: Path, read: object) -> None:
    # Neither consecutive nor beginning at 1; 255 is void.
    ids = blocks(0, 3, 17, 254, 255)
    write_mask(tmp_path / "m.png", ids)
    np.testing.assert_array_equal(read(tmp_path / "m.png"), ids)  # type: ignore[operator]


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_read_ids__indexed_with_few_bits(tmp_path: Path, bits: int) -> None:
    ids = blocks(0, 1) if bits == 1 else blocks(0, 1, 2, 3)
    image = Image.fromarray(ids)
    image.putpalette([9, 9, 9, 200, 0, 0, 0, 200, 0, 0, 0, 200])
    image.save(tmp_path / "m.png", bits=bits)
    np.testing.assert_array_equal(read_ids(tmp_path / "m.png"), ids)


def test_read_first_mask__grey_ids(tmp_path: Path) -> None:
    ids = blocks(0, 1, 4, 255)
    np.testing.assert_array_equal(read_first_mask(save(tmp_path / "m.png", ids)), ids)


@pytest.mark.parametrize("values", [(0, 255), (255,)])
def test_read_first_mask__grey_0_and_255_is_one_object(tmp_path: Path, values: tuple[int, ...]) -> None:
    mask = blocks(*values)
    np.testing.assert_array_equal(read_first_mask(save(tmp_path / "m.png", mask)), mask // 255)


def test_read_first_mask__black_and_white(tmp_path: Path) -> None:
    mask = blocks(0, 255, 0)
    path = save(tmp_path / "m.png", mask, "1")
    assert open_image(path).mode == "1"
    np.testing.assert_array_equal(read_first_mask(path), mask // 255)


def _disk(side: int = 64) -> np.ndarray:
    y, x = np.mgrid[:side, :side]
    return np.where((y - side / 2) ** 2 + (x - side / 2) ** 2 < (side / 3) ** 2, 255, 0).astype(np.uint8)


@pytest.mark.parametrize(
    "soft",
    [
        pytest.param(cv2.GaussianBlur(_disk(), (0, 0), 2), id="blurred"),
        pytest.param(cv2.GaussianBlur(_disk(), (3, 3), 0), id="antialiased"),
        pytest.param(cv2.resize(_disk(32), (96, 96), interpolation=cv2.INTER_LINEAR), id="enlarged"),
        pytest.param(cv2.resize(_disk(200), (50, 50), interpolation=cv2.INTER_AREA), id="shrunken"),
    ],
)
def test_read_first_mask__soft_edges(tmp_path: Path, soft: np.ndarray) -> None:
    path = save(tmp_path / "soft.png", soft)
    between = len(np.unique(soft[(soft > 0) & (soft < 255)]))
    with pytest.raises(InputError, match=f"soft edges: {between} grey levels") as caught:
        read_first_mask(path)
    assert str(path) in caught.value.message
    assert "0 and 255" in caught.value.hint


@pytest.mark.parametrize(
    ("mode", "said"),
    [
        ("RGB", "an RGB image with 2 colours"),
        ("RGBA", "an RGB image with transparency with 2 colours"),
        ("LA", "a grey image with transparency with 2 colours"),
        ("I;16", "a grey image of 16 bits"),
    ],
)
def test_read_first_mask__says_what_was_found_instead(tmp_path: Path, mode: str, said: str) -> None:
    path = tmp_path / "m.png"
    if mode == "I;16":
        cv2.imwrite(str(path), blocks(0, 1).astype(np.uint16) * 300)
    else:
        save(path, palette()[blocks(0, 1)] if mode != "LA" else blocks(0, 200), mode)
    with pytest.raises(InputError) as caught:
        read_first_mask(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message
    assert "sfc convert" in caught.value.hint


def test_read_first_mask__many_colours(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    with pytest.raises(InputError, match="more than 256 colours"):
        read_first_mask(save(tmp_path / "m.png", noise))


@pytest.mark.parametrize("values", [(0,), (255,), (0, 255)])
def test_read_first_mask__no_object(tmp_path: Path, values: tuple[int, ...]) -> None:
    write_mask(tmp_path / "m.png", blocks(*values))
    with pytest.raises(InputError, match="No objects in") as caught:
        read_first_mask(tmp_path / "m.png")
    assert str(tmp_path / "m.png") in caught.value.message
    assert ("void" in caught.value.message) == (255 in values)


@pytest.mark.parametrize("content", [b"", b"text", b"\x89PNG\r\n\x1a\n", b"<html>"])
def test_open_image__damaged(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "m.png"
    path.write_bytes(content)
    with pytest.raises(InputError, match=str(path)):
        open_image(path)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_open_image__truncated(tmp_path: Path, share: float) -> None:
    path = tmp_path / "m.png"
    content = encode_mask(np.random.default_rng(0).integers(0, 5, (40, 40), dtype=np.uint8))
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(InputError, match=str(path)):
        open_image(path)


def test_open_image__missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png is missing"):
        open_image(tmp_path / "none.png")


def test_object_ids__neither_background_nor_void() -> None:
    assert object_ids(blocks(9, 255, 0, 2)).tolist() == [2, 9]
    assert object_ids(blocks(255, 0)).tolist() == []
