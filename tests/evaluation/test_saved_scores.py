from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from sfc_cli.errors import InputError
from sfc_cli.evaluation.comparison import Comparison
from sfc_cli.evaluation.export import write_json
from sfc_cli.evaluation.saved_scores import read_saved_scores
from sfc_cli.evaluation.scoring_protocols import MOSE
from sfc_cli.evaluation.tables import comparison_tables
from tests.evaluation.test_export import make_report


def test_read_saved_scores__reads_like_the_report(tmp_path: Path) -> None:
    report = make_report()
    write_json(report, tmp_path / "a.json")
    saved = read_saved_scores(tmp_path / "a.json")
    assert saved.global_scores == report.global_scores
    assert saved.per_object == report.per_object
    assert saved.sequence_count == 1
    assert saved.facts == report.facts
    assert saved.curves["bear_2"].frames == report.objects[1].frames
    assert saved.curves["bear_2"].values["J"].tolist() == report.objects[1].region.tolist()
    comparison = Comparison(first=report, second=saved, label="C")
    assert comparison.caveats == []
    assert set(comparison.global_difference.values()) == {0}
    assert "A - C" in comparison_tables(comparison)


def test_comparison__says_what_was_scored_otherwise(tmp_path: Path) -> None:
    report = make_report()
    other = replace(report, protocol=MOSE, objects=report.objects[:1])
    write_json(other, tmp_path / "a.json")
    caveats = Comparison(first=report, second=read_saved_scores(tmp_path / "a.json")).caveats
    assert "scoring protocol mose" in caveats[0]
    assert "A alone has bear_2" in caveats[1]


def test_read_saved_scores__of_an_earlier_version(tmp_path: Path) -> None:
    report = make_report()
    (tmp_path / "a.json").write_text(json.dumps(report.to_json()))
    saved = read_saved_scores(tmp_path / "a.json")
    assert saved.curves == {}
    assert Comparison(first=report, second=saved).caveats == []


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"global": {}}', '{"global": {"J-Mean": "high"}}', '{"global": 3}', "\x00",
     '{"global": {"J-Mean": 1}, "per_frame": {"a": 1}}'],
)  # fmt: skip
def test_read_saved_scores__other_files(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match="is not a file of scores"):
        read_saved_scores(tmp_path / "a.json")
    with pytest.raises(InputError, match=r"b\.json is missing"):
        read_saved_scores(tmp_path / "b.json")
