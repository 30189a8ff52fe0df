from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfc_cli.data.colours import palette_spellings
from sfc_cli.data.masks import palette, write_mask
from sfc_cli.data.painted_masks import PaintedMask, read_painted_mask
from sfc_cli.errors import InputError
from tests.data.painted_files import COLOURS, blocks, distance_to_edges, save, save_indexed, scene, with_alpha


def _edge_remark(mask: PaintedMask) -> bool:
    return any("soft edges went to the nearest clean colour" in remark for remark in mask.remarks)


# Indexed files.


def test_read_painted_mask__indexed_ids_are_kept(tmp_path: Path) -> None:
    ids = blocks(0, 3, 17, 254, 255)
    write_mask(tmp_path / "m.png", ids)
    mask = read_painted_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.kind == "indexed"
    assert mask.legend == {n: tuple(map(int, palette()[n])) for n in (3, 17, 254)}
    assert mask.remarks == ()
    assert mask.ids.dtype == np.uint8


def test_read_painted_mask__indexed_with_a_palette_of_its_own(tmp_path: Path) -> None:
    ids = blocks(0, 2, 1)
    path = save_indexed(tmp_path / "m.png", ids, [(9, 9, 9), (200, 0, 0), (0, 200, 0)])
    mask = read_painted_mask(path)
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.legend == {1: (200, 0, 0), 2: (0, 200, 0)}


