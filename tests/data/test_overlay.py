from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import palette
from sfc_cli.data.overlay import blend, write_cutout, write_overlay
from sfc_cli.errors import InputError


@pytest.fixture
def frame() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((30, 40), np.uint8)
    mask[5:15, 5:15], mask[5:15, 15:25], mask[20:28, 5:30] = 1, 2, 255
    return mask


def test_blend__background_and_void_show_the_frame(frame: np.ndarray, mask: np.ndarray) -> None:
    picture = blend(frame, mask)
    untouched = (mask == 0) | (mask == 255)
    np.testing.assert_array_equal(picture[untouched], frame[untouched])


def test_blend__half_the_palette_inside_and_white_outlines(frame: np.ndarray, mask: np.ndarray) -> None:
    picture = blend(frame, mask)
    inside = (slice(6, 14), slice(6, 14))
    expected = (frame[inside].astype(float) + palette()[1]) / 2
    np.testing.assert_allclose(picture[inside], expected, rtol=0, atol=0.51)
    # Where two objects meet, both have an outline.
    for y, x in ((5, 5), (14, 9), (10, 14), (10, 15), (10, 24)):
        assert (picture[y, x] == 255).all(), (y, x)


def test_blend__inputs_are_left_alone(frame: np.ndarray, mask: np.ndarray) -> None:
    copies = frame.copy(), mask.copy()
    blend(*copies)
    np.testing.assert_array_equal(copies[0], frame)
    np.testing.assert_array_equal(copies[1], mask)


def test_blend__sizes_differ(frame: np.ndarray, mask: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"40×30 pixels, its mask 40×20"):
        blend(frame, mask[:20])


def test_write_overlay__is_a_jpeg_of_the_blend(tmp_path: Path, frame: np.ndarray, mask: np.ndarray) -> None:
    smooth = cv2.GaussianBlur(frame, (0, 0), 3)
    write_overlay(tmp_path / "o.jpg", smooth, mask)
    assert (tmp_path / "o.jpg").read_bytes()[:2] == b"\xff\xd8"
    stored = cv2.imread(str(tmp_path / "o.jpg"))[..., ::-1].astype(float)
    assert np.abs(stored - blend(smooth, mask)).mean() < 8


@pytest.mark.parametrize("seed", range(8))
def test_blend__as_plain_numpy_wherever_objects_lie(seed: int) -> None:
    noise = np.random.default_rng(seed)
    height, width = noise.integers(1, 40, 2)
    frame = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
    ids = np.repeat(np.repeat(noise.choice(np.array([0, 0, 1, 9, 255], np.uint8), (8, 8)), 5, 0), 5, 1)
    mask = np.ascontiguousarray(ids[:height, :width])
    mask[:, : width * seed // 16] = 0
    padded = np.pad(mask, 1, mode="edge")
    neighbours = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
    edge = np.any([other != mask for other in neighbours], axis=0)
    is_object = (mask != 0) & (mask != 255)
    picture = blend(frame, mask)
    np.testing.assert_array_equal(picture[~is_object], frame[~is_object])
    assert (picture[is_object & edge] == 255).all()
    inside = is_object & ~edge
    expected = (frame[inside].astype(float) + palette()[mask[inside]]) / 2
    np.testing.assert_allclose(picture[inside], expected, rtol=0, atol=0.51)


def test_write_cutout__objects_as_they_are_and_nothing_else(tmp_path: Path) -> None:
    frame = np.random.default_rng(0).integers(1, 256, (31, 40, 3), dtype=np.uint8)
    mask = np.zeros((31, 40), np.uint8)
    mask[3:9, 5:20], mask[10:13, 5:9], mask[20:30, 20:30] = 1, 254, 255
    before = frame.copy()
    write_cutout(tmp_path / "cutout" / "ü" / "1.png", frame, mask)
    with Image.open(tmp_path / "cutout" / "ü" / "1.png") as image:
        assert image.mode == "RGBA"
        stored = np.asarray(image)
    is_object = (mask == 1) | (mask == 254)
    np.testing.assert_array_equal(stored[..., 3], np.where(is_object, 255, 0))
    np.testing.assert_array_equal(stored[..., :3], np.where(is_object[..., None], before, 0))
    np.testing.assert_array_equal(frame, before)


def test_write_cutout__no_object_left(tmp_path: Path) -> None:
    write_cutout(tmp_path / "1.png", np.ones((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint8))
    with Image.open(tmp_path / "1.png") as image:
        assert not np.asarray(image).any()


def test_write_cutout__sizes_differ(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="4×4 pixels, its mask 5×4"):
        write_cutout(tmp_path / "1.png", np.ones((4, 4, 3), np.uint8), np.zeros((4, 5), np.uint8))
