"""An evaluation beside others: other results, object by object, and the published row of its networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import yaml

from sfc_cli.evaluation.report import GLOBAL_NAMES, Report
from sfc_cli.settings.locations import assets_folder


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
class Comparison:
    """A report and another one on the same truth."""

    first: Report
    second: Report

    @property
    def global_difference(self) -> dict[str, float]:
        """The first's seven numbers minus the second's."""
        return {
            name: self.first.global_scores[name] - self.second.global_scores[name] for name in GLOBAL_NAMES
        }

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
