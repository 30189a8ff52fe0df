from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation import Report, evaluate_davis
from sfc_cli.evaluation.report import decay
from sfc_cli.progress import Silent
from tests.evaluation.plain import plain_boundary, plain_region

MakeDavis = Callable[..., Path]


@pytest.fixture
def davis(make_davis: MakeDavis) -> Path:
    return make_davis({"first": 6, "second": 5})


@pytest.fixture
def results(davis: Path, tmp_path: Path) -> Path:
    """Results that are the truth moved by two pixels."""
    folder = tmp_path / "results"
    for path in annotations(davis).glob("*/*.png"):
        write_mask(folder / path.parent.name / path.name, np.roll(read_ids(path), 2, axis=1))
    return folder


def annotations(davis: Path) -> Path:
    return davis / "Annotations" / "480p"


def snapshot(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}


def test_evaluate_davis__equals_the_plain_definition(davis: Path, results: Path) -> None:
    report = evaluate_davis(davis, results)
    assert list(report.per_object) == ["first_1", "first_2", "second_1", "second_2"]
    regions, boundaries = [], []
    for t in range(1, 5):
        truth = read_ids(annotations(davis) / "first" / f"{t:05d}.png") == 2
        mask = read_ids(results / "first" / f"{t:05d}.png") == 2
        regions.append(plain_region(mask, truth))
        boundaries.append(plain_boundary(mask, truth))
    numbers = report["per_object"]["first_2"]
    assert numbers["J-Mean"] == pytest.approx(np.mean(regions))
    assert numbers["F-Mean"] == pytest.approx(np.mean(boundaries))
    assert numbers["J-Decay"] == pytest.approx(decay(np.array(regions)))
    assert report["global"]["J-Mean"] == pytest.approx(
        np.mean([row["J-Mean"] for row in report.per_object.values()])
    )
    assert not report.warnings


def test_evaluate_davis__takes_paths_as_text_and_keywords(davis: Path, results: Path) -> None:
    report = evaluate_davis(data=str(davis), results=str(results), split="val", sequences=["second"])  # type: ignore[arg-type]
    assert list(report.per_object) == ["second_1", "second_2"]


def test_evaluate_davis__processes_change_nothing(davis: Path, results: Path) -> None:
    alone, together = (evaluate_davis(davis, results, workers=workers) for workers in (1, 2))
    assert alone.to_json() == together.to_json()


