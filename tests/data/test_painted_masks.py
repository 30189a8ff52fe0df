from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sfc_cli.data.colours import palette_spellings
from sfc_cli.data.masks import Ids, palette, write_mask
from sfc_cli.data.painted_masks import PaintedMask, PaintedSequence, read_painted_mask, read_painted_masks
from sfc_cli.errors import InputError

# None of the DAVIS palette.
COLOURS = np.array(
    [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)], np.uint8
)


def _blocks(*values: int, side: int = 6) -> Ids:
    """Return a mask with a square block of each value in a row."""
    return np.repeat(np.repeat(np.array([values], np.uint8), side, axis=0), side, axis=1)


def _save(path: Path, values: np.ndarray, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path, **options)  # type: ignore[arg-type]
    return path


def _scene(side: int = 240) -> Ids:
    """Return three objects of falling area that touch each other, 1, 2 and 3."""
    ids = np.zeros((side, side), np.uint8)
    ids[side // 6 : side // 2, side // 6 : side * 5 // 6] = 1
    cv2.circle(ids, (side * 3 // 8, side * 5 // 8), side // 6, 2, -1)
    cv2.ellipse(ids, (side * 2 // 3, side * 3 // 5), (side // 8, side // 6), 20, 0, 360, 3, -1)
    return ids


def _distance_to_edges(ids: Ids) -> np.ndarray:
    square = np.ones((3, 3), np.uint8)
    inside = (cv2.dilate(ids, square) == cv2.erode(ids, square)).astype(np.uint8)
    return cv2.distanceTransform(inside, cv2.DIST_L2, 5)


def _edge_remark(mask: PaintedMask) -> bool:
    return any("soft edges went to the nearest clean colour" in remark for remark in mask.remarks)


# Indexed files.


def test_read_painted_mask__indexed_ids_are_kept(tmp_path: Path) -> None:
    ids = _blocks(0, 3, 17, 254, 255)
    write_mask(tmp_path / "m.png", ids)
    mask = read_painted_mask(tmp_path / "m.png")
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.kind == "indexed"
    assert mask.legend == {n: tuple(map(int, palette()[n])) for n in (3, 17, 254)}
    assert mask.remarks == ()
    assert mask.ids.dtype == np.uint8


def _save_indexed(path: Path, ids: Ids, table: list[tuple[int, int, int]], **options: object) -> Path:
    image = Image.fromarray(ids)
    image.putpalette(np.array(table, np.uint8).tobytes())
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def test_read_painted_mask__indexed_with_a_palette_of_its_own(tmp_path: Path) -> None:
    ids = _blocks(0, 2, 1)
    path = _save_indexed(tmp_path / "m.png", ids, [(9, 9, 9), (200, 0, 0), (0, 200, 0)])
    mask = read_painted_mask(path)
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.legend == {1: (200, 0, 0), 2: (0, 200, 0)}


def test_read_painted_mask__indexed_255_alone_is_void_only_in_the_colour_of_void(tmp_path: Path) -> None:
    ids = _blocks(0, 255)
    table = [(0, 0, 0)] * 255 + [(255, 0, 0)]
    mask = read_painted_mask(_save_indexed(tmp_path / "red.png", ids, table))
    np.testing.assert_array_equal(mask.ids, ids // 255)
    assert mask.legend == {1: (255, 0, 0)}
    assert any("not void" in remark for remark in mask.remarks)
    write_mask(tmp_path / "void.png", ids)
    with pytest.raises(InputError, match=r"No objects in .*apart from void"):
        read_painted_mask(tmp_path / "void.png")


def test_read_painted_mask__grey_saved_with_a_palette_of_greys(tmp_path: Path) -> None:
    mask = read_painted_mask(_save(tmp_path / "m.png", _blocks(0, 255), "P"))
    assert Image.open(tmp_path / "m.png").mode == "P"
    np.testing.assert_array_equal(mask.ids, _blocks(0, 1))
    assert mask.kind == "grey"


def test_read_painted_mask__indexed_with_a_transparent_background(tmp_path: Path) -> None:
    ids = _blocks(0, 2, 3)
    path = _save_indexed(
        tmp_path / "m.png", ids, [(0, 0, 0), (1, 1, 1), (250, 0, 0), (0, 0, 250)], transparency=0
    )
    mask = read_painted_mask(path)
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.kind == "indexed"


def test_read_painted_mask__indexed_with_another_transparent_number(tmp_path: Path) -> None:
    path = _save_indexed(
        tmp_path / "m.png", _blocks(2, 0, 1), [(250, 0, 0), (0, 250, 0), (0, 0, 0)], transparency=2
    )
    mask = read_painted_mask(path)
    np.testing.assert_array_equal(mask.ids, _blocks(0, 1, 1))
    assert mask.kind == "transparency"


def test_read_painted_mask__indexed_after_smoothing(tmp_path: Path) -> None:
    truth = _scene()
    smooth = Image.fromarray(cv2.GaussianBlur(COLOURS[truth], (0, 0), 1)).quantize(
        200, dither=Image.Dither.NONE
    )
    smooth.save(tmp_path / "m.png")
    mask = read_painted_mask(tmp_path / "m.png")
    assert mask.kind == "colours"
    far = _distance_to_edges(truth) > 3
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
    mask = read_painted_mask(_save(tmp_path / "m.png", _blocks(0, 255, 0), "1"))
    np.testing.assert_array_equal(mask.ids, _blocks(0, 1, 0))
    assert mask.kind == "black-and-white"
    assert mask.legend == {1: (255, 255, 255)}


@pytest.mark.parametrize("values", [(0, 255), (255,)])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_read_painted_mask__white_is_one_object(tmp_path: Path, values: tuple[int, ...], mode: str) -> None:
    mask = read_painted_mask(_save(tmp_path / "m.png", _blocks(*values), mode))
    np.testing.assert_array_equal(mask.ids, _blocks(*values) // 255)
    assert mask.kind == "grey"
    assert mask.legend == {1: (255, 255, 255)}


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_read_painted_mask__small_grey_values_are_ids(tmp_path: Path, mode: str) -> None:
    ids = _blocks(0, 1, 4, 255)
    mask = read_painted_mask(_save(tmp_path / "m.png", ids, mode))
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.legend == {1: (1, 1, 1), 4: (4, 4, 4)}
    assert any("White (255) is void" in remark for remark in mask.remarks)


def test_read_painted_mask__grey_strokes_between_ids_are_kept(tmp_path: Path) -> None:
    ids = _blocks(0, 3, 0, 5)
    ids[:, 6] = 1
    ids[:, 11] = 2
    ids[:, 18] = 4
    np.testing.assert_array_equal(read_painted_mask(_save(tmp_path / "m.png", ids)).ids, ids)


def test_read_painted_mask__grey_white_around(tmp_path: Path) -> None:
    mask = 255 - cv2.circle(np.zeros((40, 40), np.uint8), (20, 20), 8, 255, -1)
    read = read_painted_mask(_save(tmp_path / "m.png", mask))
    assert any("invert the mask" in remark for remark in read.remarks)


def _save_wide(path: Path, values: np.ndarray) -> Path:
    Image.fromarray(values.astype(np.uint16)).save(path)
    return path


def test_read_painted_mask__sixteen_bits(tmp_path: Path) -> None:
    ids = _blocks(0, 2, 7)
    np.testing.assert_array_equal(read_painted_mask(_save_wide(tmp_path / "a.png", ids)).ids, ids)
    white = read_painted_mask(_save_wide(tmp_path / "b.png", _blocks(0, 1).astype(int) * 65535))
    np.testing.assert_array_equal(white.ids, _blocks(0, 1))
    with pytest.raises(InputError, match="values from 0 to 300") as caught:
        read_painted_mask(_save_wide(tmp_path / "c.png", _blocks(0, 1).astype(int) * 300))
    assert "8 bits" in caught.value.hint


# Colours.


def test_read_painted_mask__colours_by_falling_area(tmp_path: Path) -> None:
    painted = COLOURS[_blocks(0, 2, 1, 1, 3, 3, 3, 0)]
    mask = read_painted_mask(_save(tmp_path / "m.png", painted))
    np.testing.assert_array_equal(mask.ids, _blocks(0, 3, 2, 2, 1, 1, 1, 0))
    assert mask.legend == {1: (0, 0, 255), 2: (255, 0, 0), 3: (0, 255, 0)}
    assert mask.kind == "colours"
    assert mask.remarks == ()


def test_read_painted_mask__equal_areas_by_colour(tmp_path: Path) -> None:
    mask = read_painted_mask(_save(tmp_path / "m.png", COLOURS[_blocks(0, 1, 2, 3)]))
    assert mask.legend == {1: (0, 0, 255), 2: (0, 255, 0), 3: (255, 0, 0)}


@pytest.mark.parametrize("spelling", [0, 1])
def test_read_painted_mask__palette_colours_have_their_ids(tmp_path: Path, spelling: int) -> None:
    ids = _blocks(0, 9, 3, 255)
    mask = read_painted_mask(_save(tmp_path / "m.png", palette_spellings()[spelling].astype(np.uint8)[ids]))
    np.testing.assert_array_equal(mask.ids, ids)
    assert sorted(mask.legend) == [3, 9]


def test_read_painted_mask__one_foreign_colour_makes_areas_count(tmp_path: Path) -> None:
    painted = palette()[_blocks(0, 9, 3, 3)]
    painted[:, -1] = (1, 2, 3)
    mask = read_painted_mask(_save(tmp_path / "m.png", painted))
    assert sorted(mask.legend) == [1, 2, 3]


def test_read_painted_mask__background_is_what_surrounds(tmp_path: Path) -> None:
    ids = np.zeros((30, 40), np.uint8)
    ids[5:12, 5:12] = 2
    ids[20:, 20:30] = 1
    table = np.array([(255, 255, 255), (255, 0, 0), (0, 0, 255)], np.uint8)
    mask = read_painted_mask(_save(tmp_path / "m.png", table[ids]))
    np.testing.assert_array_equal(mask.ids, ids)
    assert len(mask.remarks) == 1
    assert "background is taken to be (255, 255, 255)" in mask.remarks[0]
    assert "border" in mask.remarks[0]


def test_read_painted_mask__too_many_colours(tmp_path: Path) -> None:
    values = np.arange(300)
    table = np.stack([values % 7 * 30, values // 7 * 5, np.full(300, 90)], axis=1).astype(np.uint8)
    with pytest.raises(InputError, match="299 colours besides the background"):
        read_painted_mask(
            _save(tmp_path / "m.png", np.repeat(np.repeat(table.reshape(15, 20, 3), 8, 0), 8, 1))
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
    mask = read_painted_mask(_save(path, ids * 40 if grey else COLOURS[ids]))
    shown = np.zeros((256, 3), np.uint8)
    for identity, colour in mask.legend.items():
        shown[identity] = colour
    np.testing.assert_array_equal(shown[mask.ids], np.stack([ids * 40] * 3, 2) if grey else COLOURS[ids])
    assert not _edge_remark(mask)


def test_read_painted_mask__thin_strokes_survive(tmp_path: Path) -> None:
    ids = _scene()
    for thickness, colour in ((1, 4), (2, 5), (1, 6)):
        cv2.line(ids, (5, 30 * colour), (230, 25 * colour + 20), colour, thickness)
    mask = read_painted_mask(_save(tmp_path / "m.png", COLOURS[ids]))
    shown = np.array([(0, 0, 0), *(mask.legend[n] for n in range(1, 7))], np.uint8)
    np.testing.assert_array_equal(shown[mask.ids], COLOURS[ids])


# Transparency.


def _with_alpha(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.concatenate([colours, alpha[..., None]], axis=2)


def test_read_painted_mask__what_is_not_transparent(tmp_path: Path) -> None:
    shown = _blocks(0, 1, 0)
    colours = np.full((*shown.shape, 3), (200, 30, 30), np.uint8)
    mask = read_painted_mask(_save(tmp_path / "m.png", _with_alpha(colours, shown * 255)))
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
    shown = _blocks(0, 1, 0)
    colours = np.full((*shown.shape, 3), (200, 30, 30), np.uint8)
    mask = read_painted_mask(_save(tmp_path / "m.png", _with_alpha(colours, shown * 100)))
    np.testing.assert_array_equal(mask.ids, shown)


def test_read_painted_mask__transparency_with_several_colours(tmp_path: Path) -> None:
    ids = _blocks(0, 1, 2)
    alpha = np.where(ids > 0, 255, 0).astype(np.uint8)
    mask = read_painted_mask(_save(tmp_path / "m.png", _with_alpha(COLOURS[ids], alpha)))
    np.testing.assert_array_equal(mask.ids, ids > 0)
    assert len(mask.remarks) == 1
    assert "2 colours" in mask.remarks[0]
    assert "without transparency" in mask.remarks[0]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_read_painted_mask__opaque(tmp_path: Path, mode: str) -> None:
    ids = _blocks(0, 255) if mode == "LA" else _blocks(0, 1, 1, 2)
    mask = read_painted_mask(_save(tmp_path / "m.png", ids if mode == "LA" else COLOURS[ids], mode))
    np.testing.assert_array_equal(mask.ids, ids // 255 if mode == "LA" else ids)
    assert mask.kind == ("grey" if mode == "LA" else "colours")


def test_read_painted_mask__everything_transparent(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.png", np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(InputError, match=r"No objects in .*: every pixel is transparent") as caught:
        read_painted_mask(path)
    assert str(path) in caught.value.message


# Several masks.


def test_read_painted_masks__share_a_legend(tmp_path: Path) -> None:
    first = _save(tmp_path / "a.png", COLOURS[_blocks(0, 1, 1, 2)])
    second = _save(tmp_path / "b.png", COLOURS[_blocks(0, 3, 3, 3, 2)])
    masks = read_painted_masks([first, second])
    np.testing.assert_array_equal(masks[0].ids, _blocks(0, 1, 1, 2))
    np.testing.assert_array_equal(masks[1].ids, _blocks(0, 3, 3, 3, 2))
    assert [mask.path for mask in masks] == [first, second]
    assert masks[1].legend == {2: (0, 255, 0), 3: (0, 0, 255)}


def test_read_painted_masks__palette_only_if_all_are_of_it(tmp_path: Path) -> None:
    first = _save(tmp_path / "a.png", palette()[_blocks(0, 9, 3, 3)])
    alone = read_painted_masks([first, _save(tmp_path / "b.png", palette()[_blocks(0, 4)])])
    assert [sorted(mask.legend) for mask in alone] == [[3, 9], [4]]
    mixed = read_painted_masks([first, _save(tmp_path / "b.png", COLOURS[_blocks(0, 4)])])
    assert [sorted(mask.legend) for mask in mixed] == [[1, 2], [3]]


@pytest.mark.parametrize("first", [0, 1])
def test_read_painted_masks__colours_of_indexed_files_are_known(tmp_path: Path, first: int) -> None:
    table = [(0, 0, 0), (9, 9, 9), (255, 0, 0), (5, 5, 5), (0, 0, 255)]
    indexed = _save_indexed(tmp_path / "i.png", _blocks(0, 2, 4), table)
    painted = _save(tmp_path / "p.png", COLOURS[_blocks(0, 2, 2, 1)])
    paths = [painted, indexed] if first else [indexed, painted]
    masks = read_painted_masks(paths)
    # Red is 2 in the indexed file; green is new.
    np.testing.assert_array_equal(masks[1 - first].ids, _blocks(0, 5, 5, 2))
    np.testing.assert_array_equal(masks[first].ids, _blocks(0, 2, 4))


def test_read_painted_masks__compressed_colours_are_the_same(tmp_path: Path) -> None:
    ids = _scene()
    clean = _save(tmp_path / "a.png", COLOURS[ids])
    jpeg = _save(tmp_path / "b.jpg", COLOURS[np.where(ids == 1, 0, ids)], quality=75)
    masks = read_painted_masks([jpeg, clean])
    assert sorted(masks[0].legend) == [1, 2]
    assert masks[1].legend[3] == (255, 0, 0)
    assert (masks[0].ids[ids == 3] == 2).mean() > 0.95
    assert (masks[1].ids[ids == 3] == 2).all()


def test_read_painted_masks__white_is_the_same_in_all_grey_masks(tmp_path: Path) -> None:
    both = _save(tmp_path / "a.png", _blocks(0, 100, 255))
    white = _save(tmp_path / "b.png", _blocks(0, 255))
    with pytest.raises(InputError, match=r"No objects in .*b\.png.*void"):
        read_painted_masks([both, white])
    np.testing.assert_array_equal(read_painted_masks([white])[0].ids, _blocks(0, 1))


def test_read_painted_masks__background_of_one_is_that_of_the_other(tmp_path: Path) -> None:
    table = np.array([(255, 255, 255), (255, 0, 0), (0, 0, 255)], np.uint8)
    ids = np.zeros((30, 40), np.uint8)
    ids[5:12, 5:12] = 1
    close = np.full((30, 40), 1, np.uint8)
    close[10:20, 10:20] = 0
    masks = read_painted_masks(
        [_save(tmp_path / "a.png", table[ids]), _save(tmp_path / "b.png", table[close])]
    )
    np.testing.assert_array_equal(masks[1].ids, close)


def test_read_painted_masks__transparent_object_of_a_known_colour(tmp_path: Path) -> None:
    painted = _save(tmp_path / "a.png", COLOURS[_blocks(0, 1, 1, 2)])
    shown = _blocks(0, 1, 0)
    cut = _save(tmp_path / "b.png", _with_alpha(COLOURS[shown * 2], shown * 255))
    masks = read_painted_masks([cut, painted])
    np.testing.assert_array_equal(masks[0].ids, shown * 2)


# What is told and what is refused.


def test_read_painted_mask__strays_are_told_and_kept(tmp_path: Path) -> None:
    ids = _blocks(0, 1, 1, 2, side=20)
    ids[7, 3] = 3
    mask = read_painted_mask(_save(tmp_path / "m.png", COLOURS[ids]))
    np.testing.assert_array_equal(mask.ids, ids)
    assert mask.remarks == ("Object 3, colour (0, 0, 255), has only 1 pixel, at x 3, y 7: is it a slip?",)


def test_read_painted_mask__small_objects_alone_are_no_strays(tmp_path: Path) -> None:
    ids = np.zeros((9, 9), np.uint8)
    ids[4, 4] = 1
    assert read_painted_mask(_save(tmp_path / "m.png", COLOURS[ids])).remarks == ()


def test_read_painted_mask__another_size(tmp_path: Path) -> None:
    path = _save(tmp_path / "m.png", np.zeros((480, 640), np.uint8))
    with pytest.raises(InputError, match=r"m\.png has 640×480 pixels, but the frames have 854×480") as caught:
        read_painted_mask(path, size=(480, 854))
    assert caught.value.hint
    ids = _blocks(0, 1)
    assert read_painted_mask(_save(tmp_path / "n.png", COLOURS[ids]), size=ids.shape).ids.shape == ids.shape


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "RGBA"])
def test_read_painted_mask__no_object(tmp_path: Path, mode: str) -> None:
    path = _save(tmp_path / "m.png", np.zeros((8, 8), np.uint8), mode)
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


# Sequences.


def test_painted_sequence__one_legend_for_all(tmp_path: Path) -> None:
    paths = [
        _save(tmp_path / f"{number}.png", COLOURS[ids])
        for number, ids in enumerate([_blocks(0, 1, 1, 2), _blocks(0, 0), _blocks(0, 3, 2)])
    ]
    sequence = PaintedSequence(paths)
    assert sequence.numbered == {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255)}
    np.testing.assert_array_equal(sequence.read(2).ids, _blocks(0, 3, 2))
    np.testing.assert_array_equal(sequence.read(0).ids, _blocks(0, 1, 1, 2))
    # Later in a sequence objects may be gone.
    assert not sequence.read(1).ids.any()
    assert sequence.read(1).legend == {}


def test_painted_sequence__stored_numbers_are_not_given(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", _blocks(0, 3))
    sequence = PaintedSequence([tmp_path / "m.png"])
    assert sequence.numbered == {}
    np.testing.assert_array_equal(sequence.read(0).ids, _blocks(0, 3))


def test_painted_masks__white_background_alone_in_one_of_them(tmp_path: Path) -> None:
    table = np.array([(255, 255, 255), (255, 0, 0)], np.uint8)
    paths = [
        _save(tmp_path / f"{number}.png", table[ids])
        for number, ids in enumerate([_blocks(0, 1, 0), _blocks(0, 0)])
    ]
    assert not PaintedSequence(paths).read(1).ids.any()
