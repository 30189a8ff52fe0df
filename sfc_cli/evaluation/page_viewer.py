"""What the page's large curves are drawn from: numbers of every frame and run, pictures of some frames."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import Ids
from sfc_cli.evaluation.comparison import Comparison, RatesComparison
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.measures import Curve
from sfc_cli.evaluation.page_pictures import as_scored, blended_data, frame_picture, proposal_table
from sfc_cli.evaluation.report import FrameCurves, JointPlan, Rates, Report
from sfc_cli.evaluation.sequence_plan import SequencePlan
from sfc_cli.evaluation.workers import in_processes

# Pictures of all runs and the truth together: more would make the page too heavy to open.
MOST_PICTURES = 600
_WIDTH = 288
_DIGITS = 4
_FRAMES_PER_JOB = 4
_MEAN = "mean of objects"


@dataclass(frozen=True, kw_only=True)
class PictureJob:
    """A few frames of a sequence to show: the truth and every run's result over the frame itself."""

    sequence: str
    plan: SequencePlan
    frames: tuple[int, ...]
    results: tuple[tuple[Path, ...], ...]
    proposals: tuple[Mapping[int | None, int] | None, ...]


@dataclass(frozen=True, kw_only=True)
class _ShownRun:
    """A run's masks, by sequence, and what its proposals were matched with, where they were."""

    plans: Mapping[str, SequencePlan]
    proposals: Mapping[str, Mapping[int | None, int] | None]

    @classmethod
    def of(cls, report: Report) -> _ShownRun:
        plans = {plan.name: plan for plan in report.sequences}
        matched = {name: proposal_table(report.objects, plan) for name, plan in plans.items()}
        return cls(plans=plans, proposals=matched)


def viewer(data: Mapping[str, Any]) -> str:
    """Return the section with the large curves; it stays hidden where scripts do not run."""
    text = json.dumps(data, separators=(",", ":")).replace("</", "<\\/")
    return (
        '<section class="viewer with-script" hidden><h2>Over time</h2><p class="quiet">Point at a frame, or '
        "use the arrow keys, to see it. Frames without a picture of their own show the nearest one.</p>"
        '<div class="choices"></div><div class="chart" tabindex="0" role="img" '
        'aria-label="The scores of every frame"></div><p class="at" aria-live="polite"></p>'
        '<div class="shown"></div></section>'
        f'<script type="application/json" id="curves">{text}</script>'
    )


def mask_data(
    report: Report, comparisons: Sequence[Comparison], workers: int | None = None
) -> dict[str, Any]:
    """Collect the curves of every object and run, and pictures of as many frames as fit."""
    runs = [report.curves, *(comparison.second.curves for comparison in comparisons)]
    shown = [_ShownRun.of(report)]
    shown += [_ShownRun.of(each.second) for each in comparisons if isinstance(each.second, Report)]
    labels = ["A", *(each.label for each in comparisons if isinstance(each.second, Report))]
    worst: dict[str, set[int]] = {}
    for scores in report.objects:
        frame = scores.frames[int(np.argmin(scores.region + scores.boundary))]
        worst.setdefault(scores.sequence, set()).add(shown[0].plans[scores.sequence].frames.index(frame))
    pictures = _pictures(shown, worst, workers)
    groups = []
    for plan in report.sequences:
        own = [scores.name for scores in report.objects if scores.sequence == plan.name]
        rows = [_row(name, plan.frames, [run.get(name) for run in runs], _with_both) for name in own]
        if len(rows) > 1:
            rows.insert(0, _mean_row(rows))
        groups.append(
            {
                "name": plan.name,
                "frames": plan.frames,
                "rows": rows,
                "pictures": pictures.get(plan.name, {}),
            }
        )
    return {
        "runs": ["A", *(comparison.label for comparison in comparisons)],
        "measures": ["J&F", "J", "F"],
        "captions": _captions(labels),
        "sequences": groups,
    }


def _captions(labels: Sequence[str]) -> list[str]:
    return ["truth", *(f"result {label}" if len(labels) > 1 else "result" for label in labels)]


def rates_data(
    rates: Rates, comparisons: Sequence[RatesComparison], workers: int | None = None
) -> dict[str, Any]:
    """Collect curves and pictures of every sequence and run of a benchmark that rates joints or classes."""
    others = [(each.second, each.label) for each in comparisons if isinstance(each.second, Rates)]
    shown = [
        _ShownRun(plans={plan.name: plan for plan in each.plans}, proposals={})
        for each in (rates, *(other for other, _ in others))
    ]
    pictures = _pictures(shown, {}, workers)
    pictures.update(_joint_pictures([rates.joints, *(other.joints for other, _ in others)], workers))
    runs = [rates.curves, *(comparison.second.curves for comparison in comparisons)]
    groups = [
        {
            "name": name,
            "frames": curves.frames,
            "rows": [_row(name, curves.frames, [run.get(name) for run in runs], dict)],
            "pictures": pictures.get(name, {}),
        }
        for name, curves in rates.curves.items()
    ]
    return {
        "runs": ["A", *(comparison.label for comparison in comparisons)],
        "measures": list(rates.global_scores),
        "captions": _captions(["A", *(label for _, label in others)]),
        "sequences": groups,
    }


def _with_both(values: Mapping[str, Curve]) -> dict[str, Curve]:
    return {"J&F": (values["J"] + values["F"]) / 2, **values}


def _row(
    name: str, frames: Sequence[str], runs: Sequence[FrameCurves | None], measures: Any
) -> dict[str, Any]:
    """Return one object's or sequence's values of every run, None where a frame does not count."""
    found: list[dict[str, list[float | None]]] = []
    for run in runs:
        values = {} if run is None else measures(run.values)
        at = {} if run is None else {frame: index for index, frame in enumerate(run.frames)}
        found.append(
            {
                key: [_rounded(float(curve[at[frame]])) if frame in at else None for frame in frames]
                for key, curve in values.items()
            }
        )
    return {"name": name, "runs": found}


