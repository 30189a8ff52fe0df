import numpy as np
import pytest

from sfc_cli.data.edge_refinement import EPSILON, RADIUS, refine_edges


def _plain(plane: np.ndarray, guide: np.ndarray) -> np.ndarray:
    """Filter one plane as the paper writes it, window by window, away from the borders."""
    height, width = plane.shape
    side = 2 * RADIUS + 1
    slopes, offsets = np.zeros((height, width, 3)), np.zeros((height, width))
    inner = range(RADIUS, height - RADIUS), range(RADIUS, width - RADIUS)
    for y in inner[0]:
        for x in inner[1]:
            window = np.s_[y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1]
            colours, labels = guide[window].reshape(-1, 3), plane[window].ravel()
            covariance = np.cov(colours.T, bias=True) + EPSILON * np.eye(3)
            together = (colours * labels[:, None]).mean(0) - colours.mean(0) * labels.mean()
            slopes[y, x] = np.linalg.solve(covariance, together)
            offsets[y, x] = labels.mean() - slopes[y, x] @ colours.mean(0)
    filtered = np.full((height, width), np.nan)
    for y in range(2 * RADIUS, height - 2 * RADIUS):
        for x in range(2 * RADIUS, width - 2 * RADIUS):
            window = np.s_[y - RADIUS : y + RADIUS + 1, x - RADIUS : x + RADIUS + 1]
            filtered[y, x] = slopes[window].reshape(-1, 3).mean(0) @ guide[y, x] + offsets[window].mean()
    assert side == 17
    return filtered


@pytest.mark.parametrize("share", [0.5, 1.0])
def test_refine_edges__as_the_paper_writes_it(share: float) -> None:
    rng = np.random.default_rng(0)
    frame = rng.integers(0, 256, (44, 47, 3), dtype=np.uint8)
    labels = rng.random((2, 44, 47), dtype=np.float32)
    labels /= labels.sum(0)
    found = refine_edges(labels, frame, share)
    for plane, refined in zip(labels, found, strict=True):
        expected = (1 - share) * plane + share * _plain(plane.astype(float), frame / 255)
        inside = np.isfinite(expected)
        assert inside.any()
        np.testing.assert_allclose(refined[inside], expected[inside], atol=2e-4)


def test_refine_edges__labels_move_onto_an_edge() -> None:
    frame = np.zeros((64, 64, 3), np.uint8)
    frame[:, 32:] = (200, 60, 40)
    labels = np.zeros((2, 64, 64), np.float32)
    labels[1, :, 35:] = 1  # three pixels off
    labels[0] = 1 - labels[1]
    refined = refine_edges(labels, frame, 1.0)
    assert refined[1, 20:44, 33].mean() > 0.5
    assert refined[1, 20:44, 30].mean() < 0.1
    np.testing.assert_allclose(refined.sum(0), 1, atol=1e-3)


def test_refine_edges__without_colours_stays_finite_and_sums_up() -> None:
    labels = np.random.default_rng(1).random((3, 40, 50), dtype=np.float32)
    labels /= labels.sum(0)
    refined = refine_edges(labels, np.full((80, 100, 3), 255, np.uint8), 0.5)
    assert refined.shape == labels.shape
    np.testing.assert_allclose(refined.sum(0), 1, atol=1e-3)


def test_refine_edges__stays_in_0_to_1() -> None:
    labels = np.zeros((2, 64, 96), np.float32)
    labels[1, 20:40, 30:60] = 1
    labels[0] = 1 - labels[1]
    frame = (labels[1, ..., None] * 200).astype(np.uint8).repeat(3, 2)
    refined = refine_edges(labels, frame, 0.5)
    assert refined.min() >= 0
    assert refined.max() <= 1


def test_refine_edges__only_around_objects() -> None:
    rng = np.random.default_rng(2)
    frame = rng.integers(0, 256, (200, 240, 3), dtype=np.uint8)
    labels = np.zeros((3, 200, 240), np.float32)
    labels[1, 90:120, 100:130] = rng.random((30, 30), dtype=np.float32)
    labels[2, 100:110, 120:150] = 0.3
    labels[1:] /= np.maximum(labels[1:].sum(0), 1)
    labels[0] = 1 - labels[1:].sum(0)
    whole = labels.copy()
    # Traces too faint to count at all corners make the whole frame be filtered.
    whole[1, ::199, ::239] = 2e-3
    whole[0] = 1 - whole[1:].sum(0)
    expected = refine_edges(whole, frame, 0.5)
    found = refine_edges(labels, frame, 0.5)
    inner = np.s_[:, 40:160, 40:200]
    np.testing.assert_allclose(found[inner], expected[inner], atol=1e-5)
    np.testing.assert_array_equal(found[:, :50], labels[:, :50])
    nothing = np.stack([np.ones((8, 9), np.float32), np.zeros((8, 9), np.float32)])
    np.testing.assert_array_equal(refine_edges(nothing, frame, 0.5), nothing)
