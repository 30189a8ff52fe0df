"""The outcome of an evaluation: scores per frame, their statistics per object, and the global numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.evaluation.measures import Curve, Flags
from sfc_cli.evaluation.scoring_protocols import EVERY_FRAME, ScoringProtocol
from sfc_cli.evaluation.sequence_plan import SequencePlan
from sfc_cli.version import __version__

OBJECT_NAMES = ("J-Mean", "J-Recall", "J-Decay", "F-Mean", "F-Recall", "F-Decay")
GLOBAL_NAMES = ("J&F-Mean", *OBJECT_NAMES)
_RECALL_ABOVE = 0.5
_QUARTERS = 4


@dataclass(frozen=True, kw_only=True)
class FrameCurves:
    """Measures of each frame, of an object or of a sequence.

    Args:
        frames: The names of the n frames.
        values: The measures by name, [n] each.
    """

    frames: tuple[str, ...]
    values: Mapping[str, Curve]


@dataclass(frozen=True, kw_only=True)
class ObjectScores:
    """One object's J and F in every scored frame.

    Args:
        sequence: The sequence's name.
        identity: The object's id in the annotations.
        frames: The names of the scored frames, n of them.
        region: J per frame, [n].
        boundary: F per frame, [n].
        shown: Whether the truth shows the object in the frame, [n]; None if that is not known.
        matched: The id of the object's proposal, if proposals were matched.
        extras: What was measured besides, by name; NaN where there is nothing to measure.
    """

    sequence: str
    identity: int
    frames: tuple[str, ...]
    region: Curve
    boundary: Curve
    shown: Flags | None = None
    matched: int | None = None
    extras: Mapping[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The object's name in every table: ``<sequence>_<id>``."""
        return f"{self.sequence}_{self.identity}"

    @cached_property
    def statistics(self) -> dict[str, float]:
        """The object's six numbers under their official names."""
        return object_statistics(self.region, self.boundary)


