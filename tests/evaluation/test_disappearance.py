from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data.masks import write_mask
from sfc_cli.evaluation import evaluate_folder
from sfc_cli.evaluation.disappearance import BACK, GONE, disappearance
from sfc_cli.evaluation.measures import object_bound_in_pixels, score_frame
from sfc_cli.evaluation.scoring_protocols import ScoringChoice
from tests.evaluation.plain import plain_boundary


def test_disappearance__by_hand() -> None:
    """Shown, gone twice (for two frames and for one), back twice; J and F differ by 0.2."""
    shown = np.array([1, 1, 0, 0, 1, 1, 1, 0, 1], bool)
    region = np.array([1, 1, 1, 0, 0.6, 0.3, 0.3, 1, 0.8])
    found = disappearance(region, region - 0.2, shown)
    assert found == pytest.approx({GONE: (0.4 + 0.9) / 2, BACK: (0.3 + 0.7) / 2})


@pytest.mark.parametrize(
    ("shown", "gone", "back"),
    [
        ([1, 1, 1], np.nan, np.nan),
        ([1, 1, 0], 1, np.nan),
        # Not yet there is not gone, but its coming counts.
        ([0, 0, 1], np.nan, 1),
        ([0, 0, 0], np.nan, np.nan),
    ],
)
def test_disappearance__ends(shown: list[int], gone: float, back: float) -> None:
    ones = np.ones(3)
    found = disappearance(ones, ones, np.array(shown, bool))
    assert found == pytest.approx({GONE: gone, BACK: back}, nan_ok=True)


def test_object_bound_in_pixels__by_hand() -> None:
    # A tenth of the root of 400 is 2; of a large object, 0.008 of the diagonal of 1000 is less.
    assert object_bound_in_pixels(600, 800, 400) == 2
    assert object_bound_in_pixels(600, 800, 401) == 3
    assert object_bound_in_pixels(600, 800, 100_000) == pytest.approx(8)
    assert object_bound_in_pixels(600, 800, 0) == pytest.approx(8)


def test_score_frame__object_bound_and_smoothed_region() -> None:
    truth, result = np.zeros((60, 80), np.uint8), np.zeros((60, 80), np.uint8)
    truth[5:8, 5:9], result[6:9, 5:9] = 1, 1
    scores = score_frame(result, truth, [1], "object", smooths_region=True)
    assert scores.region[0] == pytest.approx((8 + 1) / (16 + 1))
    # 0.8 is less than the one pixel that the object's root allows; then only equal pixels are near.
    assert scores.boundary[0] == pytest.approx(plain_boundary(result, truth, radius=0))


def test_evaluate_folder__mosev2_measures_all_of_it(tmp_path: Path) -> None:
    for t in range(8):
        truth = np.zeros((48, 64), np.uint8)
        if t not in (3, 4):
            cv2.circle(truth, (20 + t, 24), 8, 1, -1)
        result = truth.copy() if t < 5 else np.zeros_like(truth)
        if t == 3:
            result[:4, :4] = 1
        write_mask(tmp_path / "truth" / "a" / f"{t:05d}.png", truth)
        write_mask(tmp_path / "results" / "a" / f"{t:05d}.png", result)
    report = evaluate_folder(
        tmp_path / "truth", tmp_path / "results", scoring=ScoringChoice(scoring_protocol="mosev2")
    )
    scores = report["per_object"]["a_1"]
    area = int((truth == 1).sum())
    # Frames 1 to 6 count; it is gone in 3, where the result has 16 pixels, and in 4, and back, unseen, in 5.
    assert scores[GONE] == pytest.approx(((1 / 17 + 0) / 2 + 1) / 2)
    assert scores[BACK] == pytest.approx(1 / (area + 1) / 2)
    assert report["global"][GONE] == scores[GONE]
    assert "J with 1 added" in report.protocol.described()
