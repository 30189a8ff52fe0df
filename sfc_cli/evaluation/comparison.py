"""An evaluation beside others: other results, object by object, and the published row of its networks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import yaml

from sfc_cli.data.sequence_names import in_short
from sfc_cli.evaluation.bootstrap import interval, interval_of_means
from sfc_cli.evaluation.report import Rates, Report
from sfc_cli.evaluation.saved_scores import SavedScores
from sfc_cli.settings.locations import assets_folder

_MOST_LISTED = 5


@dataclass(frozen=True, kw_only=True)
class ObjectDifference:
    """An object's mean scores in both reports, and the first minus the second."""

    name: str
    first: dict[str, float]
    second: dict[str, float]

    @property
    def difference(self) -> dict[str, float]:
        """The first minus the second, for J&F-Mean, J-Mean and F-Mean."""
        return {name: self.first[name] - self.second[name] for name in self.first}


@dataclass(frozen=True, kw_only=True)
class _Beside:
    """Scores beside others on the same truth.

    Args:
        first: The scores.
        second: The others, or what an earlier evaluation saved of them.
        label: The letter of the others in tables and curves; the first are A.
    """

    first: Report | Rates
    second: Report | Rates | SavedScores
    label: str = "B"

    @property
    def global_difference(self) -> dict[str, float]:
        """The first's numbers minus the second's, of those that both have."""
        second = self.second.global_scores
        return {
            name: value - second[name] for name, value in self.first.global_scores.items() if name in second
        }

    def caveats_over(self, first: Collection[str], second: Collection[str]) -> list[str]:
        """Return why the two are not the same measurement, given the names of what each has scored."""
        return [
            *_other_facts(self.first.facts, self.second.facts, self.label),
            *_other_names(first, second, self.label),
        ]


@dataclass(frozen=True, kw_only=True)
class Comparison(_Beside):
    """A report of masks beside another one."""

    first: Report
    second: Report | SavedScores

    @cached_property
    def objects(self) -> list[ObjectDifference]:
        """Every object of both reports, the largest gain of the first report at the top."""
        others = self.second.per_object
        rows = [
            ObjectDifference(name=name, first=_means(numbers), second=_means(others[name]))
            for name, numbers in self.first.per_object.items()
            if name in others
        ]
        return sorted(rows, key=lambda row: -row.difference["J&F-Mean"])

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference in J&F-Mean over the objects of both, see ``bootstrap``."""
        by_sequence: dict[str, list[float]] = {}
        for row in self.objects:
            sequence = row.name.rsplit("_", 1)[0]
            by_sequence.setdefault(sequence, []).append(row.difference["J&F-Mean"])
        return interval_of_means(by_sequence)

    @property
    def caveats(self) -> list[str]:
        """Why the two are not the same measurement, a sentence each; empty if they are."""
        return self.caveats_over(self.first.per_object, self.second.per_object)

    def to_json(self) -> dict[str, Any]:
        """Return the other's numbers and the differences as plain dictionaries."""
        return {
            "label": self.label,
            "results": str(self.second.results),
            "global": self.second.global_scores,
            "per_object": self.second.per_object,
            "difference": {
                "global": self.global_difference,
                "interval": self.interval,
                "per_object": {row.name: row.difference for row in self.objects},
            },
            "caveats": self.caveats,
        }


@dataclass(frozen=True, kw_only=True)
class RatesComparison(_Beside):
    """Rates of joints or classes beside others."""

    first: Rates
    second: Rates | SavedScores

    @cached_property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % interval of the difference in the first number, videos resampled in pairs."""
        mine, theirs = self.first.sequence_counts, self.second.sequence_counts
        names = [name for name in mine if name in theirs and mine[name].shape == theirs[name].shape]
        if not names or self.first.score_of is None:
            return None
        score = self.first.score_of
        parts = np.stack([np.stack((mine[name], theirs[name])) for name in names])  # [n, 2, …]
        return interval(parts, lambda totals: score(totals[:, 0]) - score(totals[:, 1]))

    @property
    def caveats(self) -> list[str]:
        """Why the two are not the same measurement, a sentence each; empty if they are."""
        return self.caveats_over(self.first.sequence_counts, self.second.sequence_counts)

    def to_json(self) -> dict[str, Any]:
        """Return the others' numbers and the differences as plain dictionaries."""
        return {
            "label": self.label,
            "results": str(self.second.results),
            "global": self.second.global_scores,
            "difference": {"global": self.global_difference, "interval": self.interval},
            "caveats": self.caveats,
        }


def _other_facts(first: Sequence[str], second: Sequence[str], label: str) -> list[str]:
    return [
        f"{label} was scored otherwise: {theirs}, and A: {own}."
        for own, theirs in zip(first, second, strict=False)
        if own != theirs
    ]


def _other_names(first: Collection[str], second: Collection[str], label: str) -> list[str]:
    alone = [f"A alone has {name}" for name in first if name not in second]
    alone += [f"{label} alone has {name}" for name in second if name not in first]
    return [f"Not in both, and not compared one by one: {in_short(alone, _MOST_LISTED)}."] if alone else []


def _means(numbers: dict[str, float]) -> dict[str, float]:
    means = {name: numbers[name] for name in ("J-Mean", "F-Mean")}
    return {"J&F-Mean": sum(means.values()) / 2, **means}


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published row beside a run.

    Args:
        networks: The networks of the row, in words.
        scores: The seven published numbers.
        caveats: Why the two are not the same experiment, a phrase each; empty if they are.
    """

    networks: str
    scores: Mapping[str, float]
    caveats: Sequence[str]


def published_for(report: Report) -> Published | None:
    """Find the published row of the networks that a run used.

    Returns:
        The row; None if the run does not name its networks or no row has them.
    """
    content = _published_content()
    settings = report.run.get("settings") or {}
    for row in content["rows"]:
        if all(settings.get(role) == row["settings"][role] for role in ("fc", "semantic")):
            return Published(
                networks=_networks(row["settings"]),
                scores=row["scores"],
                caveats=[
                    *_other_protocol(settings),
                    *_other_settings(settings, row["settings"]),
                    *_other_scope(report, content),
                ],
            )
    return None


def known_networks() -> list[str]:
    """Return the networks that published rows exist for, in words."""
    return [_networks(row["settings"]) for row in _published_content()["rows"]]


def _published_content() -> Any:
    return yaml.safe_load((assets_folder() / "published.yaml").read_text(encoding="utf-8"))


def _networks(settings: Mapping[str, Any]) -> str:
    return " + ".join(settings[role] for role in ("fc", "semantic") if settings[role])


def _other_protocol(own: Mapping[str, Any]) -> list[str]:
    # Runs of versions that had no other protocol do not name theirs.
    protocol = own.get("protocol", "published")
    return [] if protocol == "published" else [f"the run follows the {protocol} protocol"]


def _other_settings(own: Mapping[str, Any], published: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} is {own.get(name)}, published {value}"
        for name, value in published.items()
        if own.get(name) != value
    ]


def _other_scope(report: Report, content: Mapping[str, Any]) -> list[str]:
    caveats = []
    if (report.benchmark, report.split) != (content["benchmark"], content["split"]):
        caveats.append(
            f"scored on {report.benchmark} {report.split}, "
            f"published on {content['benchmark']} {content['split']}"
        )
    own = (len(report.sequences), len(report.objects))
    if own != (content["sequences"], content["objects"]):
        caveats.append(
            f"over {own[0]} sequences and {own[1]} objects, published over {content['sequences']} and "
            f"{content['objects']}"
        )
    return caveats
