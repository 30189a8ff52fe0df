"""An evaluation's numbers as files: JSON, the official tool's two tables, and a line per frame and object.

Files are only written where they replace nothing that an evaluation reads.
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import combinations
from pathlib import Path

from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation.comparison import Comparison, RatesComparison
from sfc_cli.evaluation.measures import Curve
from sfc_cli.evaluation.report import GLOBAL_NAMES, OBJECT_NAMES, Rates, Report
from sfc_cli.files import inside, refuse_overwriting, write_text

_TABLE_COLUMNS = ("J-Mean", "F-Mean")
_FRAME_COLUMNS = ("Sequence", "Object", "Frame", "J", "F")
# How the files begin that an evaluation writes, so that a later one may replace them.
_OWN_BEGINNINGS = re.compile(
    rb'\s*\{\s*"global":|J&F-Mean,J-Mean,|(PCK@|mIoU)|(Joint|Class),(PCK@|mIoU)|Sequence\n'
    rb"|Sequence,(J-Mean,|Object,Frame,J,F|Frame|PCK@|mIoU)|% \S+.*Scoring|% \S+.*Counted|<!doctype html>"
)
_LONGEST_BEGINNING = 100


def prepare_outputs(files: Sequence[Path], tables: Path | None, split: str, inputs: Sequence[Path]) -> None:
    """Make the folders of all outputs before anything is scored: no scoring is lost to a mistyped one.

    Args:
        files: The files to be written.
        tables: The folder of tables to be written, if any.
        split: The split that the tables are named after.
        inputs: The folders that are read. A file in them may be new, or replace one that an earlier
            evaluation wrote, but nothing else.

    Raises:
        UsageError: If an output would be written over what is read, or two are the same.
        InputError: If a folder cannot be made, or a file is a folder.
    """
    folders = () if tables is None else (tables,)
    outputs = [*files, *folders, *(path for folder in folders for path in table_paths(folder, split))]
    for one, other in combinations(outputs, 2):
        if one.resolve() == other.resolve():
            raise UsageError(f"Two outputs would be written to {other}.", "Give each its own file.")
    for path in outputs:
        if path.is_file() and not _is_own(path):
            refuse_overwriting(path, (file for folder in inputs for file in _files_below(folder)))
    for folder in (*folders, *(path.parent for path in files)):
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                f"Cannot write to {folder}: {error.strerror or error}.", "Choose another folder."
            ) from None
    for path in files:
        if path.is_dir():
            raise InputError(f"{path} is a folder.", "Give the name of a file.")


def _is_own(path: Path) -> bool:
    with path.open("rb") as file:
        return _OWN_BEGINNINGS.match(file.read(_LONGEST_BEGINNING)) is not None


def _files_below(folder: Path) -> Iterator[Path]:
    """Yield all files below a folder, those behind links too."""
    seen = set()
    for parent, folders, names in os.walk(folder, followlinks=True):
        # A link may lead back to a folder above.
        real = os.path.realpath(parent)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        yield from (Path(parent, name) for name in names)


def write_json(
    result: Report | Rates,
    path: Path,
    comparisons: Sequence[Comparison] | Sequence[RatesComparison] = (),
) -> None:
    """Write all numbers at full precision and what they come from.

    Other results are under ``compared``: a mapping, or a list of them if there are several.

    Raises:
        InputError: If the file cannot be written.
    """
    content = result.to_json()
    content["per_sequence"] = result.per_sequence
    content.update(result.provenance())
    content["per_frame"] = {
        name: {"frames": curves.frames, **{key: _without_nan(each) for key, each in curves.values.items()}}
        for name, curves in result.curves.items()
    }
    if isinstance(result, Rates):
        content["sequence_counts"] = {name: each.tolist() for name, each in result.sequence_counts.items()}
    if comparisons:
        others = [each.to_json() for each in comparisons]
        content["compared"] = others[0] if len(others) == 1 else others
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, default=dict) + "\n")


def _without_nan(curve: Curve) -> list[float | None]:
    return [None if math.isnan(value) else value for value in curve.tolist()]


def table_paths(folder: Path, split: str) -> tuple[Path, Path, Path, Path]:
    """Return the two official tables and the lists of missing sequences and of frames without truth."""
    names = ("global_results", "per-sequence_results", "missing_sequences", "missing_truth")
    first, second, third, fourth = (inside(folder, f"{name}-{split}.csv") for name in names)
    return first, second, third, fourth


def write_tables(report: Report, folder: Path) -> list[Path]:
    """Write the official tool's two tables, three decimals a number, and a list of missing sequences, if any.

    Returns:
        The files written.

    Raises:
        InputError: If a file cannot be written.
    """
    scores = report.global_scores
    overall, per_sequence, missing, truth = table_paths(folder, report.split)
    tables: dict[Path, list[Sequence[object]]] = {
        overall: [GLOBAL_NAMES, [f"{scores[name]:.3f}" for name in GLOBAL_NAMES]],
        per_sequence: [
            ("Sequence", *_TABLE_COLUMNS),
            *(
                [name, *(f"{numbers[column]:.3f}" for column in _TABLE_COLUMNS)]
                for name, numbers in report.per_object.items()
            ),
        ],
    }
    if report.missing:
        tables[missing] = [("Sequence",), *([name] for name in report.missing)]
    else:
        # One from an earlier evaluation would now be wrong.
        missing.unlink(missing_ok=True)
    if report.lacking_truth:
        lacking = [(name, frame) for name, frames in report.lacking_truth.items() for frame in frames]
        tables[truth] = [("Sequence", "Frame"), *lacking]
    else:
        truth.unlink(missing_ok=True)
    for path, rows in tables.items():
        write_text(path, _csv(rows))
    return list(tables)


def write_frames(report: Report, path: Path) -> None:
    """Write J and F of every frame and object at full precision, a line each.

    Raises:
        InputError: If the file cannot be written.
    """
    write_text(path, frames_csv(report))


def frames_csv(report: Report) -> str:
    """Return J and F of every frame and object as CSV."""
    missing = set(report.missing)
    rows: list[Sequence[object]] = [[*_FRAME_COLUMNS, *(["Missing"] if missing else [])]]
    for scores in report.objects:
        note = [scores.sequence in missing] if missing else []
        values = zip(scores.frames, scores.region, scores.boundary, strict=True)
        rows += [
            [scores.sequence, scores.identity, frame, float(region), float(boundary), *note]
            for frame, region, boundary in values
        ]
    return _csv(rows)


def sequences_csv(report: Report) -> str:
    """Return every sequence's means as CSV, at full precision."""
    names = ("J&F-Mean", "J-Mean", "F-Mean")
    rows = [[name, *(numbers[key] for key in names)] for name, numbers in report.per_sequence.items()]
    return _csv([("Sequence", *names), *rows])


