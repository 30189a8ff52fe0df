"""Checks that masks are what a benchmark's server asks for, before anything is written."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Literal

from sfc_cli.conversion.image_files import format_and_mode
from sfc_cli.conversion.remarks import Remarks, listed
from sfc_cli.conversion.sources import MaskSource
from sfc_cli.data.davis import DavisDataset
from sfc_cli.errors import InputError

Layout = Literal["davis", "youtube-vos"]

_NO_IMAGES = (".json", ".npz")


def check_submission(
    masks: Sequence[MaskSource],
    dataset: DavisDataset | None,
    split: str,
    layout: Layout,
    remarks: Remarks,
) -> list[MaskSource]:
    """Choose the masks that go into a submission, and make sure that none is missing.

    Args:
        masks: What there is.
        dataset: Tells which sequences and frames are asked for; without one, numbered frames may have no gap.
        split: The split asked for; for YouTube-VOS every sequence of the data set is.
        layout: Whose server it is for.
        remarks: Told what was left out.

    Returns:
        The chosen masks by sequence and frame.

    Raises:
        InputError: If a mask is missing, lies in no sequence, or is not stored as an indexed PNG.
    """
    by_name = sorted(masks, key=lambda mask: (mask.sequence, mask.stem))
    sequences = {name: list(members) for name, members in groupby(by_name, lambda mask: mask.sequence)}
    if "" in sequences:
        raise InputError(
            f"{sequences[''][0].path} lies in no folder named after its sequence.",
            "A server takes <sequence>/<frame>.png.",
        )
    if dataset is None:
        for members in sequences.values():
            _require_no_gap(members)
        chosen = by_name
    else:
        names = dataset.sequences("all" if layout == "youtube-vos" else split)
        chosen = _choose(sequences, names, dataset, masks[0].path)
        if len(chosen) < len(masks):
            remarks.add(
                f"{len(masks) - len(chosen)} masks were left out: the data set does not ask for them."
            )
    for mask in chosen:
        _require_indexed(mask.path)
    return chosen


def _choose(
    sequences: dict[str, list[MaskSource]], names: Sequence[str], dataset: DavisDataset, some_path: Path
) -> list[MaskSource]:
    absent = [name for name in names if name not in sequences]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(names)} sequences have no masks beside {some_path}: {listed(absent)}.",
            "A server wants all sequences of a split; see --split.",
        )
    chosen = []
    for name in sorted(names):
        members = {mask.stem: mask for mask in sequences[name]}
        stems = [frame.stem for frame in dataset.frames(name)]
        lacking = [stem for stem in stems if stem not in members]
        if lacking:
            there = sequences[name][0].path
            raise InputError(
                f"{len(lacking)} of {len(stems)} frames of {name} have no mask; the first missing is "
                f"{there.with_name(f'{lacking[0]}.png') if there.suffix == '.png' else lacking[0]}.",
                "A server wants a mask for every frame.",
            )
        chosen += [members[stem] for stem in stems]
    return chosen


def _require_no_gap(masks: Sequence[MaskSource]) -> None:
    """Make sure that numbered frames are evenly spaced: YouTube-VOS asks for every fifth."""
    if not all(mask.stem.isascii() and mask.stem.isdigit() for mask in masks):
        return
    masks = sorted(masks, key=lambda mask: int(mask.stem))
    steps = [int(after.stem) - int(before.stem) for before, after in pairwise(masks)]
    if not steps or max(steps) == min(steps):
        return
    place = steps.index(max(steps))
    raise InputError(
        f"{masks[place].sequence} has no mask between {masks[place].path} and {masks[place + 1].path.name}.",
        "Was the run complete? If the benchmark asks for no mask there, give --data.",
    )


def _require_indexed(path: Path) -> None:
    """Make sure that an image file stores ids beyond doubt; what is no image stores them in its own way."""
    if path.suffix in _NO_IMAGES:
        return
    stored, mode = format_and_mode(path)
    if (stored, mode) != ("PNG", "P"):
        raise InputError(
            f"{path} is no indexed PNG, but {stored} of mode {mode}.",
            "A server takes indexed PNGs only: make them with `sfc convert FOLDER OUT` and look at them.",
        )
