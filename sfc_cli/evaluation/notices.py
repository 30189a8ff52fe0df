"""What is odd about a set of results without being an error: a user should hear of it beside the numbers."""

from __future__ import annotations

from collections.abc import Sequence

from sfc_cli.evaluation.plan import SequencePlan
from sfc_cli.evaluation.problems import Problems
from sfc_cli.evaluation.proposals import MOST_PROPOSALS
from sfc_cli.evaluation.scoring import SequenceScores

_MOST_LISTED = 5


def warnings_about(
    plans: Sequence[SequencePlan], scores: Sequence[SequenceScores], strangers_allowed: bool = False
) -> list[str]:
    """Return a sentence for everything odd: truth given as results, empty results, ids never predicted."""
    scored = [pair for pair in zip(plans, scores, strict=True) if pair[0].results is not None]
    warnings = []
    equal = [plan.name for plan, found in scored if found.equal and found.present]
    if equal:
        warnings.append(
            f"The results equal the truth in {_named(equal, len(scored))}: is --results the annotations?"
        )
    empty = [plan.name for plan, found in scored if not found.predicted and found.present]
    if empty:
        warnings.append(f"The results are empty in {_named(empty, len(scored))}.")
    never = [
        f"{plan.name}_{identity}"
        for plan, found in scored
        if plan.name not in empty and plan.reading != "proposals"
        for identity in sorted(found.present - found.predicted)
    ]
    if never:
        warnings.append(f"Never predicted: {_listed(never)}.")
    void = [found.void for _, found in scored if found.void is not None]
    if void:
        warnings.append(
            f"Results hold void (255), which counts as background: {_listed(list(map(str, void)))}."
        )
    if strangers_allowed:
        unknown = [
            f"{plan.name}_{identity}" for plan, found in scored for identity in sorted(found.strangers)
        ]
        if unknown:
            warnings.append(f"The truth does not know, and no score counts: {_listed(unknown)}.")
    return warnings


def note_strangers(
    plans: Sequence[SequencePlan], scores: Sequence[SequenceScores], problems: Problems
) -> None:
    """Note every id of the results that is no object of its sequence."""
    for plan, found in zip(plans, scores, strict=True):
        for identity, path in sorted(found.strangers.items()):
            problems.add(
                "ids",
                plan.name,
                f"{path} holds id {identity}, but {_allowed(plan)}.",
                "Check that the results belong to this data set.",
            )


def _allowed(plan: SequencePlan) -> str:
    if plan.reading == "proposals":
        return f"at most {MOST_PROPOSALS} proposals are allowed"
    objects = plan.objects
    return (
        f"{plan.name} has the object {objects[0]} alone"
        if len(objects) == 1
        else f"{plan.name} has the objects {_listed(list(map(str, objects)))}"
    )


def _named(names: Sequence[str], total: int) -> str:
    if len(names) == total:
        return "every sequence" if total > 1 else f"sequence {names[0]}"
    return f"{'sequence' if len(names) == 1 else 'sequences'} {_listed(names)}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_LISTED} more" if len(names) > _MOST_LISTED else ""
    return ", ".join(names[:_MOST_LISTED]) + more
