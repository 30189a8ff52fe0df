"""Looking at every file's presence, size and kind before any scoring starts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import Header, read_header
from sfc_cli.evaluation.plan import SequencePlan
from sfc_cli.evaluation.problems import Problems

_CONVERT = "`sfc convert RESULTS OUT` makes indexed masks of the annotations' size."


def check_results_folder(results: Path) -> None:
    """Make sure that there is a folder of results.

    Raises:
        InputError: If it is missing or a file.
    """
    if not results.is_dir():
        what = "is a file, not a folder" if results.exists() else "is missing"
        raise InputError(
            f"The results folder {results} {what}.", "Give the folder that holds one folder a sequence."
        )


def check_files(plans: Sequence[SequencePlan], problems: Problems) -> None:
    """Read the first bytes of every file to be scored and note what is missing or cannot be compared."""
    for plan in plans:
        for index, truth in enumerate(plan.truth):
            true_header = _usable_header(truth, plan.name, problems)
            if plan.results is None:
                continue
            result = plan.results[index]
            header = _usable_header(result, plan.name, problems)
            if header is None or true_header is None:
                continue
            if (header.height, header.width) != (true_header.height, true_header.width):
                problems.add(
                    "size",
                    plan.name,
                    f"{result} is {header.width}x{header.height} pixels, its annotation "
                    f"{true_header.width}x{true_header.height}.",
                    _CONVERT,
                )


def note_missing_sequence(
    folder: Path, sequence: str, problems: Problems, *, may_be_allowed: bool = True
) -> None:
    """Note that there is no result for a sequence, with a guess at where the results may be instead."""
    hint = "Choose the sequences to score with --sequences" + (
        ", or score missing ones as zero with --allow-missing." if may_be_allowed else "."
    )
    parent = folder.parent
    if not parent.is_dir():
        pass
    elif not any(child.is_dir() for child in parent.iterdir()) and any(parent.glob("*_mask.png")):
        hint = "These are the released script's raw masks: run `sfc convert` on them first."
    else:
        below = sorted(path.parent for path in parent.glob(f"*/{sequence}") if path.is_dir())
        if below:
            hint = f"Did you mean --results {below[0]}?"
    problems.add(
        "sequence", sequence, f"No results for sequence {sequence}: {folder} is missing or empty.", hint
    )


def _usable_header(path: Path, sequence: str, problems: Problems) -> Header | None:
    try:
        header = read_header(path)
    except FileNotFoundError:
        hint = "Every annotated frame needs a result: run `sfc propagate` again."
        problems.add("missing", sequence, f"{path} is missing.", hint)
        return None
    except OSError as error:
        problems.add("unreadable", sequence, f"{path} cannot be read: {error.strerror}.", "Check the file.")
        return None
    if header is None:
        problems.add("no png", sequence, f"{path} is not a PNG file.", "Masks must be indexed or grey PNGs.")
        return None
    if not header.holds_ids:
        problems.add(
            "colour", sequence, f"{path} is {header.described}, not an indexed or grey mask.", _CONVERT
        )
        return None
    return header