def _mean_row(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    runs = []
    for number in range(len(rows[0]["runs"])):
        own = [row["runs"][number] for row in rows if row["runs"][number]]
        keys = own[0] if own else ()
        runs.append(
            {key: [_mean(at) for at in zip(*(each[key] for each in own), strict=True)] for key in keys}
        )
    return {"name": _MEAN, "runs": runs}


def _mean(values: Sequence[float | None]) -> float | None:
    counted = [value for value in values if value is not None]
    return _rounded(sum(counted) / len(counted)) if counted else None


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, _DIGITS)


def _pictures(
    runs: Sequence[_ShownRun], worst: Mapping[str, Collection[int]], workers: int | None
) -> dict[str, dict[int, list[str]]]:
    """Return pictures of some frames, by sequence and index of the frame: the truth, then each result.

    Args:
        runs: What to show; the first one names the sequences and frames.
        worst: Frames that are shown in any case, by sequence.
        workers: How many processes; None for one a core.
    """
    jobs = []
    total = sum(len(plan.frames) for plan in runs[0].plans.values()) if runs else 0
    step = _step(total, len(runs))
    for name, plan in runs[0].plans.items() if runs else ():
        own = [run.plans.get(name) for run in runs]
        if not all(each is not None and each.results and each.frames == plan.frames for each in own):
            continue
        chosen = sorted({*range(0, len(plan.frames), step), *worst.get(name, ())})
        jobs += [
            PictureJob(
                sequence=name,
                plan=plan,
                frames=tuple(chosen[at : at + _FRAMES_PER_JOB]),
                results=tuple(each.results for each in own if each is not None and each.results),
                proposals=tuple(run.proposals.get(name) for run in runs),
            )
            for at in range(0, len(chosen), _FRAMES_PER_JOB)
        ]
    found: dict[str, dict[int, list[str]]] = {}
    for index, pictures in in_processes(make_pictures, jobs, workers):
        job = jobs[index]
        found.setdefault(job.sequence, {}).update(zip(job.frames, pictures, strict=True))
    return found


def _step(frames: int, runs: int) -> int:
    """Return how many frames apart pictures must be, so that there are not too many."""
    return max(math.ceil(frames * (1 + runs) / MOST_PICTURES), 1)


def make_pictures(job: PictureJob) -> list[list[str]]:
    """Draw the pictures of a few frames; runs in a worker process."""
    pictures = []
    for index in job.frames:
        truth = decode_ids(job.plan.truth[index])
        picture = frame_picture(job.plan, job.plan.frames[index], truth.shape[:2])
        masks = [as_scored(truth, job.plan)]
        masks += [
            as_scored(decode_ids(paths[index]), job.plan, matched)
            for paths, matched in zip(job.results, job.proposals, strict=True)
        ]
        pictures.append([blended_data(picture, mask, _WIDTH)[0] for mask in masks])
    return pictures


@dataclass(frozen=True, kw_only=True)
class _JointJob:
    sequence: str
    at: tuple[int, ...]
    frames: tuple[Path, ...]
    joints: tuple[Curve, ...]


def _joint_pictures(
    runs: Sequence[Mapping[str, JointPlan]], workers: int | None
) -> dict[str, dict[int, list[str]]]:
    """Return pictures of some frames with their joints, see ``_pictures``."""
    step = _step(sum(len(plan.frames) for plan in runs[0].values()), len(runs))
    jobs = []
    for name, plan in runs[0].items():
        own = [run[name] for run in runs if name in run]
        at = tuple(range(0, len(plan.frames), step))
        if len(own) == len(runs):
            joints = (plan.truth[list(at)], *(each.found[list(at)] for each in own))
            frames = tuple(plan.frames[index] for index in at)
            jobs.append(_JointJob(sequence=name, at=at, frames=frames, joints=joints))
    parts = dict(in_processes(_draw_joints, jobs, workers))
    return {job.sequence: dict(zip(job.at, parts[index], strict=True)) for index, job in enumerate(jobs)}


def _draw_joints(job: _JointJob) -> list[list[str]]:
    drawn = []
    for number, path in enumerate(job.frames):
        picture = read_frame(path)
        masks = [joint_dots(each[number], picture.shape[:2]) for each in job.joints]
        drawn.append([blended_data(picture, mask, _WIDTH)[0] for mask in masks])
    return drawn


def joint_dots(joints: Curve, size: tuple[int, ...]) -> Ids:
    """Return a mask with a dot for each joint in the frame, each with an id of its own.

    Args:
        joints: In pixels, x and y, [J, 2].
        size: The frame's height and width.
    """
    mask = np.zeros(size, np.uint8)
    radius = max(round(max(size) / 80), 2)
    for index, (x, y) in enumerate(joints.tolist()):
        # Neither lost, which is NaN, nor outside.
        if 0 <= x < size[1] and 0 <= y < size[0]:
            cv2.circle(mask, (round(x), round(y)), radius, index + 1, -1)
    return mask


def downloads(files: Mapping[str, str]) -> str:
    """Return links that save files which the page holds.

    Args:
        files: Their contents by name.
    """
    links = []
    for name, content in files.items():
        kind = "text/csv" if name.endswith(".csv") else "application/x-tex"
        data = base64.b64encode(content.encode("utf-8")).decode("ascii")
        links.append(f'<a download="{escape(name)}" href="data:{kind};base64,{data}">{escape(name)}</a>')
    return f'<p class="downloads">Download: {" ".join(links)}</p>'
