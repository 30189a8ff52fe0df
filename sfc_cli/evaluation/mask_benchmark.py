"""What the benchmarks that score masks by J and F have in common: checks, scores, warnings, a report."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sfc_cli.data.results import read_record
from sfc_cli.data.sequence_names import in_short
from sfc_cli.errors import InputError
from sfc_cli.evaluation.proposals import MOST_PROPOSALS
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.scoring import SequenceScores, score_plans
from sfc_cli.evaluation.sequence_plan import (
    Problems,
    SequencePlan,
    check_files,
    check_results_folder,
    plan_all,
    set_missing_aside,
)
from sfc_cli.progress import Progress

_MOST_LISTED = 5


def evaluate_masks(
    names: Sequence[str],
    plan_of: Callable[[str], SequencePlan],
    *,
    benchmark: str,
    split: str,
    data: Path,
    results: Path,
    workers: int | None,
    allow_missing: bool,
    progress: Progress | None,
    strangers_allowed: bool = False,
) -> Report:
    """Plan every sequence, check every file, score, and gather what was noticed.

    Args:
        names: The sequences.
        plan_of: Returns the plan of a sequence, or raises InputError.
        benchmark: What is scored, in words.
        split: Its split.
        data: The folder of the truth.
        results: The folder of the results.
        workers: How many processes; None for one a core.
        allow_missing: Whether to score a sequence without results as zero instead of refusing.
        progress: Receives the number of scored frames.
        strangers_allowed: Whether a result may have ids that are not objects.

    Raises:
        InputError: With all problems of the input at once.
    """
    check_results_folder(results)
    problems = Problems()
    plans = plan_all(names, plan_of, problems)
    missing = set_missing_aside(plans, problems, allow_missing=allow_missing)
    check_files(plans, problems)
    problems.raise_if_any()
    scores = score_plans(plans, workers, progress)
    if not strangers_allowed:
        _note_strangers(plans, scores, problems)
        problems.raise_if_any()
    warnings = warnings_about(plans, scores)
    try:
        record = read_record(results)
    except InputError as error:
        # The record explains the scores; they do not depend on it.
        record = None
        warnings.append(error.message)
    return Report(
        benchmark=benchmark,
        split=split,
        data=data,
        results=results,
        sequences=plans,
        objects=[each for plan, found in zip(plans, scores, strict=True) for each in found.objects(plan)],
        missing=missing,
        warnings=warnings,
        run=record or {},
    )


def warnings_about(plans: Sequence[SequencePlan], scores: Sequence[SequenceScores]) -> list[str]:
    """Return a sentence for everything that is odd about the results without being an error."""
    scored = [pair for pair in zip(plans, scores, strict=True) if pair[0].results is not None]
    equal = [plan.name for plan, found in scored if found.equal and found.present]
    empty = [plan.name for plan, found in scored if not found.predicted and found.present]
    never = [
        f"{plan.name}_{identity}"
        for plan, found in scored
        if plan.name not in empty and plan.reading != "proposals"
        for identity in sorted(found.present - found.predicted)
    ]
    void = [str(found.void) for _, found in scored if found.void is not None]
    unknown = [f"{plan.name}_{identity}" for plan, found in scored for identity in sorted(found.strangers)]
    warnings = [
        (equal, f"The results equal the truth in {_named(equal, len(scored))}. Are they the annotations?"),
        (empty, f"The results are empty in {_named(empty, len(scored))}."),
        (never, f"Never predicted: {in_short(never, _MOST_LISTED)}."),
        (void, f"Results contain void (255), which counts as background: {in_short(void, _MOST_LISTED)}."),
        (unknown, f"Not in the truth, and not scored: {in_short(unknown, _MOST_LISTED)}."),
    ]
    return [warning for names, warning in warnings if names]


def _note_strangers(
    plans: Sequence[SequencePlan], scores: Sequence[SequenceScores], problems: Problems
) -> None:
    """Note every id of the results that is not an object of its sequence."""
    for plan, found in zip(plans, scores, strict=True):
        ids = in_short([str(identity) for identity in plan.objects], _MOST_LISTED)
        allowed = (
            f"at most {MOST_PROPOSALS} proposals are allowed"
            if plan.reading == "proposals"
            else f"{plan.name} only has {'object' if len(plan.objects) == 1 else 'objects'} {ids}"
        )
        for identity, path in sorted(found.strangers.items()):
            problems.add(
                "ids",
                plan.name,
                f"{path} contains id {identity}, but {allowed}.",
                "Check that the results belong to this data set.",
            )


def _named(names: Sequence[str], total: int) -> str:
    if len(names) == total > 1:
        return "every sequence"
    return f"{'sequence' if len(names) == 1 else 'sequences'} {in_short(names, _MOST_LISTED)}"
