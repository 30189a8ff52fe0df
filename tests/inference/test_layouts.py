"""Propagation through the layouts of JHMDB and VIP, scored by their own benchmarks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from sfc_cli.data.jhmdb import read_joints
from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.results import ResultsFolder
from sfc_cli.main import app

FRAMES = 4
SHIFT = 6


def _scene(t: int) -> np.ndarray:
    """One frame of a textured scene that moves to the right."""
    rng = np.random.default_rng(1)
    texture = cv2.resize(rng.integers(0, 256, (12, 20, 3), dtype=np.uint8), (200, 96))
    return np.ascontiguousarray(texture[:, 40 - SHIFT * t : 168 - SHIFT * t])


@pytest.fixture
def jhmdb(tmp_path: Path) -> Path:
    io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    root = tmp_path / "jhmdb"
    (root / "splits").mkdir(parents=True)
    (root / "splits" / "walk_test_split1.txt").write_text("one.avi 2\n")
    positions = np.zeros((2, 15, FRAMES))
    for t in range(FRAMES):
        positions[0, :, t] = np.linspace(30, 90, 15) + SHIFT * t + 1
        positions[1, :, t] = np.linspace(20, 75, 15) + 1
        path = root / "Rename_Images" / "walk" / "one" / f"{t + 1:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), _scene(t))
    folder = root / "joint_positions" / "walk" / "one"
    folder.mkdir(parents=True)
    io.savemat(folder / "joint_positions.mat", {"pos_img": positions})
    return root


@pytest.fixture
def vip(tmp_path: Path) -> Path:
    root = tmp_path / "vip"
    base = root / "VIP_Fine"
    for t in range(FRAMES):
        frame = base / "Images" / "person" / f"{t:012d}.jpg"
        frame.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(frame), _scene(t))
        mask = np.zeros((96, 128), np.uint8)
        mask[20:70, 30 + SHIFT * t : 60 + SHIFT * t] = 4
        mask[70:90, 30 + SHIFT * t : 60 + SHIFT * t] = 8
        write_mask(base / "Annotations" / "Category_ids" / "person" / f"{t:012d}.png", mask)
    return root


def _run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_propagate__jhmdb_joints_follow_the_scene(jhmdb: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run("propagate", "--data", str(jhmdb), "--fc", "random18", "--output", str(out))
    joints = read_joints(ResultsFolder(out).joints("walk/one"))
    assert joints.shape == (FRAMES, 15, 2)
    np.testing.assert_allclose(joints[0, :, 0], np.linspace(30, 90, 15))
    moved = np.nanmedian(joints[-1, :, 0] - joints[0, :, 0])
    assert SHIFT * (FRAMES - 1) / 2 < moved < SHIFT * (FRAMES - 1) * 1.5
    assert json.loads((out / "run.json").read_text())["settings"]["input_size"] == [320, 320]

    scores = tmp_path / "scores.json"
    _run("evaluate", "jhmdb", "--data", str(jhmdb), "--results", str(out), "--json", str(scores))
    assert json.loads(scores.read_text())["global"]["PCK@0.2"] > 0.5


def test_propagate__jhmdb_continues(jhmdb: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    command = ("propagate", "--data", str(jhmdb), "--fc", "random18", "--output", str(out))
    _run(*command)
    file = ResultsFolder(out).joints("walk/one")
    before = file.stat().st_mtime_ns
    _run(*command)
    assert file.stat().st_mtime_ns == before
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    _run(*command)
    assert file.read_bytes() == content


def test_propagate__vip_parts_come_back_at_the_annotations_size(vip: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _run("propagate", "--data", str(vip), "--fc", "random18", "--output", str(out))
    masks = [read_ids(out / "person" / f"{t:012d}.png") for t in range(FRAMES)]
    assert {mask.shape for mask in masks} == {(96, 128)}
    np.testing.assert_array_equal(
        masks[0], read_ids(vip / "VIP_Fine" / "Annotations" / "Category_ids" / "person" / f"{0:012d}.png")
    )
    assert {4, 8} <= set(np.unique(masks[-1]).tolist())
    assert json.loads((out / "run.json").read_text())["settings"]["input_size"] == [560, 560]

    scores = tmp_path / "scores.json"
    _run("evaluate", "vip", "--data", str(vip), "--results", str(out), "--json", str(scores))
    assert json.loads(scores.read_text())["global"]["mIoU"] > 0.5


@pytest.mark.parametrize("extra", [("--overlay", "frames"), ("--cutout",), ("--soft",)])
def test_propagate__jhmdb_has_no_masks_to_show(jhmdb: Path, tmp_path: Path, extra: tuple[str, ...]) -> None:
    out = tmp_path / "out"
    command = ["propagate", "--data", str(jhmdb), "--fc", "random18", "--output", str(out), *extra]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 2, result.output
    assert "joints, not masks" in result.stderr
    assert not out.exists()


def test_propagate__jhmdb_without_frames(jhmdb: Path, tmp_path: Path) -> None:
    for frame in (jhmdb / "Rename_Images" / "walk" / "one").iterdir():
        frame.unlink()
    result = CliRunner().invoke(
        app, ["propagate", "--data", str(jhmdb), "--fc", "random18", "--output", str(tmp_path / "out")]
    )
    assert result.exit_code == 3
    assert "No frames" in result.output
    assert not (tmp_path / "out").exists()


def test_propagate__improved_joints_have_better_features_and_nothing_else(
    jhmdb: Path, tmp_path: Path
) -> None:
    whitened = ("--whitening", "0.02", "--channels", "96", "--shallow-weight", "1")
    published = ("--protocol", "published")
    choices = {"whitened": (*published, *whitened), "improved": (), "published": published}
    joints = {}
    for name, options in choices.items():
        out = tmp_path / name
        _run("propagate", "--data", str(jhmdb), "--fc", "random18", "--output", str(out), *options)
        joints[name] = read_joints(ResultsFolder(out).joints("walk/one"))
    np.testing.assert_array_equal(joints["improved"], joints["whitened"])
    assert not np.array_equal(joints["published"], joints["whitened"])


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("--label-patch", "1"),
        ("--object-reach", "0"),
        ("--edge-refinement", "0"),
        ("--long-memory", "1"),
        ("--size", "96"),
    ],
)
def test_propagate__improved_vip_parts(vip: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    out = tmp_path / "out"
    choice = ("--protocol", "improved", "--context-frames", "2", *options)
    _run("propagate", "--data", str(vip), "--fc", "random18", "--output", str(out), *choice)
    masks = [read_ids(out / "person" / f"{t:012d}.png") for t in range(FRAMES)]
    assert {mask.shape for mask in masks} == {(96, 128)}
    assert {4, 8} <= set(np.unique(masks[-1]).tolist())
