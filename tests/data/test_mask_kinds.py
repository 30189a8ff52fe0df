from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.mask_kinds import (
    STORES_IDS,
    colours_on_black,
    has_cut_out_picture,
    judge_mask,
    soft_grey_levels,
    stored_kind_of,
)
from sfc_cli.data.masks import open_image, palette
from sfc_cli.errors import InputError
from tests.data.painted_files import COLOURS, blocks, save, save_indexed, scene, with_alpha


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("P", "indexed"),
        ("L", "grey"),
        ("1", "black-and-white"),
        ("RGB", "colours"),
        ("RGBA", "transparency"),
        ("LA", None),
        ("I;16", None),
    ],
)
def test_stored_kind_of__header_alone(tmp_path: Path, mode: str, kind: str | None) -> None:
    noise = np.random.default_rng(0).integers(0, 2, (60, 60), dtype=np.uint8) * np.uint8(255)
    path = save(tmp_path / "m.png", noise, mode)
    # The pixels end too early, the header is whole.
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InputError):
        open_image(path)
    assert stored_kind_of(path) == kind
    assert (kind in STORES_IDS) == (mode in {"P", "L", "1"})


def test_stored_kind_of__missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png is missing"):
        stored_kind_of(tmp_path / "none.png")
    (tmp_path / "text.png").write_bytes(b"text")
    with pytest.raises(InputError, match=r"text\.png cannot be decoded"):
        stored_kind_of(tmp_path / "text.png")


def _smoothed_palette(path: Path) -> None:
    image = Image.fromarray(cv2.GaussianBlur(COLOURS[scene()], (0, 0), 1))
    image.quantize(200, dither=Image.Dither.NONE).save(path)


@pytest.mark.parametrize(
    ("make", "stored", "shown"),
    [
        pytest.param(lambda path: save(path, blocks(0, 255), "P"), "indexed", "grey", id="palette-of-greys"),
        pytest.param(_smoothed_palette, "indexed", "colours", id="smoothed-palette"),
        pytest.param(
            lambda path: save_indexed(path, blocks(0, 1, 2), [(0, 0, 0)] * 2 + [(9, 0, 0)], transparency=1),
            "indexed",
            "transparency",
            id="transparent-number",
        ),
        pytest.param(lambda path: save(path, blocks(0, 3), "RGB"), "colours", "grey", id="grey-in-rgb"),
        pytest.param(
            lambda path: save(path, COLOURS[blocks(0, 1)], "RGBA"), "transparency", "colours", id="opaque"
        ),
        pytest.param(
            lambda path: save(path, blocks(0, 3), transparency=0), "grey", "transparency", id="grey-hole"
        ),
    ],
)
def test_judge_mask__pixels_show_another_kind_than_the_header(
    tmp_path: Path, make: object, stored: str, shown: str
) -> None:
    path = tmp_path / "m.png"
    make(path)  # type: ignore[operator]
    assert stored_kind_of(path) == stored
    assert judge_mask(path, open_image(path)).kind == shown


@pytest.mark.parametrize(("opacity", "kind"), [(15, "transparency"), (16, "colours")])
def test_judge_mask__faintest_paint(tmp_path: Path, opacity: int, kind: str) -> None:
    shown = blocks(0, 1)
    path = save(
        tmp_path / "m.png", with_alpha(COLOURS[shown], np.where(shown, 255, opacity).astype(np.uint8))
    )
    assert judge_mask(path, open_image(path)).kind == kind


@pytest.mark.parametrize(
    ("name", "options", "lossy"),
    [
        ("m.png", {}, False),
        ("m.jpg", {}, True),
        ("a.webp", {"lossless": True}, False),
        ("b.webp", {"quality": 80}, True),
    ],
)
def test_judge_mask__lossy_compression(
    tmp_path: Path, name: str, options: dict[str, object], lossy: bool
) -> None:
    path = save(tmp_path / name, COLOURS[scene()], **options)
    assert judge_mask(path, open_image(path)).is_lossy == lossy


def test_judge_mask__indexed_has_its_table(tmp_path: Path) -> None:
    path = save_indexed(tmp_path / "m.png", blocks(0, 2), [(0, 0, 0), (1, 2, 3), (200, 0, 0)])
    judged = judge_mask(path, open_image(path))
    assert judged.table is not None
    np.testing.assert_array_equal(judged.values, blocks(0, 2))
    assert judged.table[:3].tolist() == [[0, 0, 0], [1, 2, 3], [200, 0, 0]]


def test_soft_grey_levels__many_levels() -> None:
    levels = np.arange(40, dtype=np.uint8)
    assert soft_grey_levels(levels[None, :33]) == 0
    assert soft_grey_levels(levels[None, :34]) == 33
    # 255 is void, and not one of them.
    assert soft_grey_levels(np.append(levels[:33], np.uint8(255))[None]) == 0


def test_soft_grey_levels__by_area() -> None:
    rim = blocks(0, 255)
    rim[:, 5] = 128
    assert soft_grey_levels(rim) == 0
    assert soft_grey_levels(rim, by_area=True) == 1
    rim[:3, :3] = 128
    assert soft_grey_levels(rim, by_area=True) == 0
    # Without white nothing is smoothed.
    assert soft_grey_levels(np.where(rim == 255, 7, rim), by_area=True) == 0


def test_soft_grey_levels__a_square_over_the_border_is_no_area() -> None:
    values = blocks(0, 255)
    values[:2, :2] = 128
    assert soft_grey_levels(values, by_area=True) == 1


def test_has_cut_out_picture() -> None:
    shown = blocks(0, 1)
    noise = np.random.default_rng(0).integers(0, 256, (*shown.shape, 3), dtype=np.uint8)
    assert has_cut_out_picture(with_alpha(noise, shown * 255))
    assert not has_cut_out_picture(with_alpha(COLOURS[shown], shown * 255))
    # Nothing is cut out of an opaque picture.
    assert not has_cut_out_picture(with_alpha(noise, np.full_like(shown, 255)))


def test_colours_on_black() -> None:
    shown = blocks(0, 1, 2)
    colours = palette()[shown]
    on_white = np.where(shown[..., None] == 0, 255, colours).astype(np.uint8)
    found = colours_on_black(with_alpha(on_white, np.where(shown, 128, 127).astype(np.uint8)))
    assert found is not None
    np.testing.assert_array_equal(found, colours)


def test_colours_on_black__black_objects() -> None:
    shown = blocks(0, 1)
    black = np.zeros((*shown.shape, 3), np.uint8)
    assert colours_on_black(with_alpha(black, shown * 255)) is None
    assert colours_on_black(with_alpha(black, np.full_like(shown, 255))) is not None
