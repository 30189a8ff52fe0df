from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.errors import InputError
from sfc_cli.evaluation import evaluate_youtube_vos


def draw(*objects: int) -> np.ndarray:
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
        write_mask(folder / "late" / f"{5 * t:05d}.png", draw(*objects))
    for t in range(2):
        write_mask(folder / "plain" / f"{5 * t:05d}.png", draw(2))
    return root


@pytest.fixture
def results(data: Path, tmp_path: Path) -> Path:
    """Results in every frame: right in annotated ones, nonsense between them."""
    folder = tmp_path / "results"
    for path in (data / "valid" / "Annotations").glob("*/*.png"):
        write_mask(folder / path.parent.name / path.name, read_ids(path))
        write_mask(folder / path.parent.name / f"{int(path.stem) + 1:05d}.png", draw())
    return folder


def test_evaluate_youtube_vos__scores_from_the_first_annotated_frame(data: Path, results: Path) -> None:
    # Object 3 where it is not yet: before its first annotated frame nothing counts against it.
    write_mask(results / "late" / "00000.png", draw(1, 3))
    write_mask(results / "late" / "00010.png", draw(1))
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
    write_mask(results / "plain" / "00005.png", draw(1, 2))
    with pytest.raises(InputError, match="holds id 1, but plain has the object 2 alone"):
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
    write_mask(data / "valid" / "Annotations" / "plain" / "00000.png", draw())
    write_mask(data / "valid" / "Annotations" / "plain" / "00005.png", draw())
    with pytest.raises(InputError, match="plain hold no object"):
        evaluate_youtube_vos(data, results)
