"""The outputs of `sfc evaluate` never replace what it reads."""

from __future__ import annotations

import csv
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from sfc_cli.data.jhmdb import write_joints
from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.results import ResultsFolder
from tests.commands.running import run

MASK_OPTIONS = ("--json", "--csv", "--per-frame", "--report")


def sfc(*arguments: object) -> Result:
    return run("evaluate", *arguments)


def content_of(*folders: Path) -> dict[str, bytes]:
    files = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return {str(path): path.read_bytes() for path in files}


@dataclass(frozen=True)
class Case:
    """A benchmark with its data and two sets of results, and files in each that must stay."""

    name: str
    data: Path
    results: Path
    other: Path
    in_data: Path
    in_results: Path

    def run(self, *arguments: object) -> Any:
        return sfc(self.name, "--data", self.data, "--results", self.results, *arguments)


def make_results(folder: Path, annotations: Path) -> Path:
    """Write everything that a run writes: moved masks, extras, a table and a record."""
    for path in annotations.glob("*/*.png"):
        write_mask(folder / path.parent.name / path.name, np.roll(read_ids(path), 2, axis=1))
        (folder / "overlay" / path.parent.name).mkdir(parents=True, exist_ok=True)
        (folder / "overlay" / path.parent.name / f"{path.stem}.jpg").write_bytes(b"\xff\xd8 a picture")
    (folder / "objects.csv").write_text("sequence,frame,number\n")
    (folder / "run.json").write_text('{"settings": {"top_k": 10}}')
    return folder


@pytest.fixture
def davis(make_davis: Callable[..., Path]) -> Path:
    return make_davis({"first": 6, "second": 5})


@pytest.fixture(params=["davis", "youtube-vos", "folder", "vip"])
def case(request: pytest.FixtureRequest, davis: Path, tmp_path: Path) -> Case:
    annotations, data = davis / "Annotations" / "480p", davis
    if request.param == "youtube-vos":
        data = tmp_path / "youtube-vos"
        annotations = shutil.copytree(annotations, data / "valid" / "Annotations")
    elif request.param == "vip":
        data = tmp_path / "vip"
        annotations = shutil.copytree(annotations, data / "Annotations" / "Category_ids")
    elif request.param == "folder":
        data = annotations
    results, other = (make_results(tmp_path / name, annotations) for name in ("results", "other"))
    return Case(
        name=request.param,
        data=data,
        results=results,
        other=other,
        in_data=annotations / "first" / "00002.png",
        in_results=results / "first" / "00002.png",
    )


def assert_refused(case: Case, *arguments: object) -> None:
    before = content_of(case.data, case.results, case.other)
    done = case.run(*arguments)
    assert done.exit_code == 2, done.output
    assert len(done.stderr.strip().splitlines()) == 1
    assert content_of(case.data, case.results, case.other) == before


def options_of(case: Case) -> tuple[str, ...]:
    return ("--json",) if case.name == "vip" else MASK_OPTIONS


def test_evaluate__outputs_never_replace_truth_or_results(case: Case) -> None:
    files = [case.in_data, case.in_data.with_name("00000.png"), case.in_results]
    files += [case.results / name for name in ("run.json", "objects.csv", "overlay/first/00001.jpg")]
    for option in options_of(case):
        for path in files:
            assert_refused(case, option, path)


