from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.evaluation import Report, evaluate_davis, evaluate_vip
from sfc_cli.evaluation import page_viewer as viewers
from sfc_cli.evaluation.comparison import Comparison
from sfc_cli.evaluation.page import write_rates_page
from sfc_cli.evaluation.page_viewer import joint_dots, mask_data, rates_data, viewer
from sfc_cli.evaluation.report import FrameCurves, JointPlan, Rates


@pytest.fixture
def report(make_davis: Callable[..., Path], tmp_path: Path) -> Report:
    davis = make_davis({"first": 6, "second": 5})
    for path in (davis / "Annotations" / "480p").glob("*/*.png"):
        moved = np.roll(read_ids(path), 2 + int(path.stem), axis=1)
        write_mask(tmp_path / "results" / path.parent.name / path.name, moved)
    return evaluate_davis(davis, tmp_path / "results", workers=1)


def test_mask_data__objects_their_mean_and_every_run(report: Report) -> None:
    truth = evaluate_davis(report.data, report.data / "Annotations" / "480p", workers=1)
    data = mask_data(report, [Comparison(first=report, second=truth)], workers=1)
    assert data["runs"] == ["A", "B"]
    assert data["captions"] == ["truth", "result A", "result B"]
    first = data["sequences"][0]
    assert first["frames"] == ("00001", "00002", "00003", "00004")
    assert [row["name"] for row in first["rows"]] == ["mean of objects", "first_1", "first_2"]
    mean, one, other = (row["runs"][0]["J"] for row in first["rows"])
    assert one == pytest.approx(report.objects[0].region, abs=1e-4)
    assert mean == pytest.approx([(a + b) / 2 for a, b in zip(one, other, strict=True)], abs=1e-4)
    assert first["rows"][0]["runs"][1]["J&F"] == [1, 1, 1, 1]
    assert sorted(first["pictures"]) == [0, 1, 2, 3]
    assert all(len(pictures) == 3 for pictures in first["pictures"].values())


def test_mask_data__frames_that_do_not_count_are_gaps(report: Report) -> None:
    scores = report.objects[0]
    late = FrameCurves(frames=scores.frames[2:], values={"J": scores.region[2:], "F": scores.boundary[2:]})
    row = viewers._row("x", scores.frames, [late, None], viewers._with_both)
    assert row["runs"][0]["J"][:2] == [None, None]
    assert row["runs"][0]["J"][2] is not None
    assert row["runs"][1] == {}


def test_mask_data__few_pictures_of_long_videos(report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(viewers, "MOST_PICTURES", 4)
    data = mask_data(report, [], workers=1)
    # Every fourth frame, and the worst of each object, which is the last: the results drift away.
    assert [sorted(each["pictures"]) for each in data["sequences"]] == [[0, 3], [0, 2]]


def test_viewer__cannot_end_its_script() -> None:
    text = viewer({"sequences": ["</script><b>"]})
    assert text.count("</script>") == 1


def test_rates_data__pictures_of_parts(report: Report, tmp_path: Path) -> None:
    root = tmp_path / "vip"
    (root / "Annotations").mkdir(parents=True)
    (report.data / "Annotations" / "480p").rename(root / "Annotations" / "Category_ids")
    rates = evaluate_vip(root, report.results, workers=1)
    data = rates_data(rates, [], workers=1)
    assert [len(each["pictures"]) for each in data["sequences"]] == [6, 5]
    assert data["measures"] == ["mIoU"]


def test_rates_data__pictures_of_joints(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "1.png"), np.full((60, 80, 3), 90, np.uint8))
    joints = np.array([[[10.0, 20], [np.nan, np.nan], [500, 3]]])
    rates = Rates(
        benchmark="JHMDB split 1", data=tmp_path, results=tmp_path, sequences=1, frames=1,
        global_scores={"PCK@0.1": 0.5}, each="joint", rows={"neck": {"PCK@0.1": 0.5}}, split="1",
        per_sequence={"walk/one": {"PCK@0.1": 0.5}},
        curves={"walk/one": FrameCurves(frames=("1",), values={"PCK@0.1": np.array([np.nan])})},
        joints={"walk/one": JointPlan(frames=(tmp_path / "1.png",), truth=joints, found=joints)},
    )  # fmt: skip
    data = rates_data(rates, [], workers=1)
    assert len(data["sequences"][0]["pictures"][0]) == 2
    assert data["sequences"][0]["rows"][0]["runs"][0]["PCK@0.1"] == [None]
    assert set(np.unique(joint_dots(joints[0], (60, 80)))) == {0, 1}
    write_rates_page(rates, tmp_path / "page.html", workers=1)
    assert "<h2>Per joint</h2>" in (tmp_path / "page.html").read_text()
