from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.errors import InputError
from sfc_cli.evaluation import evaluate_folder, evaluate_youtube_vos, region_similarity


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
    assert "Not in the truth, and not scored: t_7." in evaluate_folder(truth, results).warnings


def test_evaluate_folder__bad_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nowhere is missing"):
        evaluate_folder(tmp_path / "nowhere", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No sequences in"):
        evaluate_folder(tmp_path / "empty", tmp_path)
    truth = fill(tmp_path / "t", 4, (0, 0))
    with pytest.raises(InputError, match="No objects in the masks"):
        evaluate_folder(truth, truth)
    truth, results = fill(tmp_path / "u", 4), fill(tmp_path / "r", 4, (9, 9))
    with pytest.raises(InputError, match=r"frame2\.png is missing"):
        evaluate_folder(truth, results)


def draw_objects(*objects: int) -> np.ndarray:
    mask = np.zeros((20, 30), np.uint8)
    for identity in objects:
        mask[2:8, identity * 6 : identity * 6 + 4] = identity
    return mask


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two videos annotated in every fifth frame; in ``late`` object 3 appears in the third annotation."""
    root = tmp_path / "youtube-vos"
    folder = root / "valid" / "Annotations"
    for t, objects in enumerate([(1,), (1,), (1, 3), (1, 3)]):
        write_mask(folder / "late" / f"{5 * t:05d}.png", draw_objects(*objects))
    for t in range(2):
        write_mask(folder / "plain" / f"{5 * t:05d}.png", draw_objects(2))
    return root


@pytest.fixture
def results(data: Path, tmp_path: Path) -> Path:
    """Results in every frame: right in annotated ones, nonsense between them."""
    folder = tmp_path / "results"
    for path in (data / "valid" / "Annotations").glob("*/*.png"):
        write_mask(folder / path.parent.name / path.name, read_ids(path))
        write_mask(folder / path.parent.name / f"{int(path.stem) + 1:05d}.png", draw_objects())
    return folder


def test_evaluate_youtube_vos__scores_from_the_first_annotated_frame(data: Path, results: Path) -> None:
    # Object 3 where it is not yet: before its first annotated frame nothing counts against it.
    write_mask(results / "late" / "00000.png", draw_objects(1, 3))
    write_mask(results / "late" / "00010.png", draw_objects(1))
    report = evaluate_youtube_vos(data, results)
    assert list(report.per_object) == ["late_1", "late_3", "plain_2"]
    assert {scores.name: scores.frames for scores in report.objects} == {
        "late_1": ("00000", "00005", "00010", "00015"),
        "late_3": ("00010", "00015"),
        "plain_2": ("00000", "00005"),
    }
    assert report["per_object"]["late_3"]["J-Mean"] == 0.5
    assert report["per_object"]["late_1"]["J-Mean"] == 1


def test_evaluate_youtube_vos__annotations_in_the_root(data: Path, results: Path) -> None:
    expected = evaluate_youtube_vos(data, results).to_json()
    assert evaluate_youtube_vos(data / "valid", results, sequences=["late", "plain"]).to_json() == expected


def test_evaluate_youtube_vos__ids_with_gaps_are_kept(data: Path, results: Path) -> None:
    write_mask(results / "plain" / "00005.png", draw_objects(1, 2))
    with pytest.raises(InputError, match="contains id 1, but plain only has object 2"):
        evaluate_youtube_vos(data, results)


def test_evaluate_youtube_vos__missing_video(data: Path, results: Path) -> None:
    shutil.rmtree(results / "late")
    with pytest.raises(InputError, match="No results for sequence late"):
        evaluate_youtube_vos(data, results)
    report = evaluate_youtube_vos(data, results, allow_missing=True)
    assert report.missing == ["late"]
    assert report["per_object"]["late_3"]["J-Mean"] == 0


def test_evaluate_youtube_vos__bad_folders(data: Path, results: Path) -> None:
    with pytest.raises(InputError, match="No annotations in"):
        evaluate_youtube_vos(data, results, split="test")
    with pytest.raises(InputError, match="No sequence gone"):
        evaluate_youtube_vos(data, results, sequences=["gone"])
    write_mask(data / "valid" / "Annotations" / "plain" / "00000.png", draw_objects())
    write_mask(data / "valid" / "Annotations" / "plain" / "00005.png", draw_objects())
    with pytest.raises(InputError, match="No objects in the masks of plain"):
        evaluate_youtube_vos(data, results)
