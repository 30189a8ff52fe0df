"""From plans to a report: what every benchmark that scores masks by J and F has in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sfc_cli.errors import InputError
from sfc_cli.evaluation.notices import note_strangers, warnings_about
from sfc_cli.evaluation.plan import Progress, SequencePlan
from sfc_cli.evaluation.preflight import check_files, check_results_folder, note_missing_sequence
from sfc_cli.evaluation.problems import Problems
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.runs import read_run
from sfc_cli.evaluation.scoring import score_plans


@dataclass(frozen=True, kw_only=True)
class MaskBenchmark:
    """A benchmark of masks: its name, where its truth and the results lie, and how strict it is.

    Args:
        name: What is scored, in words.
        split: The split's name.
        data: The folder of the truth.
        results: The folder of the results.
        strangers_allowed: Whether a result may hold ids that are no objects.
    """

    name: str
    split: str
    data: Path
    results: Path
    strangers_allowed: bool = False

    def evaluate(
        self,
        sequences: Sequence[str],
        plan_of: Callable[[str], SequencePlan],
        *,
        workers: int | None,
        allow_missing: bool,
        on_progress: Progress | None,
    ) -> Report:
        """Plan every sequence, check every file, score, and gather what was noticed.

        Args:
            sequences: The names of the sequences.
            plan_of: Gives the plan of a sequence, or raises InputError.
            workers: How many processes; None for one a core.
            allow_missing: Score a sequence without results as zero instead of refusing.
            on_progress: Called with the frames done and the frames in all.

        Raises:
            InputError: With all problems of the input at once.
        """
        check_results_folder(self.results)
        problems = Problems()
        plans = []
        for name in sequences:
            try:
                plans.append(plan_of(name))
            except InputError as error:
                problems.add_error(name, error)
        missing = self._take_out_missing(plans, problems, allow_missing)
        check_files(plans, problems)
        problems.raise_if_any()
        scores = score_plans(plans, workers, on_progress)
        if not self.strangers_allowed:
            note_strangers(plans, scores, problems)
            problems.raise_if_any()
        return Report(
            benchmark=self.name,
            split=self.split,
            data=self.data,
            results=self.results,
            sequences=plans,
            objects=[each for plan, found in zip(plans, scores, strict=True) for each in found.objects(plan)],
            missing=missing,
            warnings=warnings_about(plans, scores, self.strangers_allowed),
            run=read_run(self.results),
        )

    def _take_out_missing(
        self, plans: list[SequencePlan], problems: Problems, allow_missing: bool
    ) -> list[str]:
        """Mark the sequences without any result as missing, or note them as problems."""
        missing = []
        for index, plan in enumerate(plans):
            if plan.folder.is_dir() and any(plan.folder.glob("*.png")):
                continue
            plans[index] = replace(plan, results=None)
            if allow_missing:
                missing.append(plan.name)
            else:
                note_missing_sequence(plan.folder, plan.name, problems)
        return missing
