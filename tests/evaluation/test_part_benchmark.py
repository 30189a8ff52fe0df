from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.vip import PART_NAMES, VipDataset
from sfc_cli.errors import InputError
from sfc_cli.evaluation import evaluate_vip


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two listed videos and an unlisted one, in VIP_Fine below the folder."""
    root = tmp_path / "vip"
    rng = np.random.default_rng(0)
    for name, frames in (("videos1", 3), ("videos2", 2), ("videos3", 2)):
        for t in range(frames):
            mask = np.kron(rng.integers(0, 5, (4, 6), dtype=np.uint8), np.ones((5, 5), np.uint8))
            write_mask(root / "VIP_Fine" / "Annotations" / "Category_ids" / name / f"{t:012d}.png", mask)
    (root / "lists").mkdir()
    (root / "lists" / "val_videos.txt").write_text("some/where/videos1\nvideos2\n")
    return root


@pytest.fixture
def results(data: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for path in annotations(data).glob("*/*.png"):
        ids = read_ids(path).copy()
        ids[:, :7] = 2
        write_mask(folder / path.parent.name / path.name, ids)
    return folder


def annotations(data: Path) -> Path:
    return data / "VIP_Fine" / "Annotations" / "Category_ids"


def plain_iou(data: Path, results: Path, identity: int, names: tuple[str, ...]) -> float:
    both = either = 0
    for path in (path for name in names for path in annotations(data).glob(f"{name}/*.png")):
        truth, found = (
            read_ids(path) == identity,
            read_ids(results / path.parent.name / path.name) == identity,
        )
        both, either = both + int((truth & found).sum()), either + int((truth | found).sum())
    return both / either


def test_evaluate_vip__iou_over_all_pixels_of_all_videos(data: Path, results: Path) -> None:
    rates = evaluate_vip(data, results, workers=1)
    expected = [plain_iou(data, results, identity, ("videos1", "videos2")) for identity in range(5)]
    for name, value in zip(PART_NAMES, expected, strict=False):
        assert rates["per_class"][name]["mIoU"] == pytest.approx(value)
    # Classes that are nowhere stay out of the mean.
    assert rates["per_class"]["left-shoe"]["mIoU"] is None
    assert rates["global"]["mIoU"] == pytest.approx(np.mean(expected))
    assert (rates.sequences, rates.frames) == (2, 5)


def test_evaluate_vip__ids_beyond_the_classes_in_the_truth_do_not_count(data: Path, results: Path) -> None:
    before = evaluate_vip(data, results)["global"]["mIoU"]
    path = annotations(data) / "videos1" / "000000000000.png"
    ids = read_ids(path).copy()
    ids[0, 10] = 255
    wrong = read_ids(results / "videos1" / path.name).copy()
    assert wrong[0, 10] == ids[1, 10]
    write_mask(path, ids)
    wrong[0, 10] = 19
    write_mask(results / "videos1" / path.name, wrong)
    rates = evaluate_vip(data, results)
    assert rates["per_class"]["left-shoe"]["mIoU"] is None
    assert rates["global"]["mIoU"] == pytest.approx(before, abs=0.01)


def test_evaluate_vip__without_a_list_all_videos(data: Path, results: Path) -> None:
    shutil.rmtree(data / "lists")
    assert evaluate_vip(data / "VIP_Fine", results).sequences == 3
    assert evaluate_vip(data, results, sequences=["videos3"]).frames == 2


def test_evaluate_vip__truth_as_results_warns(data: Path) -> None:
    rates = evaluate_vip(data, annotations(data))
    assert rates["global"]["mIoU"] == 1
    assert [warning.split(":")[0] for warning in rates.warnings] == [
        "Not scored, because the split does not have them",
        "The results equal the truth. Are they the annotations? Check the results' folder.",
    ]


def test_evaluate_vip__bad_input(data: Path, results: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="Cannot find the annotations"):
        evaluate_vip(tmp_path, results)
    with pytest.raises(InputError, match="No video gone"):
        evaluate_vip(data, results, sequences=["gone"])
    write_mask(results / "videos1" / "000000000001.png", np.full((20, 30), 20, np.uint8))
    with pytest.raises(InputError, match="contains id 20, but the classes are 0 to 19"):
        evaluate_vip(data, results)
    shutil.rmtree(results / "videos2")
    with pytest.raises(InputError, match="No results for sequence videos2") as caught:
        evaluate_vip(data, results)
    assert "allow_missing" not in str(caught.value)


def test_vip_dataset__frames(data: Path) -> None:
    with pytest.raises(InputError, match="No frames in"):
        VipDataset(root=data).frames("videos1")
    (data / "VIP_Fine" / "Images" / "videos1").mkdir(parents=True)
    (data / "VIP_Fine" / "Images" / "videos1" / "000000000000.jpg").write_bytes(b"")
    assert len(VipDataset(root=data).frames("videos1")) == 1