def objects_csv(report: Report) -> str:
    """Return every object's numbers as CSV, at full precision."""
    names = (*OBJECT_NAMES, *report.extra_names)
    rows = [[name, *(numbers.get(key, "") for key in names)] for name, numbers in report.per_object.items()]
    return _csv([("Object", *names), *rows])


def rates_csv(rates: Rates) -> dict[str, str]:
    """Return tables of rates as CSV by file name: the global numbers, each joint or class, each sequence."""
    names = list(rates.global_scores)

    def table(corner: str, rows: Mapping[str, Mapping[str, float]]) -> str:
        cells = [[name, *(_shown(numbers[key]) for key in names)] for name, numbers in rows.items()]
        return _csv([(corner, *names), *cells])

    return {
        "global_results.csv": _csv([names, list(rates.global_scores.values())]),
        f"per-{rates.each}_results.csv": table(rates.each.capitalize(), rates.rows),
        "per-sequence_results.csv": table("Sequence", rates.per_sequence),
    }


def write_rates_tables(rates: Rates, folder: Path) -> list[Path]:
    """Write the tables of ``rates_csv``, named after the split.

    Returns:
        The files written.

    Raises:
        InputError: If a file cannot be written.
    """
    written = []
    for name, content in rates_csv(rates).items():
        path = inside(folder, f"{Path(name).stem}-{rates.split}.csv")
        write_text(path, content)
        written.append(path)
    return written


def write_rates_frames(rates: Rates, path: Path) -> None:
    """Write the numbers of every frame and sequence at full precision, a line each.

    Raises:
        InputError: If the file cannot be written.
    """
    names = list(rates.global_scores)
    rows: list[Sequence[object]] = [("Sequence", "Frame", *names)]
    for sequence, curves in rates.curves.items():
        values = zip(*(curves.values[name].tolist() for name in names), strict=True)
        rows += [
            [sequence, frame, *map(_shown, each)] for frame, each in zip(curves.frames, values, strict=True)
        ]
    write_text(path, _csv(rows))


def _shown(value: float) -> object:
    return "" if math.isnan(value) else value


def _csv(rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
