from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.jhmdb import JOINT_NAMES, JhmdbDataset, read_joints, write_joints
from sfc_cli.data.results import ResultsFolder
from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation import evaluate_jhmdb
from sfc_cli.evaluation.joint_benchmark import joint_distances

VIDEOS = ("walk/one", "walk/two", "wave/three")
# A person in a box of 30 by 40 pixels: 0.6 of its diagonal of 50 is 30 pixels.
PERSON = np.stack([np.linspace(10, 40, 15), np.linspace(20, 60, 15)], axis=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Three test videos and a training one in the JHMDB layout; joints are stored counted from 1."""
    io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    root = tmp_path / "jhmdb"
    (root / "splits").mkdir(parents=True)
    (root / "splits" / "walk_test_split1.txt").write_text("one.avi 2\ntrain.avi 1\ntwo.avi 2\n")
    (root / "splits" / "wave_test_split1.txt").write_text("three.avi 2\n")
    for name in VIDEOS:
        folder = root / "joint_positions" / name
        folder.mkdir(parents=True)
        positions = np.repeat(PERSON.T[:, :, None] + 1, 4, axis=2)  # [2, 15, T]
        io.savemat(folder / "joint_positions.mat", {"pos_img": positions})
    return root


@pytest.fixture
def results(tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for name in VIDEOS:
        write_joints(ResultsFolder(folder).joints(name), np.repeat(PERSON[None], 4, axis=0))
    return folder


def change(results: Path, name: str, t: int, joint: int, by: float) -> None:
    joints = read_joints(ResultsFolder(results).joints(name))
    joints[t, joint, 0] += by
    write_joints(ResultsFolder(results).joints(name), joints)


def test_evaluate_jhmdb__all_right(data: Path, results: Path) -> None:
    rates = evaluate_jhmdb(data, results)
    assert rates["global"] == {f"PCK@0.{tenth}": 1 for tenth in range(1, 6)}
    assert list(rates["per_joint"]) == list(JOINT_NAMES)
    assert (rates.sequences, rates.frames, list(rates.warnings)) == (3, 9, [])


def test_evaluate_jhmdb__thresholds_are_shares_of_the_person(data: Path, results: Path) -> None:
    change(results, "walk/one", 1, 3, 3.1)
    change(results, "walk/two", 2, 3, 6.1)
    change(results, "walk/two", 3, 3, -2.9)
    rates = evaluate_jhmdb(data, results)
    found = rates["per_joint"]["right shoulder"]
    assert (found["PCK@0.1"], found["PCK@0.2"]) == pytest.approx((7 / 9, 8 / 9))
    assert found["PCK@0.5"] >= found["PCK@0.2"]
    assert rates["global"]["PCK@0.1"] == pytest.approx((14 + 7 / 9) / 15)


def test_evaluate_jhmdb__the_given_frame_does_not_count(data: Path, results: Path) -> None:
    change(results, "walk/one", 0, 3, 99)
    assert evaluate_jhmdb(data, results)["global"]["PCK@0.1"] == 1


def test_evaluate_jhmdb__lost_joints_do_not_count_and_are_told(data: Path, results: Path) -> None:
    change(results, "walk/one", 1, 3, np.nan)
    change(results, "walk/one", 2, 3, 50)
    rates = evaluate_jhmdb(data, results)
    assert rates["per_joint"]["right shoulder"]["PCK@0.2"] == pytest.approx(7 / 8)
    assert rates.warnings == ["1 of 135 joints were lost and do not count."]


def test_joint_distances__the_box_leaves_lost_joints_out() -> None:
    truth, found = np.repeat(PERSON[None], 2, axis=0), np.repeat(PERSON[None], 2, axis=0)
    found[1, 0] = np.nan
    found[1, 5, 1] += 10
    box = PERSON[1:].max(axis=0) - PERSON[1:].min(axis=0)
    distances = joint_distances(found, truth)
    assert distances.shape == (1, 15)
    assert np.isnan(distances[0, 0])
    assert distances[0, 5] == pytest.approx(10 / (0.6 * np.linalg.norm(box)))


def test_joint_distances__a_person_of_no_size() -> None:
    truth = np.zeros((2, 15, 2))
    found = truth.copy()
    found[1, 1] = 1
    assert joint_distances(found, truth)[0, :3].tolist() == [0, np.inf, 0]


def test_evaluate_jhmdb__chosen_videos(data: Path, results: Path) -> None:
    assert evaluate_jhmdb(data, results, sequences=["wave/three"]).sequences == 1
    with pytest.raises(InputError, match="walk/train"):
        evaluate_jhmdb(data, results, sequences=["walk/train"])


def test_evaluate_jhmdb__bad_input(data: Path, results: Path) -> None:
    with pytest.raises(InputError, match="No lists for split '3'"):
        evaluate_jhmdb(data, results, split="3")
    write_joints(ResultsFolder(results).joints("walk/one"), np.zeros((2, 15, 2)))
    ResultsFolder(results).joints("walk/two").write_text("nonsense")
    ResultsFolder(results).joints("wave/three").unlink()
    with pytest.raises(InputError) as caught:
        evaluate_jhmdb(data, results)
    for told in (
        "one.json has 2 frames, the annotation 4",
        "two.json is not a file of joints",
        "three.json is missing",
    ):
        assert told in str(caught.value)


def test_evaluate_jhmdb__damaged_annotation(data: Path, results: Path) -> None:
    (data / "joint_positions" / "walk" / "one" / "joint_positions.mat").write_bytes(b"x" * 300)
    with pytest.raises(InputError, match=r"joint_positions\.mat cannot be read"):
        evaluate_jhmdb(data, results)


def test_evaluate_jhmdb__needs_scipy(data: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs scipy"):
        evaluate_jhmdb(data, results)


def test_jhmdb_dataset__frames(data: Path) -> None:
    with pytest.raises(InputError, match="No frames in"):
        JhmdbDataset(root=data).frames("walk/one")
    folder = data / "Rename_Images" / "walk" / "one"
    folder.mkdir(parents=True)
    for name in ("00002.png", "00001.png"):
        (folder / name).write_bytes(b"")
    assert [path.name for path in JhmdbDataset(root=data).frames("walk/one")] == ["00001.png", "00002.png"]
