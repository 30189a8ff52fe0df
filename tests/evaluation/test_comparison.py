from __future__ import annotations

from dataclasses import replace

import pytest

from sfc_cli.evaluation.comparison import Comparison, known_networks, published_for
from sfc_cli.evaluation.report import GLOBAL_NAMES
from sfc_cli.evaluation.tables import comparison_tables, published_table
from tests.evaluation.test_export import make_report

SETTINGS = {
    "fc": "fine-grained",
    "semantic": "mocov1",
    "top_k": 15,
    "radius": 15.0,
    "temperature": 0.1,
    "context_frames": 20,
    "fusion_weight": 1.75,
    "batchnorm": "released",
}


def test_comparison__differences_per_object_and_sorted() -> None:
    first = make_report()
    better = replace(first.objects[1], region=first.objects[1].region + 0.25)
    second = replace(first, objects=[first.objects[0], better])
    comparison = Comparison(first=second, second=first)
    assert [row.name for row in comparison.objects] == ["bear_2", "bear_1"]
    assert comparison.objects[0].difference == pytest.approx({"J&F-Mean": 0.125, "J-Mean": 0.25, "F-Mean": 0})
    assert comparison.global_difference["J-Mean"] == pytest.approx(0.125)
    content = comparison.to_json()
    assert content["difference"]["per_object"]["bear_1"]["J-Mean"] == 0
    assert content["global"] == first.global_scores
    assert content["difference"]["interval"] is None
    text = comparison_tables(comparison)
    assert "bear_2" in text
    assert "+0.125" in text


def test_published_for__the_row_of_the_networks() -> None:
    report = replace(make_report(), run={"settings": SETTINGS})
    found = published_for(report)
    assert found is not None
    assert found.scores["J&F-Mean"] == 0.713385
    assert found.caveats == ["over 1 sequences and 2 objects, published over 30 and 61"]
    text = published_table(report, found)
    assert "fine-grained + mocov1" in text
    assert f"{report.global_scores['J&F-Mean'] - 0.713385:+.6f}" in text


def test_published_for__names_other_settings() -> None:
    report = replace(make_report(), run={"settings": {**SETTINGS, "top_k": 10}}, split="train")
    found = published_for(report)
    assert found is not None
    assert found.caveats[0] == "top_k is 10, published 15"
    assert "scored on DAVIS-2017 train, published on DAVIS-2017 val" in found.caveats


@pytest.mark.parametrize("fc", ["fine-grained", "crw"])
def test_published_for__a_single_network_has_no_fusion_weight(fc: str) -> None:
    single = {**SETTINGS, "fc": fc, "semantic": None, "top_k": 10, "radius": 12.0, "temperature": 0.05}
    found = published_for(replace(make_report(), run={"settings": single}))
    assert found is not None
    assert len(found.caveats) == 1


@pytest.mark.parametrize(
    "run", [{}, {"settings": None}, {"settings": {"fc": "random18"}}, {"settings": {**SETTINGS, "fc": None}}]
)
def test_published_for__no_row(run: dict[str, object]) -> None:
    assert published_for(replace(make_report(), run=run)) is None


def test_published__rows_are_whole() -> None:
    assert known_networks() == ["fine-grained + mocov1", "fine-grained", "crw"]
    for fc, semantic in (("fine-grained", "mocov1"), ("fine-grained", None), ("crw", None)):
        found = published_for(replace(make_report(), run={"settings": {"fc": fc, "semantic": semantic}}))
        assert found is not None
        assert tuple(found.scores) == GLOBAL_NAMES
        means = (found.scores["J-Mean"] + found.scores["F-Mean"]) / 2
        assert found.scores["J&F-Mean"] == pytest.approx(means, abs=1e-6)