def test_evaluate_davis__works_in_a_script_without_main_guard(davis: Path, results: Path) -> None:
    script = (
        "from sfc_cli.evaluation import evaluate_davis\n"
        f"print(evaluate_davis({str(davis)!r}, {str(results)!r}, workers=2)['global']['J-Mean'])\n"
    )
    (results.parent / "script.py").write_text(script)
    done = subprocess.run(
        [sys.executable, str(results.parent / "script.py")], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == evaluate_davis(davis, results)["global"]["J-Mean"]


def test_evaluate_davis__never_loads_torch(davis: Path, results: Path) -> None:
    script = (
        "import sys; from sfc_cli.evaluation import evaluate_davis; import sfc_cli.commands.evaluate\n"
        f"evaluate_davis({str(davis)!r}, {str(results)!r}, workers=1)\n"
        "print([name for name in sys.modules if name.split('.')[0] in {'torch', 'torchvision', 'scipy'}])\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.stdout.strip() == "[]", done.stderr


def test_evaluate_davis__first_and_last_frame_do_not_count(davis: Path, results: Path) -> None:
    before = evaluate_davis(davis, results).to_json()
    for name in ("00000.png", "00005.png"):
        (results / "first" / name).unlink()
    assert evaluate_davis(davis, results).to_json() == before


def test_evaluate_davis__objects_are_one_to_the_highest_id(make_davis: MakeDavis) -> None:
    davis = make_davis({"one": 4}, ids=(1, 3))
    report = evaluate_davis(davis, annotations(davis))
    assert list(report.per_object) == ["one_1", "one_2", "one_3"]
    # Object 2 is nowhere, and nowhere found.
    assert report["per_object"]["one_2"]["J-Mean"] == 1


def test_evaluate_davis__fewer_objects_in_the_results_score_as_empty(davis: Path, results: Path) -> None:
    for path in results.glob("first/*.png"):
        ids = read_ids(path)
        write_mask(path, np.where(ids == 2, 0, ids).astype(np.uint8))
    report = evaluate_davis(davis, results)
    assert report["per_object"]["first_2"]["J-Mean"] == 0
    assert report["per_object"]["first_2"]["F-Mean"] == 0
    assert report.warnings == ["Never predicted: first_2."]


def test_evaluate_davis__void_counts_as_background(davis: Path, results: Path) -> None:
    for path in annotations(davis).glob("first/*.png"):
        ids = read_ids(path)
        write_mask(path, np.where(ids == 2, 255, ids).astype(np.uint8))
    for path in results.glob("first/*.png"):
        ids = read_ids(path)
        write_mask(path, np.where(ids == 2, 0, ids).astype(np.uint8))
    assert [name for name in evaluate_davis(davis, results).per_object if "first" in name] == ["first_1"]


def test_evaluate_davis__more_than_255_frames(make_davis: MakeDavis, tmp_path: Path) -> None:
    davis = make_davis({"long": 300}, size=(16, 24), ids=(1,))
    for path in sorted(annotations(davis).glob("long/*.png")):
        ids = np.zeros((16, 24), np.uint8)
        ids[4:12, 4:12] = 1
        write_mask(path, ids)
        if int(path.stem) >= 100:
            ids[:] = 0
        write_mask(tmp_path / "results" / "long" / path.name, ids)
    numbers = evaluate_davis(davis, tmp_path / "results")["per_object"]["long_1"]
    assert numbers["J-Mean"] == pytest.approx(99 / 298)
    assert numbers["J-Decay"] == 1


def test_evaluate_davis__2016_takes_every_pixel_as_one_object(davis: Path, results: Path) -> None:
    for path in results.glob("*/*.png"):
        Image.fromarray((read_ids(path) != 0).astype(np.uint8) * 255).save(path)
    report = evaluate_davis(davis, results, year="2016")
    assert list(report.per_object) == ["first_1", "second_1"]
    truth = read_ids(annotations(davis) / "second" / "00001.png") != 0
    mask = read_ids(results / "second" / "00001.png") != 0
    assert report.objects[1].region[0] == pytest.approx(plain_region(mask, truth))


def test_evaluate_davis__allow_missing_scores_zero_and_says_so(davis: Path, results: Path) -> None:
    shutil.rmtree(results / "second")
    report = evaluate_davis(davis, results, allow_missing=True)
    assert report.missing == ["second"]
    assert report.to_json()["missing"] == ["second"]
    assert set(report["per_object"]["second_1"].values()) == {0.0}
    alone = evaluate_davis(davis, results, sequences=["first"])
    assert report["global"]["J-Mean"] == pytest.approx(alone["global"]["J-Mean"] / 2)


def test_evaluate_davis__truth_as_results_warns(davis: Path) -> None:
    report = evaluate_davis(davis, annotations(davis))
    assert report["global"]["J&F-Mean"] == 1
    assert report.warnings == [
        "The results equal the truth in every sequence. Are they the annotations? Check the results' folder."
    ]


def test_evaluate_davis__empty_results_warn(davis: Path, results: Path) -> None:
    for path in results.glob("second/*.png"):
        write_mask(path, np.zeros_like(read_ids(path)))
    assert evaluate_davis(davis, results).warnings == [
        "The results are empty in sequence second. Check the results' folder."
    ]


def test_evaluate_davis__void_in_the_results_warns(davis: Path, results: Path) -> None:
    path = results / "first" / "00002.png"
    ids = read_ids(path).copy()
    ids[0, 0] = 255
    write_mask(path, ids)
    (warning,) = evaluate_davis(davis, results).warnings
    assert "void (255)" in warning
    assert str(path) in warning


def test_evaluate_davis__writes_nothing(davis: Path, results: Path) -> None:
    before = snapshot(davis) | snapshot(results)
    evaluate_davis(davis, results, workers=2)
    assert snapshot(davis) | snapshot(results) == before


def test_evaluate_davis__reads_the_run(davis: Path, results: Path) -> None:
    (results / "run.json").write_text(json.dumps({"settings": {"top_k": 10}}))
    assert evaluate_davis(davis, results).run == {"settings": {"top_k": 10}}
    (results / "run.json").write_text("not json")
    report = evaluate_davis(davis, results)
    assert report.run == {}
    assert any("run.json cannot be read" in warning for warning in report.warnings)


def test_evaluate_davis__report_reads_like_json(davis: Path, results: Path) -> None:
    report = evaluate_davis(davis, results)
    assert isinstance(report, Report)
    assert json.loads(json.dumps(report.to_json())) == {
        "global": report["global"],
        "per_object": report["per_object"],
    }


class Folders(NamedTuple):
    davis: Path
    results: Path


Break = Callable[[Folders], object]


def _delete(*parts: str) -> Break:
    def act(at: Folders) -> None:
        path = getattr(at, parts[0]).joinpath(*parts[1:])
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()

    return act


def _resize(at: Folders) -> None:
    write_mask(at.results / "first" / "00002.png", np.ones((24, 32), np.uint8))


def _colour(at: Folders) -> None:
    Image.new("RGB", (64, 48)).save(at.results / "first" / "00002.png")


def _page(at: Folders) -> None:
    (at.results / "first" / "00002.png").write_text("<html>not found</html>" * 9)


def _truncate(at: Folders) -> None:
    path = at.results / "first" / "00002.png"
    path.write_bytes(path.read_bytes()[:-60])


def _stranger(at: Folders) -> None:
    path = at.results / "first" / "00002.png"
    ids = read_ids(path).copy()
    ids[3, 3] = 7
    write_mask(path, ids)


def _no_objects(at: Folders) -> None:
    write_mask(annotations(at.davis) / "first" / "00000.png", np.zeros((48, 64), np.uint8))


def _binary_truth(at: Folders) -> None:
    write_mask(annotations(at.davis) / "first" / "00000.png", np.full((48, 64), 255, np.uint8))


def _two_frames(at: Folders) -> None:
    for path in sorted(annotations(at.davis).glob("first/*.png"))[2:]:
        path.unlink()
    shutil.rmtree(at.davis / "JPEGImages")
    shutil.rmtree(at.results / "first")


def _moved_down(at: Folders) -> None:
    (at.results / "run").mkdir()
    for name in ("first", "second"):
        (at.results / name).rename(at.results / "run" / name)


def _raw_masks(at: Folders) -> None:
    for name in ("first", "second"):
        shutil.rmtree(at.results / name)
    (at.results / "0_1_mask.png").write_bytes(b"")


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (_delete("davis"), "Cannot find the data set"),
        (_delete("davis", "ImageSets", "2017", "val.txt"), "val.txt is missing"),
        (_delete("davis", "Annotations", "480p", "first"), "the annotations of sequence first"),
        (_delete("results"), "The results folder"),
        (_delete("results", "first"), "No results for sequence first"),
        (_delete("results", "first", "00002.png"), "first/00002.png is missing"),
        (_resize, "first/00002.png is 32x24 pixels, its annotation 64x48"),
        (_colour, "first/00002.png is an RGB image"),
        (_page, "first/00002.png is not a PNG file"),
        (_truncate, "first/00002.png cannot be decoded"),
        (_stranger, "first/00002.png contains id 7, but first only has objects 1, 2"),
        (_no_objects, "No objects in the first annotation"),
        (_binary_truth, "`year` 2016"),
        (_two_frames, "Too few annotated frames"),
        (_moved_down, "Did you mean `results`"),
        (_raw_masks, "sfc convert"),
    ],
)
def test_evaluate_davis__bad_input_is_named(davis: Path, results: Path, damage: Break, told: str) -> None:
    damage(Folders(davis, results))
    with pytest.raises(InputError) as caught:
        evaluate_davis(davis, results)
    assert told in str(caught.value)
    assert caught.value.hint


