"""Painted masks that share a legend: all of a sequence at once, or one after another."""

from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import palette, write_mask
from sfc_cli.data.painted_masks import PaintedSequence, read_painted_masks
from sfc_cli.errors import InputError
from tests.data.painted_files import COLOURS, blocks, save, save_indexed, scene, with_alpha


def test_read_painted_masks__share_a_legend(tmp_path: Path) -> None:
    first = save(tmp_path / "a.png", COLOURS[blocks(0, 1, 1, 2)])
    second = save(tmp_path / "b.png", COLOURS[blocks(0, 3, 3, 3, 2)])
    masks = read_painted_masks([first, second])
    np.testing.assert_array_equal(masks[0].ids, blocks(0, 1, 1, 2))
    np.testing.assert_array_equal(masks[1].ids, blocks(0, 3, 3, 3, 2))
    assert [mask.path for mask in masks] == [first, second]
    assert masks[1].legend == {2: (0, 255, 0), 3: (0, 0, 255)}


def test_read_painted_masks__palette_only_if_all_are_of_it(tmp_path: Path) -> None:
    first = save(tmp_path / "a.png", palette()[blocks(0, 9, 3, 3)])
    alone = read_painted_masks([first, save(tmp_path / "b.png", palette()[blocks(0, 4)])])
    assert [sorted(mask.legend) for mask in alone] == [[3, 9], [4]]
    mixed = read_painted_masks([first, save(tmp_path / "b.png", COLOURS[blocks(0, 4)])])
    assert [sorted(mask.legend) for mask in mixed] == [[1, 2], [3]]


@pytest.mark.parametrize("first", [0, 1])
def test_read_painted_masks__colours_of_indexed_files_are_known(tmp_path: Path, first: int) -> None:
    table = [(0, 0, 0), (9, 9, 9), (255, 0, 0), (5, 5, 5), (0, 0, 255)]
    indexed = save_indexed(tmp_path / "i.png", blocks(0, 2, 4), table)
    painted = save(tmp_path / "p.png", COLOURS[blocks(0, 2, 2, 1)])
    paths = [painted, indexed] if first else [indexed, painted]
    masks = read_painted_masks(paths)
    # Red is 2 in the indexed file; green is new.
    np.testing.assert_array_equal(masks[1 - first].ids, blocks(0, 5, 5, 2))
    np.testing.assert_array_equal(masks[first].ids, blocks(0, 2, 4))


def test_read_painted_masks__compressed_colours_are_the_same(tmp_path: Path) -> None:
    ids = scene()
    clean = save(tmp_path / "a.png", COLOURS[ids])
    jpeg = save(tmp_path / "b.jpg", COLOURS[np.where(ids == 1, 0, ids)], quality=75)
    masks = read_painted_masks([jpeg, clean])
    assert sorted(masks[0].legend) == [1, 2]
    assert masks[1].legend[3] == (255, 0, 0)
    assert (masks[0].ids[ids == 3] == 2).mean() > 0.95
    assert (masks[1].ids[ids == 3] == 2).all()


def test_read_painted_masks__white_is_the_same_in_all_grey_masks(tmp_path: Path) -> None:
    both = save(tmp_path / "a.png", blocks(0, 100, 255))
    white = save(tmp_path / "b.png", blocks(0, 255))
    with pytest.raises(InputError, match=r"No objects in .*b\.png.*void"):
        read_painted_masks([both, white])
    np.testing.assert_array_equal(read_painted_masks([white])[0].ids, blocks(0, 1))


def test_read_painted_masks__background_of_one_is_that_of_the_other(tmp_path: Path) -> None:
    table = np.array([(255, 255, 255), (255, 0, 0), (0, 0, 255)], np.uint8)
    ids = np.zeros((30, 40), np.uint8)
    ids[5:12, 5:12] = 1
    close = np.full((30, 40), 1, np.uint8)
    close[10:20, 10:20] = 0
    masks = read_painted_masks([save(tmp_path / "a.png", table[ids]), save(tmp_path / "b.png", table[close])])
    np.testing.assert_array_equal(masks[1].ids, close)


def test_read_painted_masks__transparent_object_of_a_known_colour(tmp_path: Path) -> None:
    painted = save(tmp_path / "a.png", COLOURS[blocks(0, 1, 1, 2)])
    shown = blocks(0, 1, 0)
    cut = save(tmp_path / "b.png", with_alpha(COLOURS[shown * 2], shown * 255))
    masks = read_painted_masks([cut, painted])
    np.testing.assert_array_equal(masks[0].ids, shown * 2)


def test_painted_sequence__one_legend_for_all(tmp_path: Path) -> None:
    paths = [
        save(tmp_path / f"{number}.png", COLOURS[ids])
        for number, ids in enumerate([blocks(0, 1, 1, 2), blocks(0, 0), blocks(0, 3, 2)])
    ]
    sequence = PaintedSequence(paths)
    assert sequence.numbered == {1: (255, 0, 0), 2: (0, 255, 0), 3: (0, 0, 255)}
    np.testing.assert_array_equal(sequence.read(2).ids, blocks(0, 3, 2))
    np.testing.assert_array_equal(sequence.read(0).ids, blocks(0, 1, 1, 2))
    # Later in a sequence objects may be gone.
    assert not sequence.read(1).ids.any()
    assert sequence.read(1).legend == {}


def test_painted_sequence__stored_numbers_are_not_given(tmp_path: Path) -> None:
    write_mask(tmp_path / "m.png", blocks(0, 3))
    sequence = PaintedSequence([tmp_path / "m.png"])
    assert sequence.numbered == {}
    np.testing.assert_array_equal(sequence.read(0).ids, blocks(0, 3))


def test_painted_masks__white_background_alone_in_one_of_them(tmp_path: Path) -> None:
    table = np.array([(255, 255, 255), (255, 0, 0)], np.uint8)
    paths = [
        save(tmp_path / f"{number}.png", table[ids])
        for number, ids in enumerate([blocks(0, 1, 0), blocks(0, 0)])
    ]
    assert not PaintedSequence(paths).read(1).ids.any()