@dataclass(frozen=True, kw_only=True)
class Report:
    """The scores of one set of results. ``report["global"]`` and ``report["per_object"]`` read like the JSON.

    Args:
        benchmark: What was scored, in words.
        split: The split's name.
        data: The folder of the truth.
        results: The folder of the results.
        protocol: Which frames and objects count.
        sequences: What was scored.
        objects: Every object's scores, in the order of the sequences.
        missing: Sequences without results, scored as zero.
        lacking_truth: Frames that should have an annotation and do not, by sequence; they do not count.
        warnings: What is odd about the results, a sentence each.
        run: The content of the results' ``run.json``; empty if there is none that can be read.
    """

    benchmark: str
    split: str
    data: Path
    results: Path
    protocol: ScoringProtocol = EVERY_FRAME
    sequences: Sequence[SequencePlan]
    objects: Sequence[ObjectScores]
    missing: Sequence[str] = ()
    lacking_truth: Mapping[str, Sequence[str]] = field(default_factory=dict)
    warnings: Sequence[str] = ()
    run: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def global_scores(self) -> dict[str, float]:
        """The seven global numbers under their official names, then what was measured besides."""
        numbers = global_statistics([scores.statistics for scores in self.objects])
        return {**numbers, **self._extra_means}

    @cached_property
    def _extra_means(self) -> dict[str, float]:
        means = {}
        for name in self.extra_names:
            values = [scores.extras[name] for scores in self.objects if not math.isnan(scores.extras[name])]
            if values:
                means[name] = float(np.mean(values))
        return means

    @property
    def extra_names(self) -> tuple[str, ...]:
        """The names of what was measured besides."""
        return tuple(self.objects[0].extras) if self.objects else ()

    @property
    def per_object(self) -> dict[str, dict[str, float]]:
        """Every object's six numbers, by ``<sequence>_<id>``, then what could be measured besides."""
        return {
            scores.name: {
                **scores.statistics,
                **{name: value for name, value in scores.extras.items() if not math.isnan(value)},
            }
            for scores in self.objects
        }

    @cached_property
    def per_sequence(self) -> dict[str, dict[str, float]]:
        """Every sequence's means over its objects: J&F-Mean, J-Mean and F-Mean."""
        grouped: dict[str, list[ObjectScores]] = {}
        for scores in self.objects:
            grouped.setdefault(scores.sequence, []).append(scores)
        return {name: sequence_means(objects) for name, objects in grouped.items()}

    @property
    def curves(self) -> dict[str, FrameCurves]:
        """J and F of every frame, by object."""
        return {
            scores.name: FrameCurves(frames=scores.frames, values={"J": scores.region, "F": scores.boundary})
            for scores in self.objects
        }

    @property
    def facts(self) -> tuple[str, ...]:
        """Benchmark, split and scoring protocol, which must be the same in what is compared."""
        return protocol_facts(self.provenance())

    @property
    def sequence_count(self) -> int:
        """How many sequences were scored."""
        return len(self.sequences)

    @property
    def frame_count(self) -> int:
        """How many frames were scored."""
        return sum(len(plan.frames) for plan in self.sequences)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain dictionaries.

        ``missing`` is there only if a sequence has no results, ``lacking_truth`` if frames have no truth.
        """
        content: dict[str, Any] = {
            "global": self.global_scores,
            "per_object": self.per_object,
        }
        if self.missing:
            content["missing"] = list(self.missing)
        if self.lacking_truth:
            content["lacking_truth"] = {name: list(frames) for name, frames in self.lacking_truth.items()}
        return content

    def provenance(self) -> dict[str, Any]:
        """Return what the numbers come from: benchmark, protocol, folders, run, version, date, warnings."""
        return {
            "benchmark": self.benchmark,
            "scoring_protocol": self.protocol.to_json(),
            "split": self.split,
            **_origin(self.data, self.results, self.run, self.warnings),
            "counted": {
                "sequences": len(self.sequences),
                "objects": len(self.objects),
                "frames": self.frame_count,
            },
        }

    def __getitem__(self, key: str) -> Any:
        return self.to_json()[key]


def protocol_facts(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """Return what must be the same in scores that are compared, as words; empty if they do not say it."""
    if "benchmark" not in provenance:
        return ()
    protocol = provenance.get("scoring_protocol", {})
    bound = f", F within {protocol['boundary']}" if "boundary" in protocol else ""
    return (
        f"{provenance['benchmark']} {provenance.get('split', '')}".strip(),
        f"scoring protocol {protocol.get('name')}{bound}",
    )


def _origin(data: Path, results: Path, run: Mapping[str, Any], warnings: Sequence[str]) -> dict[str, Any]:
    return {
        "data": str(data.absolute()),
        "results": str(results.absolute()),
        "run": dict(run) or None,
        "sfc": __version__,
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "warnings": list(warnings),
    }


@dataclass(frozen=True, kw_only=True)
class JointPlan:
    """The scored frames of a video and its joints in them, to be drawn.

    Args:
        frames: The files of the n frames.
        truth: In pixels, [n, J, 2].
        found: In pixels, [n, J, 2]; NaN where a joint was lost.
    """

    frames: tuple[Path, ...]
    truth: Curve
    found: Curve


@dataclass(frozen=True, kw_only=True)
class Rates:
    """The outcome of a benchmark that rates joints or classes instead of objects over time.

    Args:
        benchmark: What was scored, in words.
        data: The folder of the truth.
        results: The folder of the results.
        sequences: How many sequences were scored.
        frames: How many frames were scored.
        global_scores: The global numbers by name.
        each: What a row stands for: ``joint`` or ``class``.
        rows: The numbers of each row, by its name.
        warnings: What is odd about the results, a sentence each.
        split: The split's name.
        counted: Which frames count and what is measured, in words.
        run: The content of the results' ``run.json``; empty if there is none that can be read.
        per_sequence: The numbers of each sequence, by its name.
        curves: The numbers of each frame, by sequence.
        sequence_counts: What each sequence adds to the counts that the first global number is made of.
        score_of: Makes that number of such counts, [r, …] to [r].
        plans: The sequences' masks, if that is what was scored.
        joints: The videos' joints, by name, if that is what was scored; without those whose frames are gone.
    """

    benchmark: str
    data: Path
    results: Path
    sequences: int
    frames: int
    global_scores: Mapping[str, float]
    each: str
    rows: Mapping[str, Mapping[str, float]]
    warnings: Sequence[str] = ()
    split: str = ""
    counted: str = ""
    run: Mapping[str, Any] = field(default_factory=dict)
    per_sequence: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    curves: Mapping[str, FrameCurves] = field(default_factory=dict)
    sequence_counts: Mapping[str, npt.NDArray[np.int64]] = field(default_factory=dict)
    score_of: Callable[[npt.NDArray[Any]], Curve] | None = None
    plans: Sequence[SequencePlan] = ()
    joints: Mapping[str, JointPlan] = field(default_factory=dict)

    @property
    def facts(self) -> tuple[str, ...]:
        """See ``Report.facts``."""
        return protocol_facts(self.provenance())

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain dictionaries; None if there was nothing to rate."""
        rows = {
            name: {key: None if math.isnan(value) else value for key, value in numbers.items()}
            for name, numbers in self.rows.items()
        }
        return {"global": dict(self.global_scores), f"per_{self.each}": rows}

    def provenance(self) -> dict[str, Any]:
        """Return what the numbers come from, see ``Report.provenance``."""
        return {
            "benchmark": self.benchmark,
            "scoring_protocol": {"name": self.benchmark.split()[0].lower(), "frames": self.counted},
            "split": self.split,
            **_origin(self.data, self.results, self.run, self.warnings),
            "counted": {"sequences": self.sequences, "frames": self.frames},
        }

    def __getitem__(self, key: str) -> Any:
        return self.to_json()[key]


