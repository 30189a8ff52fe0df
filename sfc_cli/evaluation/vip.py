"""VIP body parts: the mean intersection over union of the classes, counted over all pixels of all videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.vip import PART_NAMES, VipDataset
from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.plan import FrameJob, Progress, SequencePlan, split_into_jobs
from sfc_cli.evaluation.preflight import check_files, check_results_folder, note_missing_sequence
from sfc_cli.evaluation.problems import Problems
from sfc_cli.evaluation.rates import Rates
from sfc_cli.evaluation.workers import run_jobs

Counts = npt.NDArray[np.int64]

_FRAMES_PER_JOB = 8
_CLASSES = len(PART_NAMES)


@dataclass(frozen=True)
class _JobCounts:
    counts: Counts
    strangers: dict[int, Path]


def evaluate_vip(
    data: Path | str,
    results: Path | str,
    split: str = "val",
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    on_progress: Progress | None = None,
) -> Rates:
    """Score propagated body parts by the mean IoU of their classes, as the correspondence literature does.

    Every annotated frame counts, the given first one too. Pixels whose true id is no class (20 and above) do
    not count. A class that is neither in the truth nor in the results has no IoU and stays out of the mean.

    Args:
        data: The data set's folder, in the VIP layout.
        results: The folder with ``<video>/<frame>.png`` of category ids, at the annotations' size.
        split: The list of videos; all annotated videos where there is none.
        sequences: Score only these videos.
        workers: How many processes; None for one a core.
        on_progress: Called with the frames done and the frames in all.

    Raises:
        InputError: If a file is missing, damaged or does not fit; all such files are found before scoring.
    """
    data, results = Path(data), Path(results)
    dataset = VipDataset(root=data)
    names = dataset.sequences(split, sequences)
    check_results_folder(results)
    problems = Problems()
    plans = []
    for name in names:
        try:
            plans.append(_plan(dataset, name, results, problems))
        except InputError as error:
            problems.add_error(name, error)
    check_files(plans, problems)
    problems.raise_if_any()
    counts = _count(plans, workers, on_progress, problems)
    problems.raise_if_any()
    rates = class_rates(counts)
    return Rates(
        benchmark=f"VIP {split}",
        data=data,
        results=results,
        sequences=len(plans),
        frames=sum(len(plan.frames) for plan in plans),
        global_scores={"mIoU": float(np.nanmean(rates))},
        each="class",
        rows={name: {"mIoU": float(rate)} for name, rate in zip(PART_NAMES, rates, strict=True)},
        warnings=["The results equal the truth: is --results the annotations?"]
        if counts.sum() == np.trace(counts)
        else [],
    )


def class_rates(counts: Counts) -> npt.NDArray[np.float64]:
    """Return each class's IoU from pixel counts [true, found class]; NaN for a class that is nowhere."""
    both = np.diag(counts)
    either = counts.sum(axis=0) + counts.sum(axis=1) - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def count_job(job: FrameJob) -> _JobCounts:
    """Count pixels by true and found class over a few frames; runs in a worker process."""
    counts = np.zeros(_CLASSES * _CLASSES, np.int64)
    strangers: dict[int, Path] = {}
    for truth_path, result_path in zip(job.truth, job.results, strict=True):
        truth, result = decode_ids(truth_path), decode_ids(result_path)
        if int(result.max()) >= _CLASSES:
            strangers.setdefault(int(result.max()), result_path)
            continue
        known = truth < _CLASSES
        pairs = truth[known].astype(np.int64) * _CLASSES + result[known]
        counts += np.bincount(pairs, minlength=_CLASSES * _CLASSES)
    return _JobCounts(counts.reshape(_CLASSES, _CLASSES), strangers)


def _count(
    plans: Sequence[SequencePlan], workers: int | None, on_progress: Progress | None, problems: Problems
) -> Counts:
    jobs = split_into_jobs(plans, _FRAMES_PER_JOB)
    counts = np.zeros((_CLASSES, _CLASSES), np.int64)
    done, total = 0, sum(len(job.truth) for job in jobs)
    for index, part in run_jobs(count_job, jobs, workers):
        counts += part.counts
        done += len(jobs[index].truth)
        if on_progress is not None:
            on_progress(done, total)
        for identity, path in part.strangers.items():
            message = f"{path} holds id {identity}, but the classes are 0 to {_CLASSES - 1}."
            problems.add("ids", path.parent.name, message, "Check that the results belong to this data set.")
    return counts


def _plan(dataset: VipDataset, name: str, results: Path, problems: Problems) -> SequencePlan:
    truth = tuple(dataset.annotations(name))
    folder = results / name
    is_there = folder.is_dir() and any(folder.glob("*.png"))
    if not is_there:
        note_missing_sequence(folder, name, problems, may_be_allowed=False)
    return SequencePlan(
        name=name,
        objects=tuple(range(_CLASSES)),
        frames=tuple(path.stem for path in truth),
        folder=folder,
        truth=truth,
        results=tuple(folder / path.name for path in truth) if is_there else None,
        starts=(0,) * _CLASSES,
    )
