import cv2
import numpy as np
import pytest

from sfc_cli.data.soft_labels import enlarge_to_mask, shrink_mask


@pytest.fixture
def mask() -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.choice(np.array([0, 3, 9, 255], np.uint8), (9, 11))
    return cv2.resize(coarse, (83, 67), interpolation=cv2.INTER_NEAREST)


def test_shrink_mask__opencv_bilinear_of_one_hot_planes(mask: np.ndarray) -> None:
    objects = np.array([3, 9], np.uint8)
    labels = shrink_mask(mask, objects, 9, 11)
    assert labels.shape == (3, 9, 11)
    assert labels.dtype == np.float32
    ids = np.where(mask == 255, 0, mask)
    one_hot = np.stack([ids == identity for identity in (0, 3, 9)], axis=-1).astype(np.float32)
    expected = cv2.resize(one_hot, (11, 9), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_allclose(labels, expected.transpose(2, 0, 1), rtol=0, atol=1e-6)


def test_shrink_mask__void_counts_as_background(mask: np.ndarray) -> None:
    objects = np.array([3, 9], np.uint8)
    without_void = np.where(mask == 255, 0, mask).astype(np.uint8)
    np.testing.assert_array_equal(
        shrink_mask(mask, objects, 9, 11), shrink_mask(without_void, objects, 9, 11)
    )


def test_shrink_mask__planes_sum_to_one(mask: np.ndarray) -> None:
    labels = shrink_mask(mask, np.array([3, 9], np.uint8), 9, 11)
    np.testing.assert_allclose(labels.sum(0), np.ones((9, 11)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("grid", [(1, 1), (1, 7), (6, 1), (9, 11)])
@pytest.mark.parametrize("ids", [[1], [4, 200], [1, 2, 3, 7, 254]], ids=str)
def test_enlarge_to_mask__argmax_of_all_planes(grid: tuple[int, int], ids: list[int]) -> None:
    rng = np.random.default_rng(len(ids))
    labels = rng.dirichlet(np.ones(1 + len(ids)), grid).astype(np.float32).transpose(2, 0, 1).copy()
    found = enlarge_to_mask(labels, np.array(ids, np.uint8), 67, 83)
    planes = np.stack([cv2.resize(p, (83, 67), interpolation=cv2.INTER_LINEAR) for p in labels])
    np.testing.assert_array_equal(found, np.array([0, *ids], np.uint8)[planes.argmax(0)])
    assert found.dtype == np.uint8


def test_enlarge_to_mask__first_of_equal_labels_wins() -> None:
    labels = np.full((3, 2, 2), 1 / 3, np.float32)
    assert not enlarge_to_mask(labels, np.array([5, 6], np.uint8), 8, 8).any()
    labels[0] = 0
    labels[1:] = 0.5
    assert (enlarge_to_mask(labels, np.array([5, 6], np.uint8), 8, 8) == 5).all()


def test_enlarge_to_mask__leaves_the_labels_alone() -> None:
    # At equal sizes a resize may hand back its input: the running maximum must not be taken in place.
    labels = np.random.default_rng(0).random((3, 4, 5)).astype(np.float32)
    copy = labels.copy()
    enlarge_to_mask(labels, np.array([1, 2], np.uint8), 4, 5)
    np.testing.assert_array_equal(labels, copy)
