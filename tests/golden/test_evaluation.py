"""The official DAVIS tool's numbers on masks with several objects, at full precision."""

from __future__ import annotations

import json

import pytest

from sfc_cli.evaluation import evaluate_davis
from tests.conftest import Golden

_CLOSENESS = 1e-9


def test_evaluate_davis__equals_the_official_tool(golden: Golden) -> None:
    folder = golden / "evaluation"
    expected = json.loads((folder / "expected.json").read_text())
    report = evaluate_davis(folder / "davis", folder / "results", workers=2)
    assert list(report.global_scores) == list(expected["global"])
    assert report["global"] == pytest.approx(expected["global"], abs=_CLOSENESS, rel=0)
    assert list(report.per_object) == list(expected["per_object"])
    for name, numbers in expected["per_object"].items():
        assert report["per_object"][name] == pytest.approx(numbers, abs=_CLOSENESS, rel=0), name
