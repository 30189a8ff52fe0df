from __future__ import annotations

import numpy as np
import pytest

from sfc_cli.evaluation import region_similarity


def test_region_similarity__overlap_over_union() -> None:
    mask, truth = np.zeros((4, 5), bool), np.zeros((4, 5), bool)
    mask[:2, :3], truth[1:3, :3] = True, True
    assert region_similarity(mask, truth) == pytest.approx(3 / 9)


def test_region_similarity__both_empty_is_one() -> None:
    assert region_similarity(np.zeros((3, 3)), np.zeros((3, 3))) == 1


def test_region_similarity__one_empty_is_zero() -> None:
    assert region_similarity(np.zeros((3, 3)), np.ones((3, 3))) == 0
    assert region_similarity(np.ones((3, 3)), np.zeros((3, 3))) == 0


def test_region_similarity__any_number_belongs_to_the_object() -> None:
    assert region_similarity(np.array([[7, 0]]), np.array([[255, 255]])) == 0.5


def test_region_similarity__void_does_not_count() -> None:
    mask, truth, void = np.array([[1, 1, 0, 1]]), np.array([[1, 0, 0, 0]]), np.array([[0, 0, 0, 255]])
    assert region_similarity(mask, truth, void) == 0.5
    assert region_similarity(mask, truth, np.ones((1, 4))) == 1


@pytest.mark.parametrize(
    ("mask", "truth"),
    [(np.ones((2, 3)), np.ones((3, 2))), (np.ones(4), np.ones(4)), (np.ones((1, 2, 2)), np.ones((1, 2, 2)))],
)
def test_region_similarity__refuses_other_shapes(mask: np.ndarray, truth: np.ndarray) -> None:
    with pytest.raises(ValueError, match="one shape"):
        region_similarity(mask, truth)
