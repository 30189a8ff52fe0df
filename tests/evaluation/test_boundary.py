from __future__ import annotations

import cv2
import numpy as np
import pytest

from sfc_cli.evaluation import boundary_accuracy
from sfc_cli.evaluation.boundary import bound_in_pixels, boundary_map, dilate, disk
from tests.evaluation.plain import plain_boundary, plain_boundary_points


def square(size: int, top: int, left: int, side: int) -> np.ndarray:
    mask = np.zeros((size, size), np.uint8)
    mask[top : top + side, left : left + side] = 1
    return mask


def test_boundary_map__compares_right_below_and_diagonally() -> None:
    expected = [[1, 1, 1, 0], [1, 0, 1, 0], [1, 1, 1, 0], [0, 0, 0, 0]]
    assert boundary_map(square(4, 1, 1, 2)).tolist() == expected


def test_boundary_map__last_row_and_column() -> None:
    mask = np.array([[0, 0, 1], [0, 1, 0], [1, 0, 1]], np.uint8)
    assert boundary_map(mask).tolist() == [[1, 1, 1], [1, 1, 1], [1, 1, 0]]
    assert boundary_map(np.array([[1, 0, 0, 1]], np.uint8)).tolist() == [[1, 0, 1, 0]]
    assert boundary_map(np.array([[1], [0]], np.uint8)).tolist() == [[1], [0]]
    assert boundary_map(np.array([[1]], np.uint8)).tolist() == [[0]]


def test_disk__holds_the_points_within_the_radius() -> None:
    assert disk(1).tolist() == [[0, 1, 0], [1, 1, 1], [0, 1, 0]]
    assert disk(5).sum() == sum(x * x + y * y <= 25 for x in range(-5, 6) for y in range(-5, 6))


@pytest.mark.parametrize("radius", [0, 1, 2, 3, 5, 8, 11, 18, 25])
@pytest.mark.parametrize("size", [(1, 1), (1, 50), (7, 9), (40, 60)])
def test_dilate__in_parts_equals_the_whole_disk(radius: int, size: tuple[int, int]) -> None:
    rng = np.random.default_rng(radius)
    for share in (0.005, 0.05):
        edges = (rng.random(size) < share).astype(np.uint8)
        assert np.array_equal(dilate(edges, radius), cv2.dilate(edges, disk(radius)))


@pytest.mark.parametrize(
    ("height", "width", "bound", "expected"),
    [(480, 854, 0.008, 8), (1, 1, 0.008, 1), (1080, 1920, 0.008, 18), (480, 854, 3, 3), (480, 854, 0, 0)],
)
def test_bound_in_pixels__rounds_up(height: int, width: int, bound: float, expected: int) -> None:
    assert bound_in_pixels(height, width, bound) == expected


def test_boundary_accuracy__edge_cases() -> None:
    empty, full, part = np.zeros((9, 9)), np.ones((9, 9)), square(9, 2, 2, 4)
    assert boundary_accuracy(empty, empty) == 1
    assert boundary_accuracy(empty, part) == 0
    assert boundary_accuracy(part, empty) == 0
    assert boundary_accuracy(part, part) == 1
    # A mask that fills the frame has no boundary either.
    assert boundary_accuracy(full, empty) == 1
    assert boundary_accuracy(full, part) == 0


def test_boundary_accuracy__forgives_up_to_the_bound() -> None:
    mask, truth = square(60, 10, 10, 20), square(60, 10, 13, 20)
    assert boundary_accuracy(mask, truth, bound=3) == 1
    assert 0 < boundary_accuracy(mask, truth, bound=2) < 1
    for bound in (0, 1, 2, 4, 7):
        assert boundary_accuracy(mask, truth, bound) == pytest.approx(plain_boundary(mask, truth, bound))


def test_boundary_accuracy__nothing_in_reach_is_zero() -> None:
    assert boundary_accuracy(square(60, 2, 2, 5), square(60, 40, 40, 5)) == 0


def test_boundary_accuracy__void_has_no_boundary() -> None:
    truth, void = square(20, 5, 5, 6), square(20, 5, 5, 6)
    assert boundary_accuracy(np.zeros((20, 20)), truth, void=void) == 1


def test_boundary_accuracy__refuses_bad_input() -> None:
    with pytest.raises(ValueError, match="negative"):
        boundary_accuracy(np.ones((2, 2)), np.ones((2, 2)), bound=-1)
    with pytest.raises(ValueError, match="one shape"):
        boundary_accuracy(np.ones((2, 2)), np.ones((2, 3)))


def test_plain_boundary_points__agrees_with_the_map() -> None:
    mask = np.random.default_rng(1).integers(0, 2, (7, 9), dtype=np.uint8)
    assert plain_boundary_points(mask) == [tuple(point) for point in np.argwhere(boundary_map(mask)).tolist()]
