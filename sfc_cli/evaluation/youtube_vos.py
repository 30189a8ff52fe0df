"""Folders in the YouTube-VOS layout: objects may appear later, and only some frames are annotated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from sfc_cli.data.masks import VOID
from sfc_cli.errors import InputError
from sfc_cli.evaluation.masks import MaskBenchmark
from sfc_cli.evaluation.plan import Progress, SequencePlan
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.survey import ids_by_frame


def evaluate_youtube_vos(
    data: Path | str,
    results: Path | str,
    split: str = "valid",
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    allow_missing: bool = False,
    on_progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against annotations in the YouTube-VOS layout.

    Every id that occurs in a video's annotations is an object. It is scored in each annotated frame from the
    first one that shows it; frames without an annotation do not count, whatever the results hold there. No
    frame is left out for being the first or the last.

    Args:
        data: The data set's folder, with ``<split>/Annotations/<video>/<frame>.png``; ``Annotations`` may
            also lie in the folder itself.
        results: The folder with ``<video>/<frame>.png``.
        split: The folder of the split.
        sequences: Score only these videos.
        workers: How many processes; None for one a core.
        allow_missing: Score a video without results as zero instead of refusing.
        on_progress: Called with the frames done and the frames in all.

    Raises:
        InputError: If a file is missing, damaged or does not fit; all such files are found before scoring.
    """
    data, results = Path(data), Path(results)
    annotations = find_annotations(data, split)
    names = choose_sequences(
        sorted(path.name for path in annotations.iterdir() if path.is_dir()), sequences, annotations
    )
    masks = {name: _masks(annotations / name) for name in names}
    paths = [path for name in names for path in masks[name]]
    found = dict(zip(paths, ids_by_frame(paths, workers), strict=True))
    benchmark = MaskBenchmark(name="YouTube-VOS", split=split, data=data, results=results)
    return benchmark.evaluate(
        names,
        lambda name: _plan(
            name, masks[name], found, results / name, annotations.parent / "JPEGImages" / name
        ),
        workers=workers,
        allow_missing=allow_missing,
        on_progress=on_progress,
    )


def find_annotations(data: Path, split: str) -> Path:
    """Return the folder of annotations of a split.

    Raises:
        InputError: If there is none; the message names both places tried.
    """
    places = (data / split / "Annotations", data / "Annotations")
    for place in places:
        if place.is_dir():
            return place
    raise InputError(
        f"No annotations in {data}: looked for {' and '.join(map(str, places))}.",
        "Check --data and --split.",
    )


def choose_sequences(names: Sequence[str], chosen: Sequence[str] | None, folder: Path) -> list[str]:
    """Return the chosen names, or all of them.

    Raises:
        InputError: If there are none, or a chosen one is not among them.
    """
    if not names:
        raise InputError(f"No sequence in {folder}.", "Expected a folder of PNG masks for each sequence.")
    if chosen is None:
        return list(names)
    unknown = [name for name in chosen if name not in names]
    if unknown or not chosen:
        what = (
            f"No sequence {', '.join(unknown)} in {folder}." if unknown else "--sequences names no sequence."
        )
        raise InputError(what, f"It has: {', '.join(names[:20])}{' and more' if len(names) > 20 else ''}.")
    return [name for name in names if name in set(chosen)]


def _masks(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.glob("*.png") if path.name[0] != "."))


def _plan(
    name: str,
    truth: tuple[Path, ...],
    found: Mapping[Path, frozenset[int]],
    folder: Path,
    pictures: Path,
) -> SequencePlan:
    objects = tuple(sorted(frozenset[int]().union(*(found[path] for path in truth)) - {VOID}))
    if not objects:
        raise InputError(f"The annotations of video {name} hold no object.", "Leave it out with --sequences.")
    return SequencePlan(
        name=name,
        objects=objects,
        frames=tuple(path.stem for path in truth),
        folder=folder,
        truth=truth,
        results=tuple(folder / path.name for path in truth),
        starts=tuple(
            next(t for t, path in enumerate(truth) if identity in found[path]) for identity in objects
        ),
        pictures=pictures,
    )