def test_read_painted_mask__indexed_255_alone_is_void_only_in_the_colour_of_void(tmp_path: Path) -> None:
    ids = blocks(0, 255)
    table = [(0, 0, 0)] * 255 + [(255, 0, 0)]
    mask = read_painted_mask(save_indexed(tmp_path / "red.png", ids, table))
    np.testing.assert_array_equal(mask.ids, ids // 255)
    assert mask.legend == {1: (255, 0, 0)}
    assert any("not void" in remark for remark in mask.remarks)
    write_mask(tmp_path / "void.png", ids)
    with pytest.raises(InputError, match=r"No objects in .*apart from void"):
        read_painted_mask(tmp_path / "void.png")


def test_read_painted_mask__grey_saved_with_a_palette_of_greys(tmp_path: Path) -> None:
    mask = read_painted_mask(save(tmp_path / "m.png", blocks(0, 255), "P"))
    assert Image.open(tmp_path / "m.png").mode == "P"
    np.testing.assert_array_equal(mask.ids, blocks(0, 1))
    assert mask.kind == "grey"


def test_read_painted_mask__indexed_with_a_transparent_background(tmp_path: Path) -> None:
    ids = blocks(0, 2, 3)
    path = save_indexed(
        tmp_path / "m.png", ids, [(0, 0, 0), (1, 1, 1), (250, 0, 0), (0, 0, 250)], transparency=0
    )
    mask = read_painted_mask(path)
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.kind == "indexed"


def test_read_painted_mask__indexed_with_another_transparent_number(tmp_path: Path) -> None:
    path = save_indexed(
        tmp_path / "m.png", blocks(2, 0, 1), [(250, 0, 0), (0, 250, 0), (0, 0, 0)], transparency=2
    )
    mask = read_painted_mask(path)
    np.testing.assert_array_equal(mask.ids, blocks(0, 2, 1))
    assert mask.legend == {1: (0, 250, 0), 2: (250, 0, 0)}


def test_read_painted_mask__indexed_after_smoothing(tmp_path: Path) -> None:
    truth = scene()
    smooth = Image.fromarray(cv2.GaussianBlur(COLOURS[truth], (0, 0), 1)).quantize(
        200, dither=Image.Dither.NONE
    )
    smooth.save(tmp_path / "m.png")
    mask = read_painted_mask(tmp_path / "m.png")
    assert mask.kind == "colours"
    far = distance_to_edges(truth) > 3
    np.testing.assert_array_equal(mask.ids[far], truth[far])
    assert any("not ids" in remark for remark in mask.remarks)


@pytest.mark.parametrize("seed", range(3))
def test_read_painted_mask__many_indexed_ids_are_kept_even_as_noise(tmp_path: Path, seed: int) -> None:
    ids = np.random.default_rng(seed).integers(0, 256, (40, 50), dtype=np.uint8)
    ids[5:20, 5:20] = 7
    write_mask(tmp_path / "m.png", ids)
    np.testing.assert_array_equal(read_painted_mask(tmp_path / "m.png").ids, ids)


# Black and white, grey.


def test_read_painted_mask__black_and_white(tmp_path: Path) -> None:
    mask = read_painted_mask(save(tmp_path / "m.png", blocks(0, 255, 0), "1"))
    np.testing.assert_array_equal(mask.ids, blocks(0, 1, 0))
    assert mask.kind == "black-and-white"
    assert mask.legend == {1: (255, 255, 255)}


@pytest.mark.parametrize("values", [(0, 255), (255,)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_read_painted_mask__white_is_one_object(tmp_path: Path, values: tuple[int, ...], mode: str) -> None:
    mask = read_painted_mask(save(tmp_path / "m.png", blocks(*values), mode))
    np.testing.assert_array_equal(mask.ids, blocks(*values) // 255)
    assert mask.kind == "grey"
    assert mask.legend == {1: (255, 255, 255)}


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_read_painted_mask__small_grey_values_are_ids(tmp_path: Path, mode: str) -> None:
    ids = blocks(0, 1, 4, 255)
    mask = read_painted_mask(save(tmp_path / "m.png", ids, mode))
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.legend == {1: (1, 1, 1), 4: (4, 4, 4)}
    assert any("White (255) is void" in remark for remark in mask.remarks)


def test_read_painted_mask__grey_strokes_between_ids_are_kept(tmp_path: Path) -> None:
    ids = blocks(0, 3, 0, 5)
    ids[:, 6] = 1
    ids[:, 11] = 2
    ids[:, 18] = 4
    np.testing.assert_array_equal(read_painted_mask(save(tmp_path / "m.png", ids)).ids, ids)


def test_read_painted_mask__grey_white_around(tmp_path: Path) -> None:
    mask = 255 - cv2.circle(np.zeros((40, 40), np.uint8), (20, 20), 8, 255, -1)
    read = read_painted_mask(save(tmp_path / "m.png", mask))
    assert any("invert the mask" in remark for remark in read.remarks)


def _save_wide(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values.astype(np.uint16)).save(path)
    return path


def test_read_painted_mask__sixteen_bits(tmp_path: Path) -> None:
    ids = blocks(0, 2, 7)
    np.testing.assert_array_equal(read_painted_mask(_save_wide(tmp_path / "a.png", ids)).ids, ids)
    white = read_painted_mask(_save_wide(tmp_path / "b.png", blocks(0, 1).astype(int) * 65535))
    np.testing.assert_array_equal(white.ids, blocks(0, 1))


# Colours.


def test_read_painted_mask__colours_by_falling_area(tmp_path: Path) -> None:
    painted = COLOURS[blocks(0, 2, 1, 1, 3, 3, 3, 0)]
    mask = read_painted_mask(save(tmp_path / "m.png", painted))
    np.testing.assert_array_equal(mask.ids, blocks(0, 3, 2, 2, 1, 1, 1, 0))
    assert mask.legend == {1: (0, 0, 255), 2: (255, 0, 0), 3: (0, 255, 0)}
    assert mask.kind == "colours"
    assert mask.remarks == ()


def test_read_painted_mask__equal_areas_by_colour(tmp_path: Path) -> None:
    mask = read_painted_mask(save(tmp_path / "m.png", COLOURS[blocks(0, 1, 2, 3)]))
    assert mask.legend == {1: (0, 0, 255), 2: (0, 255, 0), 3: (255, 0, 0)}


@pytest.mark.parametrize("spelling", [0, 1])
def test_read_painted_mask__palette_colours_have_their_ids(tmp_path: Path, spelling: int) -> None:
    ids = blocks(0, 9, 3, 255)
    mask = read_painted_mask(save(tmp_path / "m.png", palette_spellings()[spelling].astype(np.uint8)[ids]))
    np.testing.assert_array_equal(mask.ids, ids)
    assert sorted(mask.legend) == [3, 9]


def test_read_painted_mask__one_foreign_colour_makes_areas_count(tmp_path: Path) -> None:
    painted = palette()[blocks(0, 9, 3, 3)]
    painted[:, -1] = (1, 2, 3)
    mask = read_painted_mask(save(tmp_path / "m.png", painted))
    assert sorted(mask.legend) == [1, 2, 3]


def test_read_painted_mask__background_is_what_surrounds(tmp_path: Path) -> None:
    ids = np.zeros((30, 40), np.uint8)
    ids[5:12, 5:12] = 2
    ids[20:, 20:30] = 1
    table = np.array([(255, 255, 255), (255, 0, 0), (0, 0, 255)], np.uint8)
    mask = read_painted_mask(save(tmp_path / "m.png", table[ids]))
    np.testing.assert_array_equal(mask.ids, ids)
    assert len(mask.remarks) == 1
    assert "background is taken to be (255, 255, 255)" in mask.remarks[0]
    assert "border" in mask.remarks[0]


def test_read_painted_mask__too_many_colours(tmp_path: Path) -> None:
    values = np.arange(300)
    table = np.stack([values % 7 * 30, values // 7 * 5, np.full(300, 90)], axis=1).astype(np.uint8)
    with pytest.raises(InputError, match="299 colours besides the background"):
        read_painted_mask(
            save(tmp_path / "m.png", np.repeat(np.repeat(table.reshape(15, 20, 3), 8, 0), 8, 1))
        )


@settings(max_examples=60, deadline=None)
@given(
    shapes=st.lists(
        st.tuples(
            st.sampled_from(["box", "disc", "line", "dot"]),
            st.integers(1, 6),
            *(st.integers(0, 63) for _ in range(4)),
            st.integers(1, 4),
        ),
        min_size=1,
        max_size=14,
    ),
    grey=st.booleans(),
)
def test_read_painted_mask__flat_masks_come_through_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    shapes: list[tuple[str, int, int, int, int, int, int]],
    grey: bool,
) -> None:
    ids = np.zeros((64, 64), np.uint8)
    for shape, identity, x, y, width, height, thickness in shapes:
        if shape == "box":
            cv2.rectangle(ids, (x, y), (x + width, y + height), identity, -1)
        elif shape == "disc":
            cv2.circle(ids, (x, y), width // 2, identity, -1)
        elif shape == "line":
            cv2.line(ids, (x, y), (width, height), identity, thickness)
        else:
            ids[y, x] = identity
    path = tmp_path_factory.mktemp("flat") / "m.png"
    # Grey levels far apart, so that each could pass for the mixture of two others.
    mask = read_painted_mask(save(path, ids * 40 if grey else COLOURS[ids]))
    shown = np.zeros((256, 3), np.uint8)
    for identity, colour in mask.legend.items():
        shown[identity] = colour
    np.testing.assert_array_equal(shown[mask.ids], np.stack([ids * 40] * 3, 2) if grey else COLOURS[ids])
    assert not _edge_remark(mask)


def test_read_painted_mask__thin_strokes_survive(tmp_path: Path) -> None:
    ids = scene()
    for thickness, colour in ((1, 4), (2, 5), (1, 6)):
        cv2.line(ids, (5, 30 * colour), (230, 25 * colour + 20), colour, thickness)
    mask = read_painted_mask(save(tmp_path / "m.png", COLOURS[ids]))
    shown = np.array([(0, 0, 0), *(mask.legend[n] for n in range(1, 7))], np.uint8)
    np.testing.assert_array_equal(shown[mask.ids], COLOURS[ids])


# Transparency.


def test_read_painted_mask__what_is_not_transparent(tmp_path: Path) -> None:
    shown = blocks(0, 1, 0)
    colours = np.full((*shown.shape, 3), (200, 30, 30), np.uint8)
    mask = read_painted_mask(save(tmp_path / "m.png", with_alpha(colours, shown * 255)))
    np.testing.assert_array_equal(mask.ids, shown)
    assert mask.kind == "transparency"
    assert mask.legend == {1: (200, 30, 30)}
    assert mask.remarks == ()


def test_read_painted_mask__soft_transparency(tmp_path: Path) -> None:
    disc = cv2.circle(np.zeros((80, 80), np.uint8), (40, 40), 25, 255, -1)
    alpha = cv2.GaussianBlur(disc, (0, 0), 2)
    grey = np.full_like(alpha, 90)
    image = Image.merge("LA", (Image.fromarray(grey), Image.fromarray(alpha)))
    image.save(tmp_path / "m.png")
    mask = read_painted_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(mask.ids, (alpha >= 128).astype(np.uint8))
    soft = ((alpha > 0) & (alpha < 255)).sum()
    assert mask.remarks == (f"{soft:,} pixels of soft transparency went to what they are closer to.",)


def test_read_painted_mask__half_transparent_paint_counts(tmp_path: Path) -> None:
    shown = blocks(0, 1, 0)
    colours = np.full((*shown.shape, 3), (200, 30, 30), np.uint8)
    mask = read_painted_mask(save(tmp_path / "m.png", with_alpha(colours, shown * 100)))
    np.testing.assert_array_equal(mask.ids, shown)


def test_read_painted_mask__transparency_with_several_colours(tmp_path: Path) -> None:
    ids = blocks(0, 1, 2)
    alpha = np.where(ids > 0, 255, 0).astype(np.uint8)
    mask = read_painted_mask(save(tmp_path / "m.png", with_alpha(COLOURS[ids], alpha)))
    np.testing.assert_array_equal(mask.ids, blocks(0, 2, 1))
    assert mask.legend == {1: (0, 255, 0), 2: (255, 0, 0)}
    assert mask.remarks == ()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_read_painted_mask__opaque(tmp_path: Path, mode: str) -> None:
    ids = blocks(0, 255) if mode == "LA" else blocks(0, 1, 1, 2)
    mask = read_painted_mask(save(tmp_path / "m.png", ids if mode == "LA" else COLOURS[ids], mode))
    np.testing.assert_array_equal(mask.ids, ids // 255 if mode == "LA" else ids)
    assert mask.kind == ("grey" if mode == "LA" else "colours")


def test_read_painted_mask__everything_transparent(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(InputError, match=r"No objects in .*: every pixel is transparent") as caught:
        read_painted_mask(path)
    assert str(path) in caught.value.message


# What is told and what is refused.


def test_read_painted_mask__strays_are_told_and_kept(tmp_path: Path) -> None:
    ids = blocks(0, 1, 1, 2, side=20)
    ids[7, 3] = 3
    mask = read_painted_mask(save(tmp_path / "m.png", COLOURS[ids]))
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.remarks == ("Object 3, colour (0, 0, 255), has only 1 pixel, at x 3, y 7: is it a slip?",)


def test_read_painted_mask__small_objects_alone_are_no_strays(tmp_path: Path) -> None:
    ids = np.zeros((9, 9), np.uint8)
    ids[4, 4] = 1
    assert read_painted_mask(save(tmp_path / "m.png", COLOURS[ids])).remarks == ()


def test_read_painted_mask__another_size(tmp_path: Path) -> None:
    path = save(tmp_path / "m.png", np.zeros((480, 640), np.uint8))
    with pytest.raises(InputError, match=r"m\.png has 640×480 pixels, but the frames have 854×480") as caught:
        read_painted_mask(path, size=(480, 854))
    assert caught.value.hint
    ids = blocks(0, 1)
    assert read_painted_mask(save(tmp_path / "n.png", COLOURS[ids]), size=ids.shape).ids.shape == ids.shape


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "RGBA"])
def test_read_painted_mask__no_object(tmp_path: Path, mode: str) -> None:
    path = save(tmp_path / "m.png", np.zeros((8, 8), np.uint8), mode)
    with pytest.raises(InputError, match="No objects in") as caught:
        read_painted_mask(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_read_painted_mask__missing_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.png is missing"):
        read_painted_mask(tmp_path / "none.png")
    (tmp_path / "text.png").write_bytes(b"text")
    with pytest.raises(InputError, match="cannot be decoded"):
        read_painted_mask(tmp_path / "text.png")
