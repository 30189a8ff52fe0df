"""Any pair of mask folders: whatever ids the truth holds are the objects, and every frame counts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sfc_cli.data.masks import VOID
from sfc_cli.errors import InputError
from sfc_cli.evaluation.masks import MaskBenchmark
from sfc_cli.evaluation.plan import Progress, SequencePlan
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.survey import ids_by_frame
from sfc_cli.evaluation.youtube_vos import choose_sequences


def evaluate_folder(
    data: Path | str,
    results: Path | str,
    sequences: Sequence[str] | None = None,
    workers: int | None = None,
    *,
    allow_missing: bool = False,
    on_progress: Progress | None = None,
) -> Report:
    """Score a folder of masks against another folder of masks with the same names.

    The folders hold PNG masks, directly or in folders of any depth; each folder with masks is a sequence.
    Every id of a sequence's truth is an object, scored in every frame. 255 is void and counts as background,
    unless it is the only id in all of the truth: then it is the object. Ids of the results that the truth
    does not know do not count.

    Args:
        data: The folder of true masks.
        results: The folder of masks to score.
        sequences: Score only these, by their path below ``data``; for ``data`` itself its name.
        workers: How many processes; None for one a core.
        allow_missing: Score a sequence without results as zero instead of refusing.
        on_progress: Called with the frames done and the frames in all.

    Raises:
        InputError: If a file is missing, damaged or does not fit; all such files are found before scoring.
    """
    data, results = Path(data), Path(results)
    if not data.is_dir():
        raise InputError(f"The folder of true masks {data} is missing.", "Check --data.")
    masks = _masks_by_sequence(data)
    names = choose_sequences(sorted(masks), sequences, data)
    paths = [path for name in names for path in masks[name]]
    found = dict(zip(paths, ids_by_frame(paths, workers), strict=True))
    void = frozenset({VOID}) if frozenset[int]().union(*found.values()) != {VOID} else frozenset[int]()

    def plan(name: str) -> SequencePlan:
        truth = masks[name]
        folder = results / truth[0].parent.relative_to(data)
        objects = tuple(sorted(frozenset[int]().union(*(found[path] for path in truth)) - void))
        if not objects:
            raise InputError(
                f"The masks in {truth[0].parent} hold no object.", "Leave it out with --sequences."
            )
        return SequencePlan(
            name=name,
            objects=objects,
            frames=tuple(path.stem for path in truth),
            folder=folder,
            truth=truth,
            results=tuple(folder / path.name for path in truth),
            starts=(0,) * len(objects),
        )

    benchmark = MaskBenchmark(name="folder", split="all", data=data, results=results, strangers_allowed=True)
    return benchmark.evaluate(
        names, plan, workers=workers, allow_missing=allow_missing, on_progress=on_progress
    )


def _masks_by_sequence(root: Path) -> dict[str, tuple[Path, ...]]:
    grouped: dict[str, list[Path]] = {}
    for path in sorted(root.rglob("*.png")):
        if not any(part.startswith(".") for part in path.relative_to(root).parts):
            grouped.setdefault(_name(path.parent, root), []).append(path)
    return {name: tuple(paths) for name, paths in grouped.items()}


def _name(folder: Path, root: Path) -> str:
    return folder.relative_to(root).as_posix() if folder != root else root.resolve().name
