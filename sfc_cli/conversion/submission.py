"""Checks that masks are what a benchmark's server asks for, and writes them as the zip file that it takes."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from pathlib import Path
from typing import Literal

import numpy as np

from sfc_cli.conversion.mask_sources import MaskSource, Remarks
from sfc_cli.data.mask_files import opened_image
from sfc_cli.data.masks import Ids, encode_mask, object_ids, read_ids
from sfc_cli.data.sequence_folders import MaskDataset
from sfc_cli.data.sequence_names import in_short
from sfc_cli.errors import InputError
from sfc_cli.files import replacing
from sfc_cli.wording import counted

Layout = Literal["davis", "youtube-vos"]

# Files that store masks, but not as images.
_OTHER_FORMS = (".json", ".npz")
# Where each server looks for the folders of sequences.
_TOP = {"davis": "", "youtube-vos": "Annotations/"}
# One date for all files, so that equal masks make equal zips; a zip knows no earlier one.
_DATE = (1980, 1, 1, 0, 0, 0)
_MOST_NAMED = 5

# A mask's size, its ids except background, and its file's content.
_Encoded = tuple[tuple[int, ...], set[int], bytes]


def check_submission(
    masks: Sequence[MaskSource],
    dataset: MaskDataset | None,
    split: str | None,
    layout: Layout,
    remarks: Remarks,
) -> list[MaskSource]:
    """Choose the masks that go into a submission, and make sure that none is missing.

    Args:
        masks: What there is.
        dataset: Tells which sequences and frames are asked for; without one, numbered frames may have no gap.
        split: The split asked for; None for the one that the data set ships, and for YouTube-VOS for every
            sequence there is.
        layout: Whose server it is for.
        remarks: Told what was left out.

    Returns:
        The chosen masks by sequence and frame.

    Raises:
        InputError: If a mask is missing, belongs to no sequence, or is not stored as an indexed PNG.
    """
    by_name = sorted(masks, key=lambda mask: mask.order)
    sequences = {name: list(members) for name, members in groupby(by_name, lambda mask: mask.sequence)}
    if "" in sequences:
        raise InputError(
            f"{sequences[''][0].path} is not in a folder named after its sequence.",
            "A server takes <sequence>/<frame>.png.",
        )
    if dataset is None:
        for members in sequences.values():
            _require_no_gap(members)
        chosen = by_name
    else:
        names = dataset.sequences("all" if layout == "youtube-vos" and split is None else split)
        chosen = _choose(sequences, names, dataset, masks[0].path)
        if len(chosen) < len(masks):
            left_out = counted(len(masks) - len(chosen), "mask")
            remarks.add(f"Left out, because the data set does not ask for it: {left_out}.")
    for mask in chosen:
        _require_indexed(mask.path)
    return chosen


class Submission:
    """A zip of indexed PNGs in the making.

    Args:
        archive: Opened for writing.
        layout: Whose server takes it.
        dataset: Gives size and objects of each sequence; None checks the masks against each other alone.
    """

    def __init__(self, archive: zipfile.ZipFile, layout: Layout, dataset: MaskDataset | None) -> None:
        self._archive = archive
        self._top = _TOP[layout]
        self._dataset = dataset
        self._sequence: str | None = None
        self._size: tuple[int, ...] = ()
        self._objects: set[int] | None = None

    def encode(self, mask: MaskSource, ids: Ids) -> _Encoded:  # noqa: ARG002
        """Return what is to be checked of a mask, and its file."""
        # No server knows void: 255 would count as one more object.
        found = np.flatnonzero(np.bincount(ids.ravel(), minlength=256))
        return ids.shape, set(found.tolist()) - {0}, encode_mask(ids)

    def add(self, mask: MaskSource, encoded: _Encoded) -> None:
        """Check a mask against its sequence and store it.

        Raises:
            InputError: If its size or its ids do not fit.
        """
        size, objects, content = encoded
        if mask.sequence != self._sequence:
            self._begin(mask, size)
        if size != self._size:
            raise InputError(
                f"{mask.path} has {size[1]}×{size[0]} pixels, but {mask.sequence} has "
                f"{self._size[1]}×{self._size[0]}.",
                "A server takes masks of the frames' size only.",
            )
        if self._objects is not None and not objects <= self._objects:
            self._add_late_objects(mask.sequence)
        if self._objects is not None and not objects <= self._objects:
            strange = sorted(objects - self._objects)
            raise InputError(
                f"{mask.path} holds the ids {_listed(strange)}, which the annotations of "
                f"{mask.sequence} do not have: {_listed(sorted(self._objects))}.",
                "Is `data` the data set that the masks were made from?",
            )
        info = zipfile.ZipInfo(f"{self._top}{mask.name}.png", _DATE)
        info.external_attr = 0o644 << 16
        info.create_system = 3
        self._archive.writestr(info, content)

    def _begin(self, mask: MaskSource, size: tuple[int, ...]) -> None:
        self._sequence, self._size = mask.sequence, size
        if self._dataset is not None:
            first = read_ids(self._dataset.annotations(mask.sequence)[0])
            self._size, self._objects = first.shape, set(object_ids(first).tolist())

    def _add_late_objects(self, sequence: str) -> None:
        """Add the objects that enter after the first annotation: all masks are read only if there are any."""
        if self._dataset is not None and self._objects is not None:
            for path in self._dataset.annotations(sequence)[1:]:
                self._objects |= set(object_ids(read_ids(path)).tolist())


@contextlib.contextmanager
def submission_file(path: Path, layout: Layout, dataset: MaskDataset | None) -> Iterator[Submission]:
    """Write a submission, whole or not at all. See ``Submission``.

    Raises:
        InputError: If the file cannot be written.
    """
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        yield Submission(archive, layout, dataset)


def _choose(
    sequences: dict[str, list[MaskSource]], names: Sequence[str], dataset: MaskDataset, some_path: Path
) -> list[MaskSource]:
    absent = [name for name in names if name not in sequences]
    if absent:
        raise InputError(
            f"{len(absent)} of {len(names)} sequences have no masks beside {some_path}: "
            f"{in_short(absent, _MOST_NAMED)}.",
            "A server wants all sequences of a split; see `split`.",
        )
    chosen = []
    for name in sorted(names):
        members = {mask.stem: mask for mask in sequences[name]}
        stems = [frame.stem for frame in dataset.frames(name)]
        if stems[0] not in members:
            # Before its first object enters, a sequence has no masks.
            stems = stems[_first_given(dataset, name, stems) :]
        missing = [stem for stem in stems if stem not in members]
        if missing:
            there = sequences[name][0].path
            raise InputError(
                f"{len(missing)} of {len(stems)} frames of {name} have no mask; the first missing is "
                f"{there.with_name(f'{missing[0]}.png') if there.suffix == '.png' else missing[0]}.",
                "A server wants a mask for every frame.",
            )
        chosen += [members[stem] for stem in stems]
    return chosen


def _first_given(dataset: MaskDataset, sequence: str, stems: Sequence[str]) -> int:
    """Return the index of the first frame whose annotation shows an object."""
    for path in dataset.annotations(sequence):
        if path.stem in stems and object_ids(read_ids(path)).size:
            return stems.index(path.stem)
    return 0


def _require_no_gap(masks: Sequence[MaskSource]) -> None:
    """Make sure that numbered frames are evenly spaced: YouTube-VOS asks for every fifth."""
    if not all(mask.stem.isascii() and mask.stem.isdigit() for mask in masks):
        return
    masks = sorted(masks, key=lambda mask: int(mask.stem))
    steps = [int(after.stem) - int(before.stem) for before, after in pairwise(masks)]
    if not steps or max(steps) == min(steps):
        return
    gap = steps.index(max(steps))
    raise InputError(
        f"{masks[gap].sequence} has no mask between {masks[gap].path} and {masks[gap + 1].path.name}.",
        "Was the run complete? If the benchmark asks for no mask there, give `data`.",
    )


def _require_indexed(path: Path) -> None:
    """Make sure that an image file stores ids beyond doubt; other forms store them in their own way."""
    if path.suffix in _OTHER_FORMS:
        return
    with opened_image(path) as image:
        stored, mode = image.format, image.mode
    if (stored, mode) != ("PNG", "P"):
        raise InputError(
            f"{path} is not an indexed PNG but {stored} of mode {mode}.",
            "A server takes indexed PNGs only: make them with `sfc convert FOLDER OUT` and look at them.",
        )


def _listed(ids: Sequence[int]) -> str:
    return in_short([str(identity) for identity in ids], _MOST_NAMED)
