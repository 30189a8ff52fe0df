from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.evaluation import evaluate_davis
from sfc_cli.evaluation.outline_points import outline_points, outlines, simplified
from sfc_cli.evaluation.scoring_protocols import ScoringChoice
from sfc_cli.evaluation.stability import cheapest_path, instability, shape_contexts


def blob(seed: int) -> np.ndarray:
    """Return a smooth shape of the kind that objects have; no two pixels touch at a corner alone."""
    yy, xx = np.mgrid[:90, :120]
    angle = np.arctan2(yy - 45, xx - 60)
    radius = 28 + 6 * np.sin(3 * angle + seed) + 4 * np.cos(2 * angle - seed)
    return (np.hypot(yy - 45, xx - 60) < radius).astype(np.uint8)


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [((0, 1), 0.7711416481948675), ((2, 3), 0.6977355658258887), ((4, 9), 0.9800329847003295)],
)
def test_instability__equals_the_published_tool(seeds: tuple[int, int], expected: float) -> None:
    """What db_eval_t_stab of fperazzi/davis gives, times its five."""
    assert instability(blob(seeds[0]), blob(seeds[1])) == pytest.approx(expected, abs=1e-9)


def test_instability__a_shift_changes_nothing_and_a_change_of_shape_does() -> None:
    mask = blob(1)
    assert instability(mask, mask) == pytest.approx(0, abs=1e-12)
    assert instability(mask, np.roll(mask, 7, axis=1)) == pytest.approx(0, abs=1e-12)
    slightly, much = blob(1), np.zeros_like(mask)
    slightly[40:44, :70] = 0
    much[10:80, 55:65] = 1
    assert 0 < instability(mask, slightly) < instability(mask, much)


def test_instability__no_outline() -> None:
    empty = np.zeros((20, 20), np.uint8)
    assert np.isnan(instability(blob(0), empty))
    assert np.isnan(instability(empty, blob(0)))


def test_outlines__every_side_once() -> None:
    mask = np.zeros((8, 10), np.uint8)
    mask[1:6, 1:7] = 1
    mask[3, 3] = 0
    mask[6, 7] = 1  # touches the corner of the rectangle
    found = outlines(mask)
    assert sorted((len(path) - 1, is_hole) for path, is_hole in found) == [(4, False), (4, True), (22, False)]
    assert all((path[0] == path[-1]).all() for path, _ in found)


def test_simplified__keeps_corners_alone() -> None:
    mask = np.zeros((30, 40), np.uint8)
    mask[5:15, 8:20] = 1
    ((path, _),) = outlines(mask)
    corners = [[10, 16], [30, 16], [30, 40], [10, 40], [10, 16]]
    assert simplified(path).tolist() == corners
    points = outline_points(mask)
    assert np.linalg.norm(np.diff(points, axis=0), axis=1).max() <= 3
    assert {(8, 5), (20, 5), (20, 15), (8, 15)} <= {tuple(point) for point in points.tolist()}


def test_shape_contexts__count_all_points_within_reach() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [50.0, 50.0]])
    counts = shape_contexts(points)
    assert counts.shape == (4, 60)
    assert counts.sum(axis=1).tolist() == [3, 3, 3, 1]


def test_cheapest_path__by_hand() -> None:
    costs = np.array([[9.0, 1, 5], [5, 0, 5], [5, 5, 2]])
    assert cheapest_path(costs).tolist() == [[2, 2], [1, 1], [0, 0]]


def test_evaluate_davis__stability(make_davis: Callable[..., Path], tmp_path: Path) -> None:
    davis = make_davis({"first": 6})
    for path in (davis / "Annotations" / "480p").glob("*/*.png"):
        ids = read_ids(path).copy()
        if int(path.stem) % 2:
            ids[ids == 2] = 0
            cv2.circle(ids, (40, 32), 9, 2, -1)
        write_mask(tmp_path / "r" / path.parent.name / path.name, ids)
    report = evaluate_davis(davis, tmp_path / "r", scoring=ScoringChoice(stability=True), workers=1)
    steady, unsteady = (scores.extras["T-Mean"] for scores in report.objects)
    assert steady == pytest.approx(0, abs=1e-9)
    assert unsteady > 0.1
    assert report["global"]["T-Mean"] == pytest.approx((steady + unsteady) / 2)
