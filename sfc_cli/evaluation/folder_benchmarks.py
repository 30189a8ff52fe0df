"""Folders of masks whose objects may appear in any frame: the YouTube-VOS layout, and any two folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sfc_cli.data.masks import VOID
from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.sequence_names import choose_sequences, files_in, require_split
from sfc_cli.errors import InputError
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.mask_benchmark import evaluate_masks
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.sequence_plan import SequencePlan
from sfc_cli.evaluation.workers import in_processes
from sfc_cli.files import inside
from sfc_cli.progress import Progress

_FRAMES_PER_JOB = 16
_LEAVE_OUT = "Leave it out with `sequences`."


def evaluate_youtube_vos(
    data: Path | str,
    results: Path | str,
    split: str = "valid",
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    allow_missing: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against annotations in the YouTube-VOS layout.

    Every id that occurs in a video's annotations is an object. It is scored in each annotated frame from the
    first one that shows it; frames without an annotation do not count, whatever the results say there. No
    frame is left out for being the first or the last.

    Args:
        data: The data set's folder, with ``<split>/Annotations/<video>/<frame>.png``; ``Annotations`` may
            also be in the folder itself.
        results: The folder with ``<video>/<frame>.png``.
        split: The folder of the split.
        sequences: Score only these videos.
        workers: How many processes; None for one a core.
        allow_missing: Score a video without results as zero instead of refusing.
        progress: Receives the number of scored frames.

    Raises:
        InputError: If a file is missing, damaged or does not fit; the message names all of them.
    """
    data, results = Path(data), Path(results)
    annotations = find_annotations(data, split)
    folders = sorted(path.name for path in annotations.iterdir() if path.is_dir())
    names = choose_sequences(folders, sequences, annotations)
    masks = {name: tuple(files_in(inside(annotations, name), (".png",))) for name in names}
    ids = ids_by_frame([path for name in names for path in masks[name]], workers)

    def plan(name: str) -> SequencePlan:
        truth = masks[name]
        objects = tuple(sorted(frozenset[int]().union(*(ids[path] for path in truth)) - {VOID}))
        if not objects:
            raise InputError(f"No objects in the annotations of video {name}.", _LEAVE_OUT)
        return SequencePlan(
            name=name,
            objects=objects,
            frames=tuple(path.stem for path in truth),
            folder=ResultsFolder(results).masks(name),
            truth=truth,
            results=tuple(ResultsFolder(results).mask(name, path.stem) for path in truth),
            starts=tuple(
                next(t for t, path in enumerate(truth) if identity in ids[path]) for identity in objects
            ),
            pictures=inside(annotations.parent / "JPEGImages", name),
        )

    return evaluate_masks(
        names,
        plan,
        benchmark="YouTube-VOS",
        split=split,
        data=data,
        results=results,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
    )


def find_annotations(data: Path, split: str) -> Path:
    """Return the folder of annotations of a split.

    Raises:
        InputError: If there is none, naming the two folders tried, or if the split's name is unsafe.
    """
    tried = (data / require_split(split) / "Annotations", data / "Annotations")
    for folder in tried:
        if folder.is_dir():
            return folder
    raise InputError(
        f"No annotations in {data}: looked for {tried[0]} and {tried[1]}.", "Check `data` and `split`."
    )


def evaluate_folder(
    data: Path | str,
    results: Path | str,
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    allow_missing: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against another folder of masks with the same names.

    The folders have PNG masks, directly or in folders of any depth; each folder with masks is a sequence.
    Every id of a sequence's truth is an object, scored in every frame. 255 is void and counts as background,
    unless it is the only id in all of the truth: then it is the object. Ids of the results that are not in
    the truth do not count.

    Args:
        data: The folder of true masks.
        results: The folder of masks to score.
        sequences: Score only these, by their path below ``data``; for ``data`` itself its name.
        workers: How many processes; None for one a core.
        allow_missing: Score a sequence without results as zero instead of refusing.
        progress: Receives the number of scored frames.

    Raises:
        InputError: If a file is missing, damaged or does not fit; the message names all of them.
    """
    data, results = Path(data), Path(results)
    if not data.is_dir():
        raise InputError(f"The folder of true masks {data} is missing.", "Check `data`.")
    masks = _masks_by_sequence(data)
    names = choose_sequences(sorted(masks), sequences, data)
    ids = ids_by_frame([path for name in names for path in masks[name]], workers)
    void = frozenset({VOID}) if frozenset[int]().union(*ids.values()) != {VOID} else frozenset[int]()

    def plan(name: str) -> SequencePlan:
        truth = masks[name]
        objects = tuple(sorted(frozenset[int]().union(*(ids[path] for path in truth)) - void))
        if not objects:
            raise InputError(f"No objects in the masks in {truth[0].parent}.", _LEAVE_OUT)
        # The masks of ``data`` itself are named after it, and their results are in ``results`` itself.
        folder = results if truth[0].parent == data else inside(results, name)
        return SequencePlan(
            name=name,
            objects=objects,
            frames=tuple(path.stem for path in truth),
            folder=folder,
            truth=truth,
            results=tuple(inside(folder, path.name) for path in truth),
            starts=(0,) * len(objects),
        )

    return evaluate_masks(
        names,
        plan,
        benchmark="folder",
        split="all",
        data=data,
        results=results,
        workers=workers,
        allow_missing=allow_missing,
        progress=progress,
        strangers_allowed=True,
    )


def _masks_by_sequence(root: Path) -> dict[str, tuple[Path, ...]]:
    grouped: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*.png")):
        below = path.relative_to(root)
        if not any(part.startswith(".") for part in below.parts):
            name = below.parent.as_posix() if path.parent != root else root.resolve().name
            grouped.setdefault(name, []).append(path)
    return {name: tuple(paths) for name, paths in grouped.items()}


def ids_by_frame(paths: Sequence[Path], workers: int | None = None) -> dict[Path, frozenset[int]]:
    """Return the ids in every mask, without background.

    Raises:
        InputError: If a file is damaged or has colours.
    """
    jobs = [paths[at : at + _FRAMES_PER_JOB] for at in range(0, len(paths), _FRAMES_PER_JOB)]
    parts = dict(in_processes(_ids_of_some, jobs, workers))
    return {path: ids for index, job in enumerate(jobs) for path, ids in zip(job, parts[index], strict=True)}


def _ids_of_some(paths: Sequence[Path]) -> list[frozenset[int]]:
    counts = [np.bincount(decode_ids(path).ravel(), minlength=1) for path in paths]
    return [frozenset((np.flatnonzero(count[1:]) + 1).tolist()) for count in counts]
