from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfc_cli.evaluation import boundary_accuracy, region_similarity
from sfc_cli.evaluation.measures import bound_in_pixels, boundary_map, dilate, disk, score_frame
from tests.evaluation.plain import plain_boundary, plain_boundary_points, plain_region


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


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> np.ndarray:
    """Draw ids with gaps, 0 and void: empty, full, noise, or rectangles that may touch every border."""
    kind = draw(st.sampled_from(["empty", "full", "noise", "rectangles"]))
    ids = np.zeros((height, width), np.uint8)
    identities = st.sampled_from([1, 2, 4, 9, 255])
    if kind == "full":
        ids[:] = draw(identities)
    elif kind == "noise":
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        ids = rng.choice(np.array([0, 0, 1, 2, 4, 255], np.uint8), (height, width))
    elif kind == "rectangles":
        for _ in range(draw(st.integers(1, 4))):
            top, bottom = sorted(draw(st.tuples(st.integers(0, height), st.integers(0, height))))
            left, right = sorted(draw(st.tuples(st.integers(0, width), st.integers(0, width))))
            ids[top:bottom, left:right] = draw(identities)
    return ids


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    height = draw(st.one_of(st.just(1), st.integers(1, 24)))
    # A width beyond 250 gives a bound of three pixels.
    width = draw(st.one_of(st.just(1), st.integers(1, 24), st.just(260)))
    return draw(masks(height, width)), draw(masks(height, width))


@settings(max_examples=150, deadline=None)
@given(pairs(), st.sampled_from([(1,), (1, 2), (1, 2, 4, 9), (2, 9)]))
def test_score_frame__equals_the_plain_full_frame(
    pair: tuple[np.ndarray, np.ndarray], objects: tuple[int, ...]
) -> None:
    result, truth = pair
    scores = score_frame(result, truth, objects)
    for index, identity in enumerate(objects):
        mine, true = result == identity, truth == identity
        assert scores.region[index] == pytest.approx(plain_region(mine, true), abs=1e-12)
        assert scores.boundary[index] == pytest.approx(plain_boundary(mine, true), abs=1e-12)
        assert scores.predicted[index] == mine.any()
        assert scores.present[index] == true.any()
    assert set(scores.strangers) == set(np.unique(result).tolist()) - {0, 255, *objects}
    assert scores.has_void == (result == 255).any()
    assert scores.equal == np.array_equal(result, truth)


@pytest.mark.parametrize("corner", [(0, 0), (0, 40), (30, 0), (30, 40), (15, 20)])
def test_score_frame__objects_at_every_border(corner: tuple[int, int]) -> None:
    result, truth = np.zeros((40, 52), np.uint8), np.zeros((40, 52), np.uint8)
    top, left = corner
    truth[top : top + 10, left : left + 12] = 3
    result[max(top - 1, 0) : top + 7, left + 2 : left + 12] = 3
    scores = score_frame(result, truth, (3,))
    assert scores.boundary[0] == pytest.approx(plain_boundary(result, truth), abs=1e-12)
    assert scores.region[0] == pytest.approx(plain_region(result, truth), abs=1e-12)


def test_score_frame__does_not_change_its_input() -> None:
    rng = np.random.default_rng(3)
    result, truth = (rng.integers(0, 3, (20, 30), dtype=np.uint8) for _ in range(2))
    result.setflags(write=False)
    truth.setflags(write=False)
    assert score_frame(result, truth, (1, 2)).region.shape == (2,)
