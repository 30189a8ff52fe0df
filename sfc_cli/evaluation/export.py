"""An evaluation's numbers as files: JSON, the official tool's two tables, and a line per frame and object."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from sfc_cli.evaluation.comparison import Comparison
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.statistics import GLOBAL_NAMES
from sfc_cli.files import write_text

_TABLE_COLUMNS = ("J-Mean", "F-Mean")


def write_json(report: Report, path: Path, comparison: Comparison | None = None) -> None:
    """Write the numbers at full precision, with another run's under ``compared`` if there is one.

    Raises:
        InputError: If the file cannot be written.
    """
    content = report.to_json()
    if comparison is not None:
        content["compared"] = comparison.to_json()
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def write_tables(report: Report, folder: Path) -> list[Path]:
    """Write the official tool's two tables, three decimals a number, and a list of missing sequences if any.

    Returns:
        The files written.

    Raises:
        InputError: If a file cannot be written.
    """
    scores = report.global_scores
    tables = {
        f"global_results-{report.split}.csv": [
            GLOBAL_NAMES,
            [f"{scores[name]:.3f}" for name in GLOBAL_NAMES],
        ],
        f"per-sequence_results-{report.split}.csv": [
            ("Sequence", *_TABLE_COLUMNS),
            *(
                [name, *(f"{numbers[column]:.3f}" for column in _TABLE_COLUMNS)]
                for name, numbers in report.per_object.items()
            ),
        ],
    }
    missing = folder / f"missing_sequences-{report.split}.csv"
    if report.missing:
        tables[missing.name] = [
            ("Sequence",),
            *([name] for name in report.missing),
        ]
    else:
        # One from an earlier evaluation would now be wrong.
        missing.unlink(missing_ok=True)
    for name, rows in tables.items():
        write_text(folder / name, _csv(rows))
    return [folder / name for name in tables]


def write_frames(report: Report, path: Path) -> None:
    """Write J and F of every frame and object at full precision, a line each.

    Raises:
        InputError: If the file cannot be written.
    """
    missing = set(report.missing)
    columns = ["Sequence", "Object", "Frame", "J", "F"] + (["Missing"] if missing else [])
    rows: list[Sequence[object]] = [columns]
    for scores in report.objects:
        note = [scores.sequence in missing] if missing else []
        values = zip(scores.frames, scores.region, scores.boundary, strict=True)
        rows += [
            [scores.sequence, scores.identity, frame, float(region), float(boundary), *note]
            for frame, region, boundary in values
        ]
    write_text(path, _csv(rows))


def _csv(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
