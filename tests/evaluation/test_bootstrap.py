from __future__ import annotations

import numpy as np
import pytest

from sfc_cli.evaluation.bootstrap import in_words, interval, interval_of_means


def test_interval_of_means__of_a_known_spread() -> None:
    values = np.random.default_rng(1).normal(0.1, 0.2, 400)
    low, high = interval_of_means({str(number): [value] for number, value in enumerate(values)}) or (0, 0)
    error = values.std() / 20
    assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.2 * error)
    assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.2 * error)


def test_interval_of_means__keeps_the_objects_of_a_sequence_together() -> None:
    """Twenty equal objects in one sequence are no better known than a single one."""
    together = interval_of_means({"a": [0.4] * 20, "b": [0.0] * 20})
    assert together == pytest.approx((0, 0.4))
    alone = interval_of_means({str(number): [0.4 * (number % 2)] for number in range(40)})
    assert alone is not None
    assert alone[1] - alone[0] < 0.2


def test_interval_of_means__equal_runs_and_repeats() -> None:
    differences = {"a": [0.1, -0.2], "b": [0.3], "c": [0.05]}
    assert interval_of_means(differences) == interval_of_means(differences)
    assert interval_of_means({name: [0.0] for name in "abc"}) == (0, 0)
    assert interval_of_means({"a": [1.0]}) is None
    assert "single sequence" in in_words(None)
    assert in_words((-0.1, 0.25)) == "95 % interval -0.1000 to +0.2500"


def test_interval__of_a_ratio_of_sums() -> None:
    parts = np.array([[1, 2], [3, 4], [5, 10]])
    low, high = interval(parts, lambda totals: totals[:, 0] / totals[:, 1]) or (0, 0)
    assert 0.5 <= low < 9 / 16 < high <= 0.75
