from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.cutout import write_cutout
from sfc_cli.errors import InputError


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
