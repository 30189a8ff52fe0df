from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.colours import palette_legend
from sfc_cli.data.masks import palette, stored_palette, write_mask
from sfc_cli.errors import InputError


def test_palette_legend__reads_every_id_back() -> None:
    ids = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(palette_legend().read(palette()[ids], Path("m")), ids)
    swapped = palette()[ids][..., ::-1]
    np.testing.assert_array_equal(palette_legend(swapped=True).read(swapped, Path("m")), ids)


def test_palette_legend__other_spelling_of_192() -> None:
    ids = np.array([[0, 9, 10, 12]], np.uint8)
    colours = np.where(palette() == 192, 191, palette())[ids]
    np.testing.assert_array_equal(palette_legend().read(colours, Path("m")), ids)


def test_palette_legend__own_table_comes_first() -> None:
    table = np.array([(0, 0, 0), (10, 20, 30), (128, 0, 0)], np.uint8)
    ids = np.array([[0, 1, 2]], np.uint8)
    # (128, 0, 0) is 1 in the DAVIS palette, but this file says 2.
    np.testing.assert_array_equal(palette_legend(table).read(table[ids], Path("m")), ids)


def test_legend_read__unknown_colour() -> None:
    colours = palette()[np.zeros((2, 3), np.uint8)].copy()
    colours[1, 2] = (1, 2, 3)
    with pytest.raises(InputError, match=r"some\.png has 1 colours outside the palette.*\(1, 2, 3\)"):
        palette_legend().read(colours, Path("some.png"))


def test_stored_palette__of_indexed_files_only(tmp_path: Path) -> None:
    from PIL import Image

    write_mask(tmp_path / "a.png", np.ones((2, 2), np.uint8))
    table = stored_palette(tmp_path / "a.png")
    assert table is not None
    np.testing.assert_array_equal(table, palette())
    Image.new("L", (2, 2)).save(tmp_path / "grey.png")
    assert stored_palette(tmp_path / "grey.png") is None
