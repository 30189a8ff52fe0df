from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import write_mask
from sfc_cli.errors import InputError
from sfc_cli.evaluation import evaluate_folder, region_similarity


def draw(left: int, identity: int = 9) -> np.ndarray:
    mask = np.zeros((20, 30), np.uint8)
    mask[5:15, left : left + 10] = identity
    return mask


def fill(folder: Path, left: int, identities: tuple[int, ...] = (9, 9, 200)) -> Path:
    for t, identity in enumerate(identities):
        write_mask(folder / f"frame{t}.png", draw(left + t, identity))
    return folder


def test_evaluate_folder__flat_folders_of_any_ids(tmp_path: Path) -> None:
    truth, results = fill(tmp_path / "truth", 4), fill(tmp_path / "results", 6)
    report = evaluate_folder(truth, results)
    assert list(report.per_object) == ["truth_9", "truth_200"]
    scores = report.objects[0]
    assert scores.frames == ("frame0", "frame1", "frame2")
    expected = region_similarity(draw(4), draw(6))
    assert scores.region == pytest.approx([expected, expected, 1])


def test_evaluate_folder__folders_of_any_depth(tmp_path: Path) -> None:
    for name in ("a/b", "c"):
        fill(tmp_path / "truth" / name, 4)
        fill(tmp_path / "results" / name, 4)
    fill(tmp_path / "truth" / ".hidden", 4)
    report = evaluate_folder(tmp_path / "truth", tmp_path / "results")
    assert list(report.per_object) == ["a/b_9", "a/b_200", "c_9", "c_200"]
    only = evaluate_folder(tmp_path / "truth", tmp_path / "results", sequences=["c"])
    assert list(only.per_object) == ["c_9", "c_200"]


def test_evaluate_folder__binary_masks(tmp_path: Path) -> None:
    truth, results = fill(tmp_path / "t", 4, (255, 255)), fill(tmp_path / "r", 6, (255, 255))
    report = evaluate_folder(truth, results)
    assert list(report.per_object) == ["t_255"]
    assert report["per_object"]["t_255"]["J-Mean"] == pytest.approx(region_similarity(draw(4), draw(6)))
    assert not report.warnings


def test_evaluate_folder__void_beside_other_ids(tmp_path: Path) -> None:
    truth, results = fill(tmp_path / "t", 4, (255, 3)), fill(tmp_path / "r", 4, (0, 3))
    assert list(evaluate_folder(truth, results).per_object) == ["t_3"]


def test_evaluate_folder__unknown_ids_warn(tmp_path: Path) -> None:
    truth, results = fill(tmp_path / "t", 4, (3, 3)), fill(tmp_path / "r", 6, (3, 7))
    assert "The truth does not know, and no score counts: t_7." in evaluate_folder(truth, results).warnings


def test_evaluate_folder__bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is missing"):
        evaluate_folder(tmp_path / "nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No sequence in"):
        evaluate_folder(tmp_path / "empty", tmp_path)
    truth = fill(tmp_path / "t", 4, (0, 0))
    with pytest.raises(InputError, match="hold no object"):
        evaluate_folder(truth, truth)
    truth, results = fill(tmp_path / "u", 4), fill(tmp_path / "r", 4, (9, 9))
    with pytest.raises(InputError, match=r"frame2\.png is missing"):
        evaluate_folder(truth, results)
