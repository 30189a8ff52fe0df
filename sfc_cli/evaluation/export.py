"""An evaluation's numbers as files: JSON, the official tool's two tables, and a line per frame and object.

Files are only written where they replace nothing that an evaluation reads.
"""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations
from pathlib import Path

from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation.comparison import Comparison
from sfc_cli.evaluation.report import GLOBAL_NAMES, Rates, Report
from sfc_cli.files import inside, refuse_overwriting, write_text

_TABLE_COLUMNS = ("J-Mean", "F-Mean")
_FRAME_COLUMNS = ("Sequence", "Object", "Frame", "J", "F")
# How the files begin that an evaluation writes, so that a later one may replace them.
_OWN_BEGINNINGS = re.compile(
    rb'\s*\{\s*"global":|J&F-Mean,J-Mean,|Sequence\n|Sequence,(J-Mean,|Object,Frame,J,F)|<!doctype html>'
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


def write_json(result: Report | Rates, path: Path, comparison: Comparison | None = None) -> None:
    """Write the numbers at full precision and what they come from, with other results under ``compared``.

    Raises:
        InputError: If the file cannot be written.
    """
    content = result.to_json()
    if isinstance(result, Report):
        content["per_sequence"] = result.per_sequence
    content.update(result.provenance())
    if comparison is not None:
        content["compared"] = comparison.to_json()
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def table_paths(folder: Path, split: str) -> tuple[Path, Path, Path]:
    """Return the two official tables and the list of missing sequences."""
    names = ("global_results", "per-sequence_results", "missing_sequences")
    first, second, third = (inside(folder, f"{name}-{split}.csv") for name in names)
    return first, second, third


def write_tables(report: Report, folder: Path) -> list[Path]:
    """Write the official tool's two tables, three decimals a number, and a list of missing sequences, if any.

    Returns:
        The files written.

    Raises:
        InputError: If a file cannot be written.
    """
    scores = report.global_scores
    overall, per_sequence, missing = table_paths(folder, report.split)
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
    for path, rows in tables.items():
        write_text(path, _csv(rows))
    return list(tables)


def write_frames(report: Report, path: Path) -> None:
    """Write J and F of every frame and object at full precision, a line each.

    Raises:
        InputError: If the file cannot be written.
    """
    missing = set(report.missing)
    rows: list[Sequence[object]] = [[*_FRAME_COLUMNS, *(["Missing"] if missing else [])]]
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
