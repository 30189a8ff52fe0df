from __future__ import annotations

import numpy as np
import pytest

from sfc_cli.evaluation.report import GLOBAL_NAMES, decay, global_statistics, object_statistics, recall


def test_recall__counts_frames_above_one_half() -> None:
    assert recall(np.array([0.5, 0.51, 1.0, 0.2])) == 0.5


@pytest.mark.parametrize(
    ("frames", "first_end", "last_start"),
    [
        (1, 0, 0),
        (2, 0, 1),
        (3, 1, 2),
        (4, 1, 2),
        (5, 1, 3),
        (9, 2, 6),
        (10, 2, 7),
        (77, 19, 57),
        (300, 75, 224),
    ],
)
def test_decay__first_quarter_less_last(frames: int, first_end: int, last_start: int) -> None:
    curve = np.random.default_rng(frames).random(frames)
    expected = curve[: first_end + 1].mean() - curve[last_start:].mean()
    assert decay(curve) == pytest.approx(expected)


def test_decay__beyond_256_frames_is_not_cut_to_eight_bits() -> None:
    curve = np.r_[np.ones(900), np.zeros(300)]
    assert decay(curve) == pytest.approx(1 - 1 / 301)


def test_object_statistics__six_official_names() -> None:
    numbers = object_statistics(np.array([1.0, 0.0]), np.array([0.6, 0.6]))
    assert numbers == pytest.approx(
        {"J-Mean": 0.5, "J-Recall": 0.5, "J-Decay": 1, "F-Mean": 0.6, "F-Recall": 1, "F-Decay": 0}
    )


def test_global_statistics__means_over_objects() -> None:
    one = object_statistics(np.array([1.0]), np.array([0.5]))
    two = object_statistics(np.array([0.0]), np.array([0.2]))
    scores = global_statistics([one, two])
    assert tuple(scores) == GLOBAL_NAMES
    assert scores["J&F-Mean"] == pytest.approx((0.5 + 0.35) / 2)
    assert scores["J-Recall"] == 0.5