def test_evaluate_davis__unknown_sequence(davis: Path, results: Path) -> None:
    with pytest.raises(InputError, match="No sequence third"):
        evaluate_davis(davis, results, sequences=["third"])


@pytest.mark.parametrize(("field", "value"), [("workers", 0), ("year", "2018")])
def test_evaluate_davis__bad_setting(davis: Path, results: Path, field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"`{field}`"):
        evaluate_davis(davis, results, **{field: value})  # type: ignore[arg-type]


def test_evaluate_davis__lists_all_problems_at_once(make_davis: MakeDavis, tmp_path: Path) -> None:
    davis = make_davis({f"s{number:02d}": 4 for number in range(14)}, size=(8, 8), ids=(1,))
    results = tmp_path / "results"
    for path in annotations(davis).glob("*/*.png"):
        write_mask(results / path.parent.name / path.name, np.zeros((8, 8), np.uint8))
    for number in range(12):
        (results / f"s{number:02d}" / "00001.png").unlink()
    (results / "s00" / "00002.png").write_text("nothing")
    (results / "s01" / "00002.png").unlink()
    with pytest.raises(InputError) as caught:
        evaluate_davis(davis, results)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith("13 problems")
    assert sum("s0" in line for line in lines) == 10
    assert any("1 more like it in s01" in line for line in lines)
    assert any("and 3 more" in line for line in lines)


def test_evaluate_davis__reports_progress(davis: Path, results: Path) -> None:
    heard: list[tuple[object, ...]] = []

    class Listener(Silent):
        def plan(self, total: int | None, unit: str) -> None:
            heard.append((unit, total))

        def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:
            heard.append((part, count, text, *facts))

    evaluate_davis(davis, results, workers=1, progress=Listener())
    assert heard == [("frames", 7), ("scoring", 4, ""), ("scoring", 3, "")]
    heard.clear()
    for name in ("first", "second"):
        shutil.rmtree(results / name)
    evaluate_davis(davis, results, allow_missing=True, progress=Listener())
    assert heard == []
