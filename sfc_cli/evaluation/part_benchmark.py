"""VIP body parts: the mean intersection over union of the classes, counted over all pixels of all videos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.videos.images import natural_order
from sfc_cli.data.vip import PART_NAMES, VipDataset
from sfc_cli.errors import InputError
from sfc_cli.evaluation.completeness import (
    known_frames,
    note_lacking_truth,
    warnings_about_frames,
    warnings_about_sequences,
)
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.measures import Curve
from sfc_cli.evaluation.report import FrameCurves, Rates
from sfc_cli.evaluation.sequence_plan import (
    Problems,
    SequencePlan,
    check_files,
    check_results_folder,
    plan_all,
    record_of,
    set_missing_aside,
)
from sfc_cli.evaluation.whereabouts import did_you_mean, holds_folder
from sfc_cli.evaluation.workers import FrameJob, work_on_frames
from sfc_cli.files import inside
from sfc_cli.progress import Progress

Counts = npt.NDArray[np.int64]

_CLASSES = len(PART_NAMES)


def evaluate_vip(
    data: Path | str,
    results: Path | str,
    split: str = "val",
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    progress: Progress | None = None,
) -> Rates:
    """Score propagated body parts by the mean IoU of their classes, as the correspondence literature does.

    Every annotated frame counts, the given first one too. Pixels whose true id is not a class (20 and above)
    do not count. A class that is neither in the truth nor in the results has no IoU and is left out of the
    mean.

    Args:
        data: The data set's folder, in the VIP layout.
        results: The folder with ``<video>/<frame>.png`` of category ids, at the annotations' size.
        split: The list of videos; all annotated videos if there is none.
        sequences: Score only these videos.
        workers: How many processes; None for one a core.
        progress: Receives the number of scored frames.

    Raises:
        InputError: If a file is missing, damaged or does not fit; the message names all of them.
    """
    data, results = Path(data), Path(results)
    dataset = VipDataset(root=data)
    if data.is_dir() and not dataset.annotations_root.is_dir():
        guess = did_you_mean("data", data, holds_folder("Annotations/Category_ids"))
        if guess:
            raise InputError(f"Cannot find the annotations: {dataset.annotations_root} is missing.", guess)
    names = dataset.sequences(split, sequences)
    check_results_folder(results)
    problems = Problems()
    plans = plan_all(names, lambda name: _plan(dataset, name, ResultsFolder(results)), problems)
    set_missing_aside(plans, problems, allow_missing=None)
    known = {plan.name: known_frames(plan) for plan in plans}
    note_lacking_truth(plans, known, problems, allow_missing=None)
    check_files(plans, problems)
    problems.raise_if_any()
    frames = _count(plans, workers, progress, problems)
    problems.raise_if_any()
    videos = {plan.name: each.sum(axis=0) for plan, each in zip(plans, frames, strict=True)}
    counts = np.sum(list(videos.values()), axis=0)
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
        warnings=[
            *warnings_about_sequences(results, dataset.sequences(split)),
            *warnings_about_frames(plans, known),
            *(
                ["The results equal the truth. Are they the annotations? Check the results' folder."]
                if counts.sum() == np.trace(counts)
                else []
            ),
        ],
        split=split,
        counted="every annotated frame, the given first one too; pixels of classes 0 to 19",
        run=record_of(results),
        per_sequence={name: {"mIoU": float(_mean_rates(each[None])[0])} for name, each in videos.items()},
        curves={
            plan.name: FrameCurves(frames=plan.frames, values={"mIoU": _mean_rates(each)})
            for plan, each in zip(plans, frames, strict=True)
        },
        sequence_counts=videos,
        score_of=_mean_rates,
        plans=plans,
    )


def class_rates(counts: Counts) -> npt.NDArray[np.float64]:
    """Return each class's IoU from pixel counts [..., true, found class]; NaN for one that occurs nowhere."""
    both = np.diagonal(counts, axis1=-2, axis2=-1)
    either = counts.sum(axis=-2) + counts.sum(axis=-1) - both
    return np.where(either > 0, both / np.maximum(either, 1), np.nan)


def _mean_rates(counts: Counts) -> Curve:
    """Return the mean IoU of each of several counts, [r, true, found class] to [r]."""
    return np.asarray(np.nanmean(class_rates(counts), axis=-1), np.float64)


def count_job(job: FrameJob) -> tuple[Counts, dict[int, Path]]:
    """Count pixels by true and found class in a few frames; runs in a worker process.

    Returns:
        The counts [n, true, found class], and ids beyond the classes in the results, each with a file.
    """
    counts = np.zeros((len(job.truth), _CLASSES * _CLASSES), np.int64)
    strangers: dict[int, Path] = {}
    for index, (truth_path, result_path) in enumerate(zip(job.truth, job.results, strict=True)):
        truth, result = decode_ids(truth_path), decode_ids(result_path)
        if int(result.max()) >= _CLASSES:
            strangers.setdefault(int(result.max()), result_path)
            continue
        known = truth < _CLASSES
        # One number for each pair of true and found class, so that one pass counts them all.
        pairs = truth[known].astype(np.int64) * _CLASSES + result[known]
        counts[index] = np.bincount(pairs, minlength=_CLASSES * _CLASSES)
    return counts.reshape(-1, _CLASSES, _CLASSES), strangers


def _count(
    plans: Sequence[SequencePlan], workers: int | None, progress: Progress | None, problems: Problems
) -> list[Counts]:
    counts = [np.zeros((len(plan.frames), _CLASSES, _CLASSES), np.int64) for plan in plans]
    for job, (part, strangers) in work_on_frames(count_job, plans, workers, progress):
        counts[job.sequence][job.start : job.start + len(part)] = part
        for identity, path in strangers.items():
            message = f"{path} contains id {identity}, but the classes are 0 to {_CLASSES - 1}."
            problems.add("ids", path.parent.name, message, "Check that the results belong to this data set.")
    return counts


def _plan(dataset: VipDataset, name: str, results: ResultsFolder) -> SequencePlan:
    truth = tuple(sorted(dataset.annotations(name), key=natural_order))
    return SequencePlan(
        name=name,
        objects=tuple(range(_CLASSES)),
        frames=tuple(path.stem for path in truth),
        folder=results.masks(name),
        truth=truth,
        results=tuple(results.mask(name, path.stem) for path in truth),
        starts=(0,) * _CLASSES,
        pictures=inside(dataset.base / "Images", name),
    )
