"""The DAVIS benchmarks: 2017 with several objects a sequence, 2016 with one, and the unsupervised task."""

from __future__ import annotations

import glob
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import VOID, Ids, object_ids
from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.sequence_names import read_list
from sfc_cli.data.videos.images import natural_order
from sfc_cli.errors import InputError, UsageError, require_choice, require_package
from sfc_cli.evaluation.completeness import KnownFrames, pictured_frames
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.mask_benchmark import MaskScoring, evaluate_masks
from sfc_cli.evaluation.measures import score_frame
from sfc_cli.evaluation.report import Report, global_statistics, object_statistics
from sfc_cli.evaluation.scoring_protocols import (
    DAVIS_2016,
    DAVIS_2017,
    DAVIS_UNSUPERVISED,
    ScoringChoice,
    ScoringProtocol,
)
from sfc_cli.evaluation.sequence_plan import Reading, SequencePlan
from sfc_cli.evaluation.whereabouts import did_you_mean, is_davis
from sfc_cli.files import inside
from sfc_cli.progress import Progress

Year = Literal["2017", "2016"]
Task = Literal["semi-supervised", "unsupervised"]
_UNSUPERVISED = "Annotations_unsupervised"


def evaluate_davis(
    data: Path | str,
    results: Path | str,
    split: str = "val",
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    year: str = "2017",
    task: str = "semi-supervised",
    annotations: str | None = None,
    scoring: ScoringChoice | None = None,
    allow_missing: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against a data set in the DAVIS layout.

    Args:
        data: The data set's folder, with ``Annotations/480p`` and ``ImageSets``.
        results: The folder with ``<sequence>/<frame>.png``.
        split: A list in ``ImageSets/<year>``, without ``.txt``.
        sequences: Score only these.
        workers: How many processes; None for one a core.
        year: ``2017`` scores every id of the first annotation, ``2016`` every non-zero pixel as one object.
        task: ``semi-supervised`` scores each id against the same id, without the first and the last frame;
            ``unsupervised`` finds the best proposal for each object, over all frames, without void pixels.
        annotations: The folder of the truth in ``data``; None for ``Annotations``, or
            ``Annotations_unsupervised`` for the unsupervised task.
        scoring: What to measure besides, or otherwise; the frames that count are the benchmark's own.
        allow_missing: Score a sequence without results as zero, and leave out frames without truth,
            instead of refusing.
        progress: Receives the number of scored frames.

    Raises:
        InputError: If a file is missing, damaged or does not fit; the message names all of them.
        UsageError: If an argument is out of its range, or SciPy is missing for the unsupervised task.
    """
    data, results = Path(data), Path(results)
    require_choice("year", year, get_args(Year))
    require_choice("task", task, get_args(Task))
    scoring = scoring or ScoringChoice()
    if scoring.names_frames:
        field = "skip" if scoring.scoring_protocol is None else "scoring_protocol"
        raise UsageError(
            f"`{field}` does not go with davis, which fixes the frames that count.",
            "Score the folder of annotations with the benchmark folder instead.",
        )
    unsupervised = task == "unsupervised"
    if unsupervised:
        if year == "2016":
            raise UsageError("`task` unsupervised is a task of 2017.", "Leave out `year` 2016.")
        require_package("scipy", "unsupervised", "`task` unsupervised")
        if scoring.stability:
            raise UsageError("`stability` does not go with `task` unsupervised.", "Leave it out.")
    _require_layout(data)
    dataset = _dataset(data, year, split, unsupervised, annotations)
    reading: Reading = "proposals" if unsupervised else "foreground" if year == "2016" else "ids"
    own = DAVIS_UNSUPERVISED if unsupervised else DAVIS_2016 if year == "2016" else DAVIS_2017
    protocol = scoring.applied_to(own)
    listed = _listed_frames(data / "ImageSets", split)
    return evaluate_masks(
        dataset.sequences(split, sequences),
        lambda name: _plan(dataset, name, ResultsFolder(results), reading, protocol, listed.get(name, ())),
        MaskScoring(
            benchmark=f"DAVIS-{year}" + (" unsupervised" if unsupervised else ""),
            split=split,
            data=data,
            results=results,
            protocol=protocol,
            known=dataset.sequences(split),
            allow_missing=allow_missing,
        ),
        workers,
        progress,
    )


@dataclass(frozen=True, kw_only=True)
class _OtherAnnotations(DavisDataset):
    """The layout with another folder of annotations, such as those of the unsupervised task."""

    folder: str

    @property
    def annotations_root(self) -> Path:
        return inside(self.root, self.folder) / self.resolution


def _listed_frames(lists: Path, split: str) -> dict[str, list[str]]:
    """Return the frames that the lists of the 2016 benchmark name, a pair of paths a line, by sequence."""
    listed: dict[str, list[str]] = {}
    for path in sorted(lists.glob(f"*/{glob.escape(split)}.txt")):
        lines = [line.split()[0] for line in read_list(path)]
        if lines and all(line.count("/") > 1 for line in lines):
            for line in lines:
                *_, sequence, frame = line.split("/")
                listed.setdefault(sequence, []).append(Path(frame).stem)
    return {name: list(dict.fromkeys(frames)) for name, frames in listed.items()}


def _require_layout(data: Path) -> None:
    if data.is_dir() and not is_davis(data) and (guess := did_you_mean("data", data, is_davis)):
        raise InputError(f"No Annotations/480p in {data}.", guess)


def _dataset(data: Path, year: str, split: str, unsupervised: bool, annotations: str | None) -> DavisDataset:
    lists = data / "ImageSets"
    if (
        unsupervised
        and (lists / "2019" / f"{split}.txt").is_file()
        and not (lists / "2017" / f"{split}.txt").is_file()
    ):
        year = "2019"
    elif not (lists / year).is_dir():
        # The 2017 download lists the 2016 sequences too; smaller copies have one list for both.
        year = "2017"
    if unsupervised and annotations is None:
        annotations = _UNSUPERVISED
        if data.is_dir() and not (data / annotations).is_dir():
            raise InputError(
                f"No {annotations} in {data}: the unsupervised task has annotations of its own, with more "
                "objects.",
                "Download them, or name the folder to score against, as in `annotations` Annotations; those "
                "numbers are not the benchmark's.",
            )
    if annotations is not None:
        return _OtherAnnotations(root=data, year=year, folder=annotations)
    return DavisDataset(root=data, year=year)


def _plan(
    dataset: DavisDataset,
    name: str,
    results: ResultsFolder,
    reading: Reading,
    protocol: ScoringProtocol,
    listed: Sequence[str],
) -> SequencePlan:
    annotations = sorted(dataset.annotations(name), key=natural_order)
    pictures = inside(dataset.root / "JPEGImages" / dataset.resolution, name)
    annotated = tuple(path.stem for path in annotations)
    # The first frame is given, and by the last an object has often half left: the benchmark scores neither.
    known = KnownFrames(annotated=annotated, pictured=pictured_frames(pictures), listed=listed).all
    scored = [annotations[t] for t in protocol.kept(annotated, known[0], known[-1])]
    if not scored:
        raise InputError(
            f"Too few annotated frames in {annotations[0].parent}: {len(annotations)}.",
            "The first and the last are not scored, so a sequence needs at least three.",
        )
    objects = (1,) if reading == "foreground" else tuple(range(1, _highest_id(annotations[0]) + 1))
    return SequencePlan(
        name=name,
        objects=objects,
        frames=tuple(path.stem for path in scored),
        folder=results.masks(name),
        truth=tuple(scored),
        results=tuple(results.mask(name, path.stem) for path in scored),
        starts=(0,) * len(objects),
        protocol=protocol,
        pictures=pictures,
        reading=reading,
        annotated=annotated,
        listed=tuple(listed),
        is_dense=True,
    )


def _highest_id(path: Path) -> int:
    ids = decode_ids(path)
    highest = int(ids[ids != VOID].max(initial=0))
    if highest == 0:
        is_binary = bool((ids == VOID).any())
        raise InputError(
            f"No objects in the first annotation {path}.",
            "It has only 0 and 255: to score all non-zero pixels as one object, choose `year` 2016."
            if is_binary
            else "The objects are the ids of the first annotation; check the data set.",
        )
    return highest


def evaluate_sequence(truth: Ids, results: Ids) -> dict[str, Any]:
    """Score the masks of one video that are in memory, as the semi-supervised benchmark does.

    Args:
        truth: Ids, uint8 [T, H, W]; the objects are those of the first mask, 255 counts as background.
        results: Ids of the same shape.

    Returns:
        ``global`` with the seven numbers and ``per_object`` with six each, by id. The first and the last
        frame are left out.

    Raises:
        UsageError: If an array is not uint8 [T, H, W] of at least three frames, or the shapes differ.
        InputError: If the first true mask shows no object.
    """
    for name, masks in (("truth", truth), ("results", results)):
        if masks.dtype != np.uint8 or masks.ndim != 3 or len(masks) < 3:
            raise UsageError(
                f"`{name}` is {masks.dtype} {list(masks.shape)}.",
                "Give uint8 [T, H, W] with at least three frames: the first and the last are not scored.",
            )
    if truth.shape != results.shape:
        raise UsageError(
            f"`truth` is {list(truth.shape)}, `results` {list(results.shape)}.", "Give one shape."
        )
    objects = object_ids(truth[0]).tolist()
    if not objects:
        raise InputError("The first true mask shows no object.", "Ids from 1 to 254 are objects.")
    scores = [
        score_frame(result, true, objects) for result, true in zip(results[1:-1], truth[1:-1], strict=True)
    ]
    region = np.array([one.region for one in scores])  # [n, K]
    boundary = np.array([one.boundary for one in scores])
    statistics = {
        str(identity): object_statistics(region[:, index], boundary[:, index])
        for index, identity in enumerate(objects)
    }
    return {"global": global_statistics(list(statistics.values())), "per_object": statistics}
