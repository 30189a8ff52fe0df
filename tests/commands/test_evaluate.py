from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from sfc_cli.data.jhmdb import write_joints
from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.results import ResultsFolder
from tests.commands.running import run


def sfc(*arguments: object) -> Result:
    return run("evaluate", *arguments)


@pytest.fixture
def davis(make_davis: Callable[..., Path]) -> Path:
    return make_davis({"first": 6, "second": 5})


@pytest.fixture
def results(davis: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "results" / "davis" / "mine"
    for path in (davis / "Annotations" / "480p").glob("*/*.png"):
        write_mask(folder / path.parent.name / path.name, np.roll(read_ids(path), 2, axis=1))
    return folder


def test_evaluate__prints_the_official_names(davis: Path, results: Path) -> None:
    done = sfc("davis", "--data", davis, "--results", results)
    assert done.exit_code == 0, done.output
    for name in ("J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"):
        assert name in done.stdout
    assert "second_2" in done.stdout
    assert not done.stderr


def test_evaluate__writes_every_file(davis: Path, results: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = sfc(
        "davis", "--data", davis, "--results", results, "--json", out / "scores.json",
        "--csv", out / "tables", "--per-frame", out / "frames.csv", "--workers", 2, "--verbose",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    content = json.loads((out / "scores.json").read_text())
    assert list(content)[:2] == ["global", "per_object"]
    assert list(content["per_object"]) == ["first_1", "first_2", "second_1", "second_2"]
    assert {path.name for path in (out / "tables").iterdir()} == {
        "global_results-val.csv",
        "per-sequence_results-val.csv",
    }
    assert len((out / "frames.csv").read_text().splitlines()) == 1 + 2 * 4 + 2 * 3
    assert "scored 7 frames" in done.stdout


def test_evaluate__takes_the_newest_run(
    davis: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (results / "run.json").write_text("{}")
    monkeypatch.chdir(tmp_path)
    done = sfc("davis", "--data", davis)
    assert done.exit_code == 0, done.output
    assert "results: results/davis/mine (the newest run)" in done.stdout


def test_evaluate__takes_the_newest_run_of_a_data_set_by_name(
    davis: Path, results: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (results / "run.json").write_text("{}")
    results.parent.rename(tmp_path / "results" / "mine")
    (tmp_path / "sfc.yaml").write_text(f"data: {{mine: {davis}}}")
    monkeypatch.chdir(tmp_path)
    done = sfc("davis", "--data", "mine")
    assert done.exit_code == 0, done.output
    assert "results: results/mine/mine (the newest run)" in done.stdout


def test_evaluate__only_the_chosen_sequences(davis: Path, results: Path) -> None:
    shutil.rmtree(results / "first")
    done = sfc("davis", "--data", davis, "--results", results, "--sequences", "second")
    assert done.exit_code == 0, done.output
    assert "first_1" not in done.stdout


def test_evaluate__allow_missing_says_so(davis: Path, results: Path, tmp_path: Path) -> None:
    shutil.rmtree(results / "first")
    refused = sfc("davis", "--data", davis, "--results", results)
    assert refused.exit_code == 3
    assert "with --sequences, or score missing ones as zero with --allow-missing." in refused.stderr
    done = sfc(
        "davis", "--data", davis, "--results", results, "--allow-missing", "--csv", tmp_path / "tables",
        "--json", tmp_path / "scores.json", "--per-frame", tmp_path / "frames.csv",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "scored as zero: first" in done.stdout
    assert json.loads((tmp_path / "scores.json").read_text())["missing"] == ["first"]
    assert "first" in (tmp_path / "tables" / "missing_sequences-val.csv").read_text()
    assert "True" in (tmp_path / "frames.csv").read_text()


def test_evaluate__warns_of_the_truth_as_results(davis: Path) -> None:
    done = sfc("davis", "--data", davis, "--results", davis / "Annotations" / "480p")
    assert done.exit_code == 0
    assert "warning: The results equal the truth" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["davis", "--data", "nowhere"], 3, "nowhere"),
        (["davis", "--results", "nowhere"], 3, "nowhere is missing"),
        (["davis", "--split", "test"], 3, "test.txt is missing"),
        (["davis", "--sequences", "third"], 3, "third"),
        (["davis", "--sequences", ","], 3, "--sequences"),
        (["davis", "--year", "2015"], 2, "--year"),
        (["davis", "--workers", "0"], 2, "--workers"),
        (["davis", "--csv", "/proc/nowhere"], 3, "/proc/nowhere"),
        (["davis", "--json", "/proc/nowhere/scores.json"], 3, "/proc/nowhere"),
        (["davis", "--json", "/"], 3, "is a folder"),
        (["davos"], 2, "davis"),
    ],
)
def test_evaluate__bad_input_is_one_line(
    davis: Path, results: Path, arguments: list[str], code: int, told: str
) -> None:
    given = set(arguments)
    if "--data" not in given:
        arguments = [*arguments, "--data", str(davis)]
    if "--results" not in given:
        arguments = [*arguments, "--results", str(results)]
    done = sfc(*arguments)
    assert done.exit_code == code, done.output
    assert told in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert "Traceback" not in done.output


def test_evaluate__help_is_complete() -> None:
    done = sfc("--help")
    for option in (
        "--data",
        "--results",
        "--split",
        "--sequences",
        "--json",
        "--csv",
        "--year",
        "--task",
        "--workers",
        "--per-frame",
        "--report",
        "--compare",
        "--published",
        "--allow-missing",
        "--verbose",
        "--debug",
    ):
        assert option in done.stdout


def test_evaluate__compares_publishes_and_writes_a_page(davis: Path, results: Path, tmp_path: Path) -> None:
    (results / "run.json").write_text(json.dumps({"settings": {"fc": "fine-grained", "semantic": "mocov1"}}))
    page = tmp_path / "page.html"
    truth = davis / "Annotations" / "480p"
    done = sfc(
        "davis", "--data", davis, "--results", results, "--compare", truth, "--published", "--report", page,
        "--json", tmp_path / "scores.json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "A - B" in done.stdout
    assert "0.713385" in done.stdout
    assert "Not the same experiment: top_k is None, published 15" in done.stdout
    assert f"warning: {truth}: The results equal the truth" in done.stderr
    assert "<h2>Compared" in page.read_text()
    assert json.loads((tmp_path / "scores.json").read_text())["compared"]["global"]["J-Mean"] == 1


def test_evaluate__published_without_a_row(davis: Path, results: Path) -> None:
    done = sfc("davis", "--data", davis, "--results", results, "--published")
    assert done.exit_code == 0, done.output
    assert "no row belongs to this run" in done.stdout


def test_evaluate__unsupervised(davis: Path, results: Path) -> None:
    done = sfc("davis", "--data", davis, "--results", results, "--task", "unsupervised")
    assert done.exit_code == 3
    assert "--annotations Annotations" in done.stderr
    done = sfc(
        "davis",
        "--data",
        davis,
        "--results",
        results,
        "--task",
        "unsupervised",
        "--annotations",
        "Annotations",
    )
    assert done.exit_code == 0, done.output
    assert "Proposal" in done.stdout


def test_evaluate__folder_and_youtube_vos(davis: Path, results: Path) -> None:
    truth = davis / "Annotations" / "480p"
    done = sfc("folder", "--data", truth, "--results", results)
    assert done.exit_code == 0, done.output
    assert "first_2" in done.stdout
    videos = davis / "valid" / "Annotations"
    shutil.copytree(truth, videos)
    done = sfc("youtube-vos", "--data", davis, "--results", results)
    assert done.exit_code == 0, done.output
    assert "YouTube-VOS valid" in done.stdout


def test_evaluate__vip(davis: Path, results: Path, tmp_path: Path) -> None:
    shutil.copytree(davis / "Annotations" / "480p", tmp_path / "vip" / "Annotations" / "Category_ids")
    scores = tmp_path / "scores.json"
    done = sfc("vip", "--data", tmp_path / "vip", "--results", results, "--json", scores, "--verbose")
    assert done.exit_code == 0, done.output
    assert "mIoU" in done.stdout
    assert f"wrote {scores}" in done.stdout
    assert 0 < json.loads(scores.read_text())["global"]["mIoU"] < 1


def test_evaluate__jhmdb(tmp_path: Path) -> None:
    io = pytest.importorskip("scipy.io", reason="SciPy is not installed")
    root = tmp_path / "jhmdb"
    (root / "splits").mkdir(parents=True)
    (root / "splits" / "walk_test_split1.txt").write_text("one.avi 2\n")
    (root / "joint_positions" / "walk" / "one").mkdir(parents=True)
    joints = np.random.default_rng(0).random((3, 15, 2)) * 100
    file = root / "joint_positions" / "walk" / "one" / "joint_positions.mat"
    io.savemat(file, {"pos_img": joints.transpose(2, 1, 0) + 1})
    write_joints(ResultsFolder(tmp_path / "results").joints("walk/one"), joints)
    done = sfc("jhmdb", "--data", root, "--results", tmp_path / "results")
    assert done.exit_code == 0, done.output
    assert "PCK@0.1" in done.stdout
    assert "1.000000" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["vip", "--published"], "--published"),
        (["jhmdb", "--boundary", "2"], "--boundary"),
        (["vip", "--allow-missing"], "--allow-missing"),
        (["folder", "--year", "2016"], "--year"),
        (["folder", "--split", "val"], "--split"),
        (["youtube-vos", "--task", "unsupervised"], "--task"),
        (["davis", "--task", "interactive"], "--task"),
        (["davis", "--task", "unsupervised", "--year", "2016"], "--year 2016"),
    ],
)
def test_evaluate__options_that_do_not_go_together(davis: Path, arguments: list[str], told: str) -> None:
    done = sfc(*arguments, "--data", davis, "--results", davis)
    assert done.exit_code == 2, done.output
    assert told in done.stderr


def test_evaluate__compares_with_runs_and_saved_scores(davis: Path, results: Path, tmp_path: Path) -> None:
    common = ("davis", "--data", davis, "--results")
    truth = davis / "Annotations" / "480p"
    saved, page, latex = (tmp_path / name for name in ("saved.json", "page.html", "tables.tex"))
    assert sfc(*common, truth, "--json", saved).exit_code == 0
    before = saved.read_bytes()
    done = sfc(
        *common, results, "--compare", truth, "--compare", saved, "--report", page, "--latex", latex,
        "--json", tmp_path / "scores.json", "--workers", 1,
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "95 % interval" in done.stdout
    assert "A - B" in done.stdout
    assert "A - C" in done.stdout
    assert [each["label"] for each in json.loads((tmp_path / "scores.json").read_text())["compared"]] == [
        "B",
        "C",
    ]
    assert '"runs":["A","B","C"]' in page.read_text()
    assert "saved.json" in latex.read_text()
    # What is compared is read, and never replaced.
    refused = sfc(*common, results, "--compare", saved, "--json", saved)
    assert refused.exit_code == 2
    assert saved.read_bytes() == before
    broken = sfc(*common, results, "--compare", tmp_path / "tables.tex")
    assert broken.exit_code == 3
    assert "is not a file of scores" in broken.stderr


def test_evaluate__json_says_where_the_scores_come_from(davis: Path, results: Path, tmp_path: Path) -> None:
    (results / "run.json").write_text('{"settings": {"top_k": 10}}')
    shutil.copytree(results / "first", results / "third")
    path = tmp_path / "scores.json"
    assert sfc("davis", "--data", davis, "--results", results, "--json", path).exit_code == 0
    content = json.loads(path.read_text())
    assert content["benchmark"] == "DAVIS-2017"
    assert content["scoring_protocol"]["name"] == "davis-2017"
    assert content["scoring_protocol"]["skip"] == ["first", "last"]
    assert content["split"] == "val"
    assert (content["data"], content["results"]) == (str(davis), str(results))
    assert content["run"] == {"settings": {"top_k": 10}}
    assert content["counted"] == {"sequences": 2, "objects": 4, "frames": 7}
    assert "third" in content["warnings"][0]
    assert content["sfc"]
    assert content["date"]
    assert "protocol" not in content


def test_evaluate__vip_writes_every_output(davis: Path, results: Path, tmp_path: Path) -> None:
    shutil.copytree(davis / "Annotations" / "480p", tmp_path / "vip" / "Annotations" / "Category_ids")
    shutil.copytree(davis / "JPEGImages" / "480p", tmp_path / "vip" / "Images")
    outputs = [tmp_path / name for name in ("s.json", "tables", "frames.csv", "t.tex", "page.html")]
    options = zip(("--json", "--csv", "--per-frame", "--latex", "--report"), outputs, strict=True)
    common = ("vip", "--data", tmp_path / "vip", "--results", results)
    truth = davis / "Annotations" / "480p"
    done = sfc(*common, "--compare", truth, *(each for pair in options for each in pair), "--workers", 1)
    assert done.exit_code == 0, done.output
    assert "mIoU, A - B: -" in done.stdout
    assert {path.name for path in (tmp_path / "tables").iterdir()} == {
        "global_results-val.csv", "per-class_results-val.csv", "per-sequence_results-val.csv",
    }  # fmt: skip
    assert len((tmp_path / "frames.csv").read_text().splitlines()) == 1 + 6 + 5
    assert "torso-skin" in (tmp_path / "page.html").read_text()
    again = sfc(*common, "--compare", tmp_path / "s.json")
    assert "mIoU, A - B: +0.0000 (95 % interval +0.0000 to +0.0000)" in again.stdout
    # All of it may be written again over itself.
    assert sfc(*common, "--json", tmp_path / "s.json", "--csv", tmp_path / "tables").exit_code == 0
