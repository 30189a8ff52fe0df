"""The DAVIS benchmarks: 2017 with several objects a sequence, 2016 with one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import VOID
from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.notices import note_strangers, warnings_about
from sfc_cli.evaluation.plan import Progress, SequencePlan
from sfc_cli.evaluation.preflight import check_files, check_results_folder, note_missing_sequence
from sfc_cli.evaluation.problems import Problems
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.runs import read_run
from sfc_cli.evaluation.scoring import score_plans

Year = Literal["2017", "2016"]
# The first frame is given and the last one often shows the object half gone: neither is scored.
_UNSCORED_FRAMES = 2


def evaluate_davis(
    data: Path | str,
    results: Path | str,
    split: str = "val",
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    year: str = "2017",
    allow_missing: bool = False,
    on_progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against a data set in the DAVIS layout.

    Args:
        data: The data set's folder, with ``Annotations/480p`` and ``ImageSets``.
        results: The folder with ``<sequence>/<frame>.png``.
        split: A list in ``ImageSets/<year>``, without ``.txt``.
        sequences: Score only these.
        workers: How many processes; None for one a core.
        year: ``2017`` scores every id of the first annotation, ``2016`` every non-zero pixel as one object.
        allow_missing: Score a sequence without results as zero instead of refusing.
        on_progress: Called with the frames done and the frames in all.

    Raises:
        InputError: If a file is missing, damaged or does not fit; all such files are found before scoring.
        UsageError: If an argument is out of its range.
    """
    data, results = Path(data), Path(results)
    dataset = _dataset(data, year)
    names = dataset.sequences(split, sequences)
    check_results_folder(results)
    problems = Problems()
    plans = []
    for name in names:
        try:
            plan = _plan(dataset, name, results, year)
        except InputError as error:
            problems.add_error(name, error)
            continue
        plans.append(plan)
    missing = take_out_missing(plans, results, problems, allow_missing)
    check_files(plans, problems)
    problems.raise_if_any()
    scores = score_plans(plans, workers, on_progress)
    note_strangers(plans, scores, problems)
    problems.raise_if_any()
    return Report(
        benchmark=f"DAVIS-{year}",
        split=split,
        data=data,
        results=results,
        sequences=plans,
        objects=[each for plan, found in zip(plans, scores, strict=True) for each in found.objects(plan)],
        missing=missing,
        warnings=warnings_about(plans, scores),
        run=read_run(results),
    )


def take_out_missing(
    plans: list[SequencePlan], results: Path, problems: Problems, allow_missing: bool
) -> list[str]:
    """Mark the sequences without any result as missing, or note them as problems.

    Returns:
        The names of the sequences that will score zero; empty without ``allow_missing``.
    """
    missing = []
    for index, plan in enumerate(plans):
        folder = results / plan.name
        if folder.is_dir() and any(folder.glob("*.png")):
            continue
        plans[index] = replace(plan, results=None)
        if allow_missing:
            missing.append(plan.name)
        else:
            note_missing_sequence(folder, plan.name, problems)
    return missing


def _dataset(data: Path, year: str) -> DavisDataset:
    if year not in get_args(Year):
        raise UsageError(f"--year {year!r} is not known.", f"Choose one of: {', '.join(get_args(Year))}.")
    # The 2017 download lists the 2016 sequences too; smaller copies hold one list for both.
    lists = year if (data / "ImageSets" / year).is_dir() else "2017"
    return DavisDataset(root=data, year=lists)


def _plan(dataset: DavisDataset, name: str, results: Path, year: str) -> SequencePlan:
    annotations = dataset.annotations(name)
    if len(annotations) <= _UNSCORED_FRAMES:
        raise InputError(
            f"Too few annotated frames in {annotations[0].parent}: {len(annotations)}.",
            "The first and the last are not scored, so that a sequence takes three at least.",
        )
    scored = tuple(annotations[1:-1])
    objects = (1,) if year == "2016" else tuple(range(1, _highest_id(annotations[0]) + 1))
    return SequencePlan(
        name=name,
        objects=objects,
        frames=tuple(path.stem for path in scored),
        truth=scored,
        results=tuple(results / name / f"{path.stem}.png" for path in scored),
        starts=(0,) * len(objects),
        reading="foreground" if year == "2016" else "ids",
    )


def _highest_id(path: Path) -> int:
    ids = decode_ids(path)
    highest = int(ids[ids != VOID].max(initial=0))
    if highest == 0:
        is_binary = bool((ids == VOID).any())
        raise InputError(
            f"The first annotation {path} holds no object.",
            "It holds 0 and 255 alone: for one object of any value take --year 2016."
            if is_binary
            else "The objects are the ids of the first annotation; check the data set.",
        )
    return highest
