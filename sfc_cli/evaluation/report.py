"""The outcome of an evaluation: its numbers under the official names, and where they came from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sfc_cli.evaluation.plan import SequencePlan
from sfc_cli.evaluation.scores import ObjectScores
from sfc_cli.evaluation.statistics import global_statistics


@dataclass(frozen=True, kw_only=True)
class Report:
    """The scores of one set of results. ``report["global"]`` and ``report["per_object"]`` read like the JSON.

    Args:
        benchmark: What was scored, in words.
        split: The split's name.
        data: The folder of the truth.
        results: The folder of the results.
        sequences: What was scored.
        objects: Every object's scores, in the order of the sequences.
        missing: Sequences without results, scored as zero.
        warnings: What is odd about the results, a sentence each.
        run: The content of the results' ``run.json``; empty if there is none.
    """

    benchmark: str
    split: str
    data: Path
    results: Path
    sequences: Sequence[SequencePlan]
    objects: Sequence[ObjectScores]
    missing: Sequence[str] = ()
    warnings: Sequence[str] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def global_scores(self) -> dict[str, float]:
        """The seven global numbers under their official names."""
        return global_statistics([scores.statistics for scores in self.objects])

    @property
    def per_object(self) -> dict[str, dict[str, float]]:
        """Every object's six numbers, by ``<sequence>_<id>``."""
        return {scores.name: scores.statistics for scores in self.objects}

    @property
    def frame_count(self) -> int:
        """How many frames were scored."""
        return sum(len(plan.frames) for plan in self.sequences)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain dictionaries; ``missing`` is there only if a sequence is."""
        content: dict[str, Any] = {"global": self.global_scores, "per_object": self.per_object}
        return {**content, "missing": list(self.missing)} if self.missing else content

    def __getitem__(self, key: str) -> Any:
        return self.to_json()[key]
