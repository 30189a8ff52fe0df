"""What the benchmarks that score masks by J and F have in common: checks, scores, warnings, a report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sfc_cli.data.results import read_record
from sfc_cli.data.sequence_names import in_short
from sfc_cli.errors import InputError
from sfc_cli.evaluation.completeness import (
    KnownFrames,
    known_frames,
    note_lacking_truth,
    number_shift,
    shift_sentence,
    warnings_about_frames,
    warnings_about_sequences,
)
from sfc_cli.evaluation.disappearance import disappearance
from sfc_cli.evaluation.proposals import MOST_PROPOSALS
from sfc_cli.evaluation.report import ObjectScores, Report
from sfc_cli.evaluation.scoring import SequenceScores, score_plans
from sfc_cli.evaluation.scoring_protocols import ScoringProtocol
from sfc_cli.evaluation.sequence_plan import (
    Problems,
    SequencePlan,
    check_files,
    check_results_folder,
    plan_all,
    set_missing_aside,
)
from sfc_cli.evaluation.stability import sequence_instability
from sfc_cli.evaluation.suspicions import warnings_about_ids
from sfc_cli.progress import Progress

_MOST_LISTED = 5


@dataclass(frozen=True, kw_only=True)
class MaskScoring:
    """What is scored, and how.

    Args:
        benchmark: What is scored, in words.
        split: Its split.
        data: The folder of the truth.
        results: The folder of the results.
        protocol: Which frames and objects count.
        known: All sequences of the split, chosen or not.
        allow_missing: Whether to score a sequence without results as zero, and to leave out frames without
            truth, instead of refusing.
        strangers_allowed: Whether a result may have ids that are not objects.
    """

    benchmark: str
    split: str
    data: Path
    results: Path
    protocol: ScoringProtocol
    known: Collection[str]
    allow_missing: bool
    strangers_allowed: bool = False


def evaluate_masks(
    names: Sequence[str],
    plan_of: Callable[[str], SequencePlan],
    scoring: MaskScoring,
    workers: int | None,
    progress: Progress | None,
) -> Report:
    """Plan every sequence, check every file, score, and gather what was noticed.

    Args:
        names: The sequences.
        plan_of: Returns the plan of a sequence, or raises InputError.
        scoring: What is scored, and how.
        workers: How many processes; None for one a core.
        progress: Receives the number of scored frames.

    Raises:
        InputError: With all problems of the input at once.
    """
    check_results_folder(scoring.results)
    problems = Problems()
    plans = plan_all(names, plan_of, problems)
    missing = set_missing_aside(plans, problems, allow_missing=scoring.allow_missing)
    known = {plan.name: known_frames(plan) for plan in plans}
    lacking = note_lacking_truth(plans, known, problems, allow_missing=scoring.allow_missing)
    check_files(plans, problems)
    _explain_missing(plans, known, problems)
    problems.raise_if_any()
    scores = score_plans(plans, workers, progress)
    if not scoring.strangers_allowed:
        _note_strangers(plans, scores, problems)
        problems.raise_if_any()
    objects = [each for plan, found in zip(plans, scores, strict=True) for each in found.objects(plan)]
    objects = _with_extras(objects, plans, scoring.protocol, workers)
    if not objects:
        raise InputError(
            f"No object of {scoring.data} has a frame to score.",
            "Choose another `scoring_protocol` or `skip`.",
        )
    warnings = [
        *warnings_about_sequences(scoring.results, scoring.known),
        *warnings_about_frames(plans, known),
        *warnings_about(plans, scores),
        *warnings_about_ids(plans, scores),
        *_warnings_about_objects(plans, {each.name for each in objects}),
    ]
    try:
        record = read_record(scoring.results)
    except InputError as error:
        # The record explains the scores; they do not depend on it.
        record = None
        warnings.append(error.message)
    return Report(
        benchmark=scoring.benchmark,
        split=scoring.split,
        data=scoring.data,
        results=scoring.results,
        protocol=scoring.protocol,
        sequences=plans,
        objects=objects,
        missing=missing,
        lacking_truth=lacking,
        warnings=warnings,
        run=record or {},
    )


def _with_extras(
    objects: Sequence[ObjectScores],
    plans: Sequence[SequencePlan],
    protocol: ScoringProtocol,
    workers: int | None,
) -> list[ObjectScores]:
    """Measure what was asked for besides J and F."""
    stability = {}
    if protocol.stability:
        for plan, curves in zip(plans, sequence_instability(plans, workers), strict=True):
            for index, identity in enumerate(plan.objects):
                values = curves[:, index][np.isfinite(curves[:, index])]
                stability[plan.name, identity] = float(values.mean()) if len(values) else float("nan")
    found = []
    for each in objects:
        extras: dict[str, float] = {}
        if protocol.disappearance and each.shown is not None:
            extras.update(disappearance(each.region, each.boundary, each.shown))
        if protocol.stability:
            extras["T-Mean"] = stability[each.sequence, each.identity]
        found.append(replace(each, extras=extras) if extras else each)
    return found


def _explain_missing(
    plans: Sequence[SequencePlan], known: Mapping[str, KnownFrames], problems: Problems
) -> None:
    """Where results are missing because all of them are numbered otherwise, say that instead."""
    for plan in plans:
        shift = number_shift(known[plan.name])
        if shift is not None and ("missing", plan.name) in problems.found:
            problems.hints["missing"] = shift_sentence(plan, known[plan.name], shift)


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
        (
            equal,
            f"The results equal the truth in {_named(equal, len(scored))}. Are they the annotations? Check "
            "the results' folder.",
        ),
        (empty, f"The results are empty in {_named(empty, len(scored))}. Check the results' folder."),
        (never, f"Never predicted: {in_short(never, _MOST_LISTED)}."),
        (void, f"Results contain void (255), which counts as background: {in_short(void, _MOST_LISTED)}."),
        (unknown, f"Not in the truth, and not scored: {in_short(unknown, _MOST_LISTED)}."),
    ]
    return [warning for names, warning in warnings if names]


def _warnings_about_objects(plans: Sequence[SequencePlan], scored: Collection[str]) -> list[str]:
    names = [f"{plan.name}_{identity}" for plan in plans for identity in plan.objects]
    left = [name for name in names if name not in scored]
    return (
        [f"Not scored, because no frame that counts is left: {in_short(left, _MOST_LISTED)}."] if left else []
    )


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
