from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.evaluation import Report
from sfc_cli.evaluation.export import write_frames, write_json, write_tables
from sfc_cli.evaluation.report import ObjectScores
from sfc_cli.evaluation.sequence_plan import SequencePlan
from sfc_cli.evaluation.tables import aligned, global_table, heading, object_table


def make_report(missing: tuple[str, ...] = ()) -> Report:
    frames = ("00001", "00002", "00003")
    plan = SequencePlan(
        name="bear",
        objects=(1, 2),
        frames=frames,
        folder=Path("results"),
        truth=tuple(Path(f"truth/{frame}.png") for frame in frames),
        results=None if missing else tuple(Path(f"results/{frame}.png") for frame in frames),
        starts=(0, 0),
    )
    curves = [np.array([1 / 3, 0.75, 1.0]), np.array([0.25, 0.5, 0.0])]
    objects = [
        ObjectScores(sequence="bear", identity=identity, frames=frames, region=curve, boundary=curve / 2)
        for identity, curve in zip((1, 2), curves, strict=True)
    ]
    return Report(
        benchmark="DAVIS-2017",
        split="val",
        data=Path("data/davis"),
        results=Path("results/run"),
        sequences=[plan],
        objects=objects,
        missing=missing,
    )


def test_write_json__full_precision(tmp_path: Path) -> None:
    report = make_report()
    write_json(report, tmp_path / "new" / "scores.json")
    content = json.loads((tmp_path / "new" / "scores.json").read_text())
    assert list(content)[:3] == ["global", "per_object", "per_sequence"]
    assert content["per_object"]["bear_1"]["J-Mean"] == report["per_object"]["bear_1"]["J-Mean"]


def test_write_tables__the_official_files(tmp_path: Path) -> None:
    written = write_tables(make_report(), tmp_path)
    assert [path.name for path in written] == ["global_results-val.csv", "per-sequence_results-val.csv"]
    assert (tmp_path / "global_results-val.csv").read_text() == (
        "J&F-Mean,J-Mean,J-Recall,J-Decay,F-Mean,F-Recall,F-Decay\n0.354,0.472,0.333,-0.042,0.236,0.000,-0.021\n"
    )
    assert (tmp_path / "per-sequence_results-val.csv").read_text() == (
        "Sequence,J-Mean,F-Mean\nbear_1,0.694,0.347\nbear_2,0.250,0.125\n"
    )


def test_write_tables__names_missing_sequences(tmp_path: Path) -> None:
    write_tables(make_report(missing=("bear",)), tmp_path)
    assert (tmp_path / "missing_sequences-val.csv").read_text() == "Sequence\nbear\n"
    write_tables(make_report(), tmp_path)
    assert not (tmp_path / "missing_sequences-val.csv").exists()


def test_write_frames__a_line_per_frame_and_object(tmp_path: Path) -> None:
    write_frames(make_report(), tmp_path / "frames.csv")
    rows = list(csv.DictReader((tmp_path / "frames.csv").open()))
    assert len(rows) == 6
    assert rows[0] == {"Sequence": "bear", "Object": "1", "Frame": "00001", "J": str(1 / 3), "F": str(1 / 6)}


def test_write_frames__marks_missing_sequences(tmp_path: Path) -> None:
    write_frames(make_report(missing=("bear",)), tmp_path / "frames.csv")
    assert {row["Missing"] for row in csv.DictReader((tmp_path / "frames.csv").open())} == {"True"}


def test_heading__counts() -> None:
    first, protocol = heading(make_report()).splitlines()
    assert first == "DAVIS-2017 val: results/run against data/davis; 1 sequence, 2 objects, 3 scored frames"
    assert protocol.startswith("Scoring protocol every-frame: frames: annotated ones, ")
    assert "1 of 1 sequence without results, scored as zero: bear" in heading(make_report(missing=("bear",)))


def test_global_table__official_names() -> None:
    names, numbers = global_table(make_report()).splitlines()
    assert names.split() == ["J&F-Mean", "J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay"]
    assert float(numbers.split()[1]) == pytest.approx(0.472222)


def test_object_table__a_line_per_object() -> None:
    assert [line.split()[0] for line in object_table(make_report()).splitlines()] == [
        "Object",
        "bear_1",
        "bear_2",
    ]


def test_aligned__columns() -> None:
    assert aligned([("a", "bb"), ("ccc", "d")]) == "a    bb\nccc   d"