def test_evaluate__outputs_never_replace_what_links_and_relative_paths_lead_to(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.json").symlink_to(case.in_results)
    (tmp_path / "linked").symlink_to(case.results)
    for path in (
        "link.json",
        "linked/first/00002.png",
        "results/second/../first/00002.png",
        os.path.relpath(case.in_data, tmp_path),
    ):
        assert_refused(case, "--json", path)


def test_evaluate__outputs_never_replace_files_that_the_folders_link_to(case: Case, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (case.results / "first").rename(elsewhere)
    (case.results / "first").symlink_to(elsewhere)
    # Links back up must not be followed for ever: these two would double the folders at every turn.
    for name in ("up", "again"):
        (case.results / "second" / name).symlink_to(case.results)
    mask = tmp_path / "one.png"
    (case.results / "second" / "00001.png").rename(mask)
    (case.results / "second" / "00001.png").symlink_to(mask)
    for option in options_of(case):
        assert_refused(case, option, elsewhere / "00002.png")
        assert_refused(case, option, mask)
        assert_refused(case, option, case.results / "second" / "00001.png")
    assert (case.results / "second" / "00001.png").is_symlink()


@pytest.mark.parametrize("case", ["davis", "youtube-vos", "folder"], indirect=True)
def test_evaluate__outputs_never_replace_the_compared_results(case: Case) -> None:
    for option in MASK_OPTIONS:
        assert_refused(case, "--compare", case.other, option, case.other / "first" / "00002.png")


def test_evaluate__new_outputs_among_the_results_replace_only_their_own(case: Case) -> None:
    results = case.results
    before = content_of(results)
    outputs: list[object] = ["--json", results / "scores.json"]
    if case.name != "vip":
        outputs += [
            "--csv",
            results,
            "--per-frame",
            results / "frames.csv",
            "--report",
            results / "page.html",
        ]
    for _ in range(2):
        done = case.run(*outputs)
        assert done.exit_code == 0, done.output
    after = content_of(results)
    assert {name: after[name] for name in before} == before
    assert len(after) - len(before) == (1 if case.name == "vip" else 5)
    assert "global" in json.loads((results / "scores.json").read_text())
    # What one evaluation wrote, another one may replace with something else.
    if case.name != "vip":
        done = case.run("--per-frame", results / "scores.json")
        assert done.exit_code == 0, done.output
        assert next(csv.reader((results / "scores.json").open()))[0] == "Sequence"


@pytest.mark.parametrize(
    "options",
    [
        ("--json", "out", "--per-frame", "out"),
        ("--json", "out", "--report", "sub/../out"),
        ("--per-frame", "out", "--report", "linked"),
        ("--json", "out", "--csv", "out"),
        ("--json", "tables/global_results-val.csv", "--csv", "tables"),
    ],
)
def test_evaluate__two_outputs_are_never_the_same_file(
    davis: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]
) -> None:
    make_results(tmp_path / "results", davis / "Annotations" / "480p")
    monkeypatch.chdir(tmp_path)
    Path("linked").symlink_to("out")
    done = sfc("davis", "--data", davis, "--results", "results", *options)
    assert done.exit_code == 2, done.output
    assert "Two outputs would be written to" in done.stderr
    assert not Path("out").exists()


@pytest.mark.parametrize(
    "below", ["new/scores.json", "ImageSets/2017/val.txt", "JPEGImages/480p/first/00001.jpg"]
)
@pytest.mark.parametrize("option", MASK_OPTIONS)
def test_evaluate__refuses_to_write_into_the_data_set(
    davis: Path, tmp_path: Path, option: str, below: str
) -> None:
    results = make_results(tmp_path / "results", davis / "Annotations" / "480p")
    before = content_of(davis)
    (tmp_path / "linked").symlink_to(davis)
    for root in (davis, tmp_path / "linked"):
        done = sfc("davis", "--data", davis, "--results", results, option, root / below)
        assert done.exit_code == 2, done.output
        assert "lies in the data set" in done.stderr
    assert content_of(davis) == before
    assert not (davis / "new").exists()


def test_evaluate__jhmdb_outputs_never_replace_joints(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    root, results = tmp_path / "jhmdb", tmp_path / "results"
    annotation = root / "joint_positions" / "walk" / "one" / "joint_positions.mat"
    annotation.parent.mkdir(parents=True)
    (root / "splits").mkdir()
    (root / "splits" / "walk_test_split1.txt").write_text("one.avi 2\n")
    joints = np.random.default_rng(0).random((3, 15, 2)) * 100
    io.savemat(annotation, {"pos_img": joints.transpose(2, 1, 0) + 1})
    for name in ("walk/one", "walk/unscored"):
        write_joints(ResultsFolder(results).joints(name), joints)
    before = content_of(root, results)
    for path in (
        annotation,
        root / "splits" / "walk_test_split1.txt",
        ResultsFolder(results).joints("walk/one"),
        ResultsFolder(results).joints("walk/unscored"),
    ):
        done = sfc("jhmdb", "--data", root, "--results", results, "--json", path)
        assert done.exit_code == 2, done.output
        assert content_of(root, results) == before
    for _ in range(2):
        done = sfc("jhmdb", "--data", root, "--results", results, "--json", results / "scores.json")
        assert done.exit_code == 0, done.output
