import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import write_mask
from sfc_cli.errors import InputError
from sfc_cli.inference.first_annotations import find_given_masks

SIZE = (12, 16)


def _mask(*boxes: tuple[int, int]) -> np.ndarray:
    """A mask with a square for each (id, left)."""
    ids = np.zeros(SIZE, np.uint8)
    for identity, left in boxes:
        ids[2:8, left : left + 4] = identity
    return ids


def _write(folder: Path, masks: dict[int, np.ndarray], frames: int = 8) -> tuple[list[Path], list[Path]]:
    paths = []
    for t, ids in masks.items():
        write_mask(folder / f"{t}.png", ids)
        paths.append(folder / f"{t}.png")
    return [folder / f"{t}.jpg" for t in range(frames)], paths


def test_find_given_masks__each_object_from_its_first_annotation(tmp_path: Path) -> None:
    frames, paths = _write(
        tmp_path, {0: _mask((1, 0)), 2: _mask((1, 4), (7, 10)), 5: _mask((7, 0), (3, 8)), 6: _mask((3, 0))}
    )
    given = find_given_masks("a", frames, paths)
    assert list(given.masks) == [0, 2, 5]
    np.testing.assert_array_equal(given.masks[2], _mask((7, 10)))
    np.testing.assert_array_equal(given.masks[5], _mask((3, 8)))
    assert given.paths == (paths[0], paths[1], paths[2])


def test_find_given_masks__frames_before_the_first_object(tmp_path: Path) -> None:
    frames, paths = _write(tmp_path, {0: _mask(), 3: _mask((2, 0))})
    assert list(find_given_masks("a", frames, paths).masks) == [3]


def test_find_given_masks__void_is_no_object(tmp_path: Path) -> None:
    frames, paths = _write(tmp_path, {0: _mask((1, 0)), 4: _mask((1, 0), (255, 8))})
    assert list(find_given_masks("a", frames, paths).masks) == [0]


def test_find_given_masks__no_object_anywhere(tmp_path: Path) -> None:
    frames, paths = _write(tmp_path, {0: _mask(), 4: _mask((255, 8))})
    with pytest.raises(InputError, match="No objects in"):
        find_given_masks("a", frames, paths)


def test_find_given_masks__annotation_of_no_frame(tmp_path: Path) -> None:
    frames, paths = _write(tmp_path, {0: _mask((1, 0)), 9: _mask((2, 0))})
    with pytest.raises(InputError, match="has no frame 9"):
        find_given_masks("a", frames, paths)


def test_find_given_masks__a_number_that_changes_is_no_new_object(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    masks = {t: _mask((1 if t < 3 else 4, t), (2, 10)) for t in range(8)}
    frames, paths = _write(tmp_path, masks)
    with caplog.at_level(logging.WARNING):
        assert list(find_given_masks("a", frames, paths).masks) == [0]
    assert "object 4 lies where object 1 was" in caplog.text
    # Sparse annotations say nothing of the objects that they do not show.
    frames, paths = _write(tmp_path, {t: masks[t] for t in (0, 3)})
    assert list(find_given_masks("a", frames, paths).masks) == [0, 3]


def test_find_given_masks__later_truth_that_is_no_mask(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames, paths = _write(tmp_path, {t: _mask((1, 0)) for t in range(8)})
    Image.new("RGB", SIZE[::-1], (1, 2, 3)).save(paths[5])
    with caplog.at_level(logging.WARNING):
        assert list(find_given_masks("a", frames, paths).masks) == [0]
    assert str(paths[5]) in caplog.text
    # Of a few masks each is given, and none may be passed over.
    with pytest.raises(InputError, match=r"5\.png"):
        find_given_masks("a", frames, [paths[0], paths[5]])
