"""Writes masks as the zip file that a benchmark's server takes."""

from __future__ import annotations

import contextlib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sfc_cli.conversion.remarks import listed
from sfc_cli.conversion.sources import MaskSource
from sfc_cli.conversion.submission_check import Layout
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import Ids, encode_mask, object_ids, read_ids
from sfc_cli.errors import InputError
from sfc_cli.files import replacing

# Where each server looks for the folders of sequences.
_TOP = {"davis": "", "youtube-vos": "Annotations/"}
# One date for all files, so that equal masks make equal zips; a zip knows no earlier one.
_DATE = (1980, 1, 1, 0, 0, 0)

# A mask's size, its ids except background, and its file's content.
_Encoded = tuple[tuple[int, ...], set[int], bytes]


class Submission:
    """A zip of indexed PNGs in the making.

    Args:
        archive: Opened for writing.
        layout: Whose server takes it.
        dataset: Gives size and objects of each sequence; None checks the masks against each other alone.
    """

    def __init__(self, archive: zipfile.ZipFile, layout: Layout, dataset: DavisDataset | None) -> None:
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
            strange = sorted(objects - self._objects)
            raise InputError(
                f"{mask.path} holds the ids {listed(list(map(str, strange)))}, which the annotation of "
                f"{mask.sequence} does not have: {listed(list(map(str, sorted(self._objects))))}.",
                "Is --data the data set that the masks were made from?",
            )
        info = zipfile.ZipInfo(f"{self._top}{mask.sequence}/{mask.stem}.png", _DATE)
        info.external_attr = 0o644 << 16
        info.create_system = 3
        self._archive.writestr(info, content)

    def _begin(self, mask: MaskSource, size: tuple[int, ...]) -> None:
        self._sequence, self._size = mask.sequence, size
        if self._dataset is not None:
            annotations = self._dataset.annotations(mask.sequence)
            # Objects of YouTube-VOS may come later than the first frame.
            given = [read_ids(path) for path in (annotations if self._top else annotations[:1])]
            self._size = given[0].shape
            self._objects = {identity for ids in given for identity in object_ids(ids).tolist()}


@contextlib.contextmanager
def submission_file(path: Path, layout: Layout, dataset: DavisDataset | None) -> Iterator[Submission]:
    """Write a submission, whole or not at all. See ``Submission``.

    Raises:
        InputError: If the file cannot be written.
    """
    with replacing(path) as part, zipfile.ZipFile(part, "w") as archive:
        yield Submission(archive, layout, dataset)
