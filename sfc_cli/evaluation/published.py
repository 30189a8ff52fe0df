"""The published row that belongs to a run, and how the run differs from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from sfc_cli.evaluation.report import Report
from sfc_cli.settings.locations import assets_folder


@dataclass(frozen=True, kw_only=True)
class Published:
    """A published row beside a run.

    Args:
        networks: The networks of the row, in words.
        scores: The seven published numbers.
        caveats: Why the two are not the same experiment, a phrase each; empty where they are.
    """

    networks: str
    scores: Mapping[str, float]
    caveats: Sequence[str]


def published_for(report: Report) -> Published | None:
    """Find the published row of the networks that a run used.

    Returns:
        The row; None where the run says nothing of its networks or no row has them.
    """
    content = yaml.safe_load((assets_folder() / "published.yaml").read_text(encoding="utf-8"))
    settings = report.run.get("settings")
    if not isinstance(settings, dict):
        return None
    for row in content["rows"]:
        if all(settings.get(role) == row["settings"][role] for role in ("fc", "semantic")):
            return Published(
                networks=_networks(row["settings"]),
                scores=row["scores"],
                caveats=[*_other_settings(settings, row["settings"]), *_other_scope(report, content)],
            )
    return None


def known_networks() -> list[str]:
    """Return the networks that published rows exist for, in words."""
    content = yaml.safe_load((assets_folder() / "published.yaml").read_text(encoding="utf-8"))
    return [_networks(row["settings"]) for row in content["rows"]]


def _networks(settings: Mapping[str, Any]) -> str:
    return " + ".join(settings[role] for role in ("fc", "semantic") if settings[role])


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
