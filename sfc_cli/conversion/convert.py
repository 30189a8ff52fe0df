"""Converts masks from any form that is read to any that is written."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from sfc_cli.conversion.coco_output import coco_file
from sfc_cli.conversion.opening import open_masks
from sfc_cli.conversion.places import require_place
from sfc_cli.conversion.remarks import Remarks
from sfc_cli.conversion.sources import MaskInput, MaskSource, Reference
from sfc_cli.conversion.submission import submission_file
from sfc_cli.conversion.submission_check import Layout, check_submission
from sfc_cli.conversion.writers import IndexedFolder, MaskWriter, OverlayFolder
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import Ids
from sfc_cli.errors import UsageError

Target = Literal["davis", "overlay", "coco", "zip"]


class Converted(NamedTuple):
    """What a conversion did: how many sequences and masks, and what the user should know of it."""

    sequences: int
    masks: int
    remarks: tuple[str, ...] = ()


def convert_masks(
    source: Path,
    output: Path,
    *,
    to: Target = "davis",
    dataset: DavisDataset | None = None,
    split: str = "val",
    layout: Layout = "davis",
    threads: int = 4,
) -> Converted:
    """Convert masks.

    Read are the released script's files (``<video>_<t>_mask.png``); image files in a folder a sequence, or a
    zip of them; saved soft labels; and COCO files. Where a sequence's grey masks hold 0 and 255 alone, 255 is
    object 1; masks that hold neither ids nor the palette's colours are read as ``PaintedSequence`` does. With
    a data set each mask is brought to the size of its sequence's first annotation by nearest neighbour,
    except for a submission, which must fit.

    Args:
        source: The folder or file to read.
        output: The folder to write: ``<sequence>/<frame>.png``, or ``.jpg`` for overlays; the file to write
            for ``coco`` and ``zip``.
        to: ``davis`` for indexed PNGs with the DAVIS palette, ``overlay`` for frames blended with masks,
            ``coco`` for one JSON with RLE, ``zip`` for a submission to a benchmark's server.
        dataset: Gives names, sizes and frames; overlays and the released script's files need it.
        split: The split that numbers the released script's videos, and that a submission must hold.
        layout: Whose server a submission is for.
        threads: Masks at work at once.

    Raises:
        UsageError: If a data set or a package is needed, or the output's place cannot be.
        InputError: If a file is missing or cannot be read as a mask, or a submission is incomplete.
    """
    if to == "overlay" and dataset is None:
        raise UsageError("--to overlay needs the frames.", "Give --data.")
    require_place(source, output, to, dataset)
    remarks = Remarks()
    with open_masks(source, dataset, split, remarks) as found:
        masks = found.masks
        if to == "zip":
            masks = check_submission(masks, dataset, split, layout, remarks)
        with _open_writer(output, to, dataset, layout) as writer, ThreadPoolExecutor(threads) as pool:
            sequences = _convert(found, masks, writer, dataset, to != "zip", pool)
    return Converted(sequences, len(masks), remarks.lines())


@contextlib.contextmanager
def _open_writer(
    output: Path, to: Target, dataset: DavisDataset | None, layout: Layout
) -> Iterator[MaskWriter[Any]]:
    if to == "coco":
        with coco_file(output, dataset) as coco:
            yield coco
    elif to == "zip":
        with submission_file(output, layout, dataset) as submission:
            yield submission
    elif to == "overlay" and dataset is not None:
        yield OverlayFolder(output, dataset)
    else:
        yield IndexedFolder(output)


def _convert(
    found: MaskInput,
    masks: Sequence[MaskSource],
    writer: MaskWriter[Any],
    dataset: DavisDataset | None,
    resizes: bool,
    pool: ThreadPoolExecutor,
) -> int:
    """Convert sequence by sequence and return how many there are."""
    sequences = 0
    for sequence, grouped in groupby(masks, key=lambda mask: mask.sequence):
        members = list(grouped)
        reference = None if dataset is None else Reference.find(dataset, sequence)
        read = found.reader(members, reference)
        shape = reference.truth.shape if reference is not None and resizes else None

        def encode(mask: MaskSource, read: Any = read, shape: tuple[int, ...] | None = shape) -> Any:
            return writer.encode(mask, _resized(read(mask), shape))

        for mask, encoded in zip(members, pool.map(encode, members), strict=True):
            writer.add(mask, encoded)
        sequences += 1
    return sequences


def _resized(ids: Ids, shape: tuple[int, ...] | None) -> Ids:
    import cv2

    if shape is None or ids.shape == shape:
        return ids
    return np.asarray(cv2.resize(ids, shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)
