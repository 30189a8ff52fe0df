"""What is to be scored, and everything that is wrong with its files, found before any scoring starts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from sfc_cli.data.results import read_record
from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import Header, read_header
from sfc_cli.evaluation.scoring_protocols import EVERY_FRAME, ScoringProtocol
from sfc_cli.evaluation.whereabouts import (
    did_you_mean,
    holds_file,
    holds_sequence,
    images_beside,
    misnamed,
)

Reading = Literal["ids", "foreground", "proposals"]

_MOST_LISTED = 10
_CONVERT = "`sfc convert RESULTS OUT` makes indexed masks of the annotations' size."


@dataclass(frozen=True, kw_only=True)
class SequencePlan:
    """One sequence to score.

    Args:
        name: The sequence.
        objects: The ids to score, K of them.
        frames: The names of the scored frames, n of them, in order.
        folder: The folder of the sequence's results.
        truth: The annotation of every scored frame.
        results: The result of every scored frame; None if the sequence is missing and scores zero.
        starts: For every object the index of the first frame that counts for it.
        protocol: Which frames count, and how J and F are measured.
        given: For every object the name of the first annotated frame that shows it; empty if no frame is left
            out for that.
        gone: For every object the name of the last annotated frame that shows it; empty likewise.
        pictures: The folder of the frames themselves; None if there is none.
        reading: ``ids`` takes the stored numbers as they are, ``foreground`` takes every non-zero pixel as
            object 1, ``proposals`` scores every id of the result against every object.
        annotated: The names of all annotated frames, those that are not scored too; empty for ``frames``.
        listed: The frames that the data set's own list says are annotated; empty if it has none.
        is_dense: Whether every frame should be annotated.
        results_tell_length: Whether results after the last annotation say that annotations are missing, where
            there is no folder of frames; if not, they are only too many.
    """

    name: str
    objects: tuple[int, ...]
    frames: tuple[str, ...]
    folder: Path
    truth: tuple[Path, ...]
    results: tuple[Path, ...] | None
    starts: tuple[int, ...]
    protocol: ScoringProtocol = EVERY_FRAME
    given: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    pictures: Path | None = None
    reading: Reading = "ids"
    annotated: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    is_dense: bool = False
    results_tell_length: bool = True


@dataclass
class Problems:
    """Everything that is wrong with the input, so that a user hears of all of it at once.

    Problems of one kind in one sequence become one message.
    """

    found: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    hints: dict[str, str] = field(default_factory=dict)

    def add(self, kind: str, sequence: str, message: str, hint: str) -> None:
        """Note a problem: its kind, its sequence, the sentence that names the file, and the remedy."""
        self.found.setdefault((kind, sequence), []).append(message)
        self.hints.setdefault(kind, hint)

    def add_error(self, sequence: str, error: InputError) -> None:
        """Note an error that was raised."""
        self.add(f"error {error.hint}", sequence, error.message, error.hint)

    def raise_if_any(self) -> None:
        """Raise one error with the first ten problems and the number of the others.

        Raises:
            InputError: If there is a problem.
        """
        if not self.found:
            return
        lines = [self._line(messages, sequence) for (_, sequence), messages in self.found.items()]
        hint = " ".join(hint for hint in dict.fromkeys(self.hints.values()) if hint)
        if len(lines) == 1:
            raise InputError(lines[0], hint)
        listed = "".join(f"\n  {line}" for line in lines[:_MOST_LISTED])
        more = f"\n  and {len(lines) - _MOST_LISTED} more." if len(lines) > _MOST_LISTED else ""
        raise InputError(f"{len(lines)} problems with the input; nothing was scored.{listed}{more}\n", hint)

    @staticmethod
    def _line(messages: list[str], sequence: str) -> str:
        others = len(messages) - 1
        return messages[0] + (f" ({others} more like it in {sequence}.)" if others else "")


def check_results_folder(results: Path) -> None:
    """Make sure that there is a folder of results.

    Raises:
        InputError: If it is missing or a file.
    """
    if not results.is_dir():
        if results.suffix.lower() == ".zip" and results.is_file():
            raise InputError(
                f"The results {results} are a zip, not a folder.",
                f"`sfc convert {results} {results.with_suffix('').name}` makes a folder of masks of it.",
            )
        what = "is a file, not a folder" if results.exists() else "is missing"
        raise InputError(
            f"The results folder {results} {what}.", "Give the folder that has one folder for each sequence."
        )


def record_of(results: Path) -> dict[str, Any]:
    """Return the ``run.json`` of results; empty if there is none that can be read."""
    with contextlib.suppress(InputError):
        return read_record(results) or {}
    return {}


def plan_all(
    names: Iterable[str], plan_of: Callable[[str], SequencePlan], problems: Problems
) -> list[SequencePlan]:
    """Plan every sequence, and note the errors that this raises."""
    plans = []
    for name in names:
        try:
            plans.append(plan_of(name))
        except InputError as error:
            problems.add_error(name, error)
    return plans


def set_missing_aside(
    plans: list[SequencePlan], problems: Problems, *, allow_missing: bool | None
) -> list[str]:
    """Take the results from the plans of sequences that have none.

    Args:
        plans: Changed in place.
        problems: Where missing sequences are noted if they are not allowed.
        allow_missing: Whether they score zero; None if the benchmark has no such score.

    Returns:
        The names of the allowed ones.
    """
    missing = []
    for index, plan in enumerate(plans):
        if plan.folder.is_dir() and any(plan.folder.glob("*.png")):
            continue
        plans[index] = replace(plan, results=None)
        if allow_missing:
            missing.append(plan.name)
            continue
        message = f"No results for sequence {plan.name}: {plan.folder} is missing or empty."
        problems.add("sequence", plan.name, message, _where_results_are(plan, allow_missing))
    return missing


def _where_results_are(plan: SequencePlan, allow_missing: bool | None) -> str:
    """Return what to do about a missing sequence, with a guess at where its results are."""
    if others := images_beside(plan.folder):
        return (
            f"{plan.folder} has {others[0].name}: a mask's name must end in .png. Rename the files, or let "
            "`sfc convert RESULTS OUT` do it."
        )
    # A name such as a/b lies two folders deep; masks in the folder itself are named after the truth's.
    is_flat = not plan.folder.as_posix().endswith(plan.name)
    root = plan.folder if is_flat else plan.folder.parents[plan.name.count("/")]
    if root.is_dir():
        if not any(child.is_dir() for child in root.iterdir()) and any(root.glob("*_mask.png")):
            return "These are the released script's raw masks: run `sfc convert` on them first."
        fits = holds_file(plan.truth[0].name) if is_flat else holds_sequence(plan.name)
        if guess := did_you_mean("results", root, fits):
            return guess
    hint = "Choose the sequences to score with `sequences`"
    return (
        f"{hint}."
        if allow_missing is None
        else f"{hint}, or score missing ones as zero with `allow_missing`."
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


def _usable_header(path: Path, sequence: str, problems: Problems) -> Header | None:
    try:
        header = read_header(path)
    except FileNotFoundError:
        hint = "Every annotated frame needs a result: run `sfc propagate` again."
        clause = misnamed(path.parent, [path.stem])
        problems.add("missing", sequence, f"{path} is missing{clause}.", hint)
        return None
    except OSError as error:
        problems.add("unreadable", sequence, f"{path} cannot be read: {error.strerror}.", "Check the file.")
        return None
    if header is None:
        problems.add(
            "not a png", sequence, f"{path} is not a PNG file.", "Masks must be indexed or grey PNGs."
        )
        return None
    if not header.holds_ids:
        problems.add(
            "colour", sequence, f"{path} is {header.described}, not an indexed or grey mask.", _CONVERT
        )
        return None
    return header