def recall(curve: Curve) -> float:
    """Return the share of frames that score above one half, [n] to a number."""
    return float(np.mean(curve > _RECALL_ABOVE))


def decay(curve: Curve) -> float:
    """Return how much the score falls over time: the first quarter's mean minus the last quarter's, [n].

    The quarters end at whole frames, and each end belongs to both of its quarters.

    Note:
        The official tool stores the ends in 8 bits and mixes up the quarters of videos longer than 256
        frames; here they are whole numbers.
    """
    # The small addend rounds exact halves upwards, where NumPy alone would round to even.
    ends = np.round(np.linspace(1, len(curve), _QUARTERS + 1) + 1e-10).astype(np.int64) - 1
    first, last = curve[: ends[1] + 1], curve[ends[-2] : ends[-1] + 1]
    return float(np.mean(first) - np.mean(last))


def sequence_means(objects: Sequence[ObjectScores]) -> dict[str, float]:
    """Return the means of J&F, J and F over a sequence's objects, at least one."""
    means = {
        name: float(np.mean([scores.statistics[name] for scores in objects])) for name in ("J-Mean", "F-Mean")
    }
    return {"J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2, **means}


def object_statistics(region: Curve, boundary: Curve) -> dict[str, float]:
    """Return an object's six numbers from its J and F of every frame, [n] each, n ≥ 1."""
    values = [
        value
        for curve in (region, boundary)
        for value in (float(np.mean(curve)), recall(curve), decay(curve))
    ]
    return dict(zip(OBJECT_NAMES, values, strict=True))


def global_statistics(objects: Collection[Mapping[str, float]]) -> dict[str, float]:
    """Return the seven global numbers: means over all objects of all sequences, at least one."""
    means = {name: float(np.mean([numbers[name] for numbers in objects])) for name in OBJECT_NAMES}
    return {"J&F-Mean": (means["J-Mean"] + means["F-Mean"]) / 2, **means}
