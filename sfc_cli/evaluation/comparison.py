"""Two sets of results side by side: what one gains over the other, object by object."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.statistics import GLOBAL_NAMES


@dataclass(frozen=True, kw_only=True)
class ObjectDifference:
    """An object's mean scores in both, and the first less the second."""

    name: str
    first: dict[str, float]
    second: dict[str, float]

    @property
    def difference(self) -> dict[str, float]:
        """The first less the second, for J&F-Mean, J-Mean and F-Mean."""
        return {name: self.first[name] - self.second[name] for name in self.first}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A report and another one on the same truth."""

    first: Report
    second: Report

    @property
    def global_difference(self) -> dict[str, float]:
        """The first's seven numbers less the second's."""
        return {
            name: self.first.global_scores[name] - self.second.global_scores[name] for name in GLOBAL_NAMES
        }

    @cached_property
    def objects(self) -> list[ObjectDifference]:
        """Every object of both reports, the largest gain of the first one at the top."""
        others = self.second.per_object
        rows = [
            ObjectDifference(name=name, first=_means(numbers), second=_means(others[name]))
            for name, numbers in self.first.per_object.items()
            if name in others
        ]
        return sorted(rows, key=lambda row: -row.difference["J&F-Mean"])

    def to_json(self) -> dict[str, Any]:
        """Return the other's numbers and the differences as plain dictionaries."""
        return {
            "results": str(self.second.results),
            **self.second.to_json(),
            "difference": {
                "global": self.global_difference,
                "per_object": {row.name: row.difference for row in self.objects},
            },
        }


def _means(numbers: dict[str, float]) -> dict[str, float]:
    means = {name: numbers[name] for name in ("J-Mean", "F-Mean")}
    return {"J&F-Mean": sum(means.values()) / 2, **means}
