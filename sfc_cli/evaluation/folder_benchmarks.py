"""Folders of masks whose objects may appear in any frame: the YouTube-VOS layout, and any two folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sfc_cli.data.masks import VOID
from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.sequence_names import choose_sequences, files_in, in_short, require_split
from sfc_cli.data.videos.images import is_image, natural_order
from sfc_cli.errors import InputError
from sfc_cli.evaluation.completeness import KnownFrames, pictured_frames
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.mask_benchmark import MaskScoring, evaluate_masks
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.scoring_protocols import (
    EVERY_FRAME,
    FROM_APPEARANCE,
    ScoringChoice,
    ScoringProtocol,
)
from sfc_cli.evaluation.sequence_plan import SequencePlan
from sfc_cli.evaluation.whereabouts import did_you_mean, folders_in, holds_folder, is_davis
from sfc_cli.evaluation.workers import in_processes
from sfc_cli.files import inside
from sfc_cli.progress import Progress

_FRAMES_PER_JOB = 16
_LEAVE_OUT = "Leave it out with `sequences`."
_MOST_LISTED = 5


def evaluate_youtube_vos(
    data: Path | str,
    results: Path | str,
    split: str = "valid",
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    scoring: ScoringChoice | None = None,
    allow_missing: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against annotations in the YouTube-VOS layout.

    Every id that occurs in a video's annotations is an object. It is scored in each annotated frame from the
    first one that shows it; frames without an annotation do not count, whatever the results say there. No
    frame is left out for being the first or the last, unless ``scoring`` says so.

    Args:
        data: The data set's folder, with ``<split>/Annotations/<video>/<frame>.png``; ``Annotations`` may
            also be in the folder itself.
        results: The folder with ``<video>/<frame>.png``.
        split: The folder of the split.
        sequences: Score only these videos.
        workers: How many processes; None for one a core.
        scoring: Another scoring protocol, frames to leave out, and what to measure besides.
        allow_missing: Score a video without results as zero, and leave out frames without truth, instead
            of refusing.
        progress: Receives the number of scored frames.

    Raises:
        InputError: If a file is missing, damaged or does not fit; the message names all of them.
    """
    data, results = Path(data), Path(results)
    annotations = find_annotations(data, split)
    if not any(annotations.glob("*/*.png")) and is_davis(annotations.parent):
        raise InputError(
            f"{annotations.parent} is in the DAVIS layout: its masks lie in "
            f"{annotations.name}/480p/<sequence>.",
            "Type `sfc evaluate davis`.",
        )
    folders = [path.name for path in folders_in(annotations)]
    names = choose_sequences(folders, sequences, annotations)
    pictures = annotations.parent / "JPEGImages"
    if sequences is None and not allow_missing:
        _require_all_annotated(annotations, pictures, folders)
    masks = {
        name: tuple(sorted(files_in(inside(annotations, name), (".png",)), key=natural_order))
        for name in names
    }
    listed = _listed_frames(annotations.parent / "meta.json")
    protocol = (scoring or ScoringChoice()).applied_to(FROM_APPEARANCE)
    ids = ids_by_frame([path for name in names for path in masks[name]], workers)

    def plan(name: str) -> SequencePlan:
        if not masks[name]:
            raise InputError(f"No masks in {annotations / name}.", _LEAVE_OUT)
        return _plan(
            name,
            masks[name],
            ids,
            protocol,
            folder=ResultsFolder(results).masks(name),
            void=frozenset() if protocol.void_counts else frozenset({VOID}),
            pictures=inside(pictures, name),
            listed=listed.get(name, ()),
        )

    return evaluate_masks(
        names,
        plan,
        MaskScoring(
            benchmark="YouTube-VOS",
            split=split,
            data=data,
            results=results,
            protocol=protocol,
            known=folders,
            allow_missing=allow_missing,
        ),
        workers,
        progress,
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
    guess = did_you_mean("data", data, holds_folder(f"{split}/Annotations", "Annotations"))
    raise InputError(
        f"No annotations in {data}: looked for {tried[0]} and {tried[1]}.",
        guess or "Check `data` and `split`.",
    )


def _require_all_annotated(annotations: Path, pictures: Path, folders: Sequence[str]) -> None:
    """Make sure that every video with frames has annotations.

    Raises:
        InputError: If not; half a data set would give a number like the whole one.
    """
    lacking = sorted({path.name for path in folders_in(pictures)} - set(folders))
    if lacking and len(lacking) < len(folders_in(pictures)):
        raise InputError(
            f"No annotations for {len(lacking)} of the videos in {pictures}: "
            f"{in_short(lacking, _MOST_LISTED)}.",
            f"Unpack {annotations} again, choose videos with `sequences`, or leave these out with "
            "`allow_missing`.",
        )


def _listed_frames(meta: Path) -> Mapping[str, tuple[str, ...]]:
    """Return the annotated frames of every video that a data set's ``meta.json`` lists, as far as it does."""
    try:
        videos = json.loads(meta.read_text(encoding="utf-8"))["videos"]
        listed = {
            name: {frame for one in video["objects"].values() for frame in one.get("frames", ())}
            for name, video in videos.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {
        name: tuple(sorted(frames))
        for name, frames in listed.items()
        if all(isinstance(frame, str) for frame in frames)
    }


def evaluate_folder(
    data: Path | str,
    results: Path | str,
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    scoring: ScoringChoice | None = None,
    allow_missing: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against another folder of masks with the same names.

    The folders have PNG masks, directly or in folders of any depth; each folder with masks is a sequence.
    Every id of a sequence's truth is an object, scored in every frame, unless ``scoring`` says otherwise. 255
    is void and counts as background, unless it is the only id in all of the truth: then it is the object. Ids
    of the results that are not in the truth do not count.

    Args:
        data: The folder of true masks.
        results: The folder of masks to score.
        sequences: Score only these, by their path below ``data``; for ``data`` itself its name.
        workers: How many processes; None for one a core.
        scoring: Another scoring protocol, frames to leave out, and what to measure besides.
        allow_missing: Score a sequence without results as zero, and leave out frames without truth,
            instead of refusing.
        progress: Receives the number of scored frames.

    Raises:
        InputError: If a file is missing, damaged or does not fit; the message names all of them.
    """
    data, results = Path(data), Path(results)
    if not data.is_dir():
        what = "is a file, not a folder" if data.exists() else "is missing"
        raise InputError(f"The folder of true masks {data} {what}.", "Check `data`.")
    masks = _masks_by_sequence(data, allow_missing=allow_missing)
    names = choose_sequences(sorted(masks), sequences, data)
    protocol = (scoring or ScoringChoice()).applied_to(EVERY_FRAME)
    ids = ids_by_frame([path for name in names for path in masks[name]], workers)
    is_void = not protocol.void_counts and frozenset[int]().union(*ids.values()) != {VOID}

    def plan(name: str) -> SequencePlan:
        truth = masks[name]
        # The masks of ``data`` itself are named after it, and their results are in ``results`` itself.
        folder = results if truth[0].parent == data else inside(results, name)
        return _plan(
            name,
            truth,
            ids,
            protocol,
            folder=folder,
            void=frozenset({VOID}) if is_void else frozenset(),
            pictures=_frames_beside(truth[0].parent),
            results_tell_length=False,
        )

    return evaluate_masks(
        names,
        plan,
        MaskScoring(
            benchmark="folder",
            split="all",
            data=data,
            results=results,
            protocol=protocol,
            known=masks,
            allow_missing=allow_missing,
            strangers_allowed=True,
        ),
        workers,
        progress,
    )


def _plan(
    name: str,
    truth: Sequence[Path],
    ids: Mapping[Path, frozenset[int]],
    protocol: ScoringProtocol,
    *,
    folder: Path,
    void: frozenset[int],
    pictures: Path | None,
    listed: Sequence[str] = (),
    results_tell_length: bool = True,
) -> SequencePlan:
    annotated = tuple(path.stem for path in truth)
    known = KnownFrames(annotated=annotated, pictured=pictured_frames(pictures), listed=listed).all
    scored = [truth[t] for t in protocol.kept(annotated, known[0], known[-1])]
    counted = {"sequence": truth, "first": truth[:1], "scored": scored}[protocol.object_source]
    objects = tuple(sorted(frozenset[int]().union(*(ids[path] for path in counted)) - void))
    if not objects:
        raise InputError(f"No objects in the masks of {name} in {truth[0].parent}.", _LEAVE_OUT)
    showing = [[path.stem for path in truth if identity in ids[path]] for identity in objects]
    from_first = protocol.start == "truth"
    return SequencePlan(
        name=name,
        objects=objects,
        frames=tuple(path.stem for path in scored),
        folder=folder,
        truth=tuple(scored),
        results=tuple(inside(folder, path.name) for path in scored),
        starts=tuple(
            next((t for t, path in enumerate(scored) if identity in ids[path]), len(scored))
            if from_first
            else 0
            for identity in objects
        ),
        given=tuple(names[0] for names in showing),
        gone=tuple(names[-1] for names in showing),
        protocol=protocol,
        pictures=pictures,
        annotated=annotated,
        listed=tuple(listed),
        results_tell_length=results_tell_length,
    )


def _masks_by_sequence(root: Path, *, allow_missing: bool) -> dict[str, tuple[Path, ...]]:
    grouped: dict[str, list[Path]] = {}
    others = []
    for path in root.rglob("*"):
        below = path.relative_to(root)
        if any(part.startswith(".") for part in below.parts) or not path.is_file():
            continue
        if path.suffix == ".png":
            name = below.parent.as_posix() if path.parent != root else root.resolve().name
            grouped.setdefault(name, []).append(path)
        elif is_image(path):
            others.append(path)
    if others and not allow_missing:
        others.sort()
        raise InputError(
            f"{len(others)} of the images in {root} are not named .png and would not count: "
            f"{in_short([path.name for path in others], _MOST_LISTED)}.",
            "`sfc convert` makes PNG masks of them; `allow_missing` scores without them.",
        )
    return {name: tuple(sorted(paths, key=natural_order)) for name, paths in grouped.items()}


def _frames_beside(masks: Path) -> Path | None:
    """Return the frames of a folder of masks in a data set, ``…/JPEGImages/…`` beside ``…/Annotations/…``."""
    parts = ["JPEGImages" if part.startswith("Annotations") else part for part in masks.resolve().parts]
    folder = Path(*parts)
    return folder if "JPEGImages" in parts and folder.is_dir() else None


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
