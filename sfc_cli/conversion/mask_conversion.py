"""Converts masks from any form that is read to any that is written, never over what is read."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from sfc_cli.conversion.annotated_masks import AnnotatedMasks
from sfc_cli.conversion.annotation_writing import (
    LabelmeFolder,
    ObjectFolders,
    YoloFolder,
    youtube_vis_file,
)
from sfc_cli.conversion.coco_writing import coco_file
from sfc_cli.conversion.mask_folders import open_folder, unpacked
from sfc_cli.conversion.mask_sources import MaskInput, MaskSource, Reference, Remarks
from sfc_cli.conversion.submission import Layout, check_submission, submission_file
from sfc_cli.conversion.writers import IndexedFolder, MaskWriter, OverlayFolder
from sfc_cli.data.annotations.annotation_files import is_annotation_file, open_annotations
from sfc_cli.data.annotations.shapes import Size
from sfc_cli.data.masks import Ids
from sfc_cli.data.results import RECORD_NAME
from sfc_cli.data.sequence_folders import MaskDataset
from sfc_cli.errors import InputError, UsageError, require_choice
from sfc_cli.files import is_same_or_below, refuse_overwriting

Target = Literal["davis", "overlay", "coco", "zip", "yolo", "labelme", "youtube-vis", "objects"]

# What is written as one file, and the file's suffix.
_FILES = {"coco": ".json", "zip": ".zip", "youtube-vis": ".json"}
# The suffix of what else is written, where it is not PNG.
_SUFFIXES = {"overlay": "jpg", "yolo": "txt", "labelme": "json"}


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
    dataset: MaskDataset | None = None,
    split: str | None = None,
    layout: Layout = "davis",
    size: Size | None = None,
    threads: int = 4,
) -> Converted:
    """Convert masks.

    The source may be the released script's files (``<video>_<t>_mask.png``), image files in one folder for
    each sequence, a zip of these, saved soft labels, or annotations. Where a sequence's grey masks hold 0 and
    255 alone, 255 is object 1; masks that hold neither ids nor the palette's colours are read as
    ``PaintedSequence`` does. With a data set each mask is brought to the size of its sequence's first
    annotation by nearest neighbour, except for a submission, which must fit.

    Args:
        source: The folder or file to read.
        output: The folder to write, ``<sequence>/<frame>.png`` or another suffix; the file to write for
            ``coco``, ``youtube-vis`` and ``zip``.
        to: ``davis`` for indexed PNGs with the DAVIS palette, ``overlay`` for frames blended with masks,
            ``coco`` and ``youtube-vis`` for one JSON with RLE, ``yolo`` and ``labelme`` for a file of
            polygons for each frame, ``objects`` for a folder of black and white PNGs for each object, ``zip``
            for a submission to a benchmark's server.
        dataset: Gives names, sizes and frames; overlays and the released script's files need it.
        split: The split that numbers the released script's videos, and that a submission must hold; None for
            the one that the data set ships.
        layout: Whose server a submission is for.
        size: Height and width of the pictures, for annotations that do not tell them.
        threads: How many masks are converted at the same time.

    Raises:
        UsageError: If a data set or a package is needed, or the output would harm what is read.
        InputError: If a file is missing or cannot be read as a mask, or a submission is incomplete.
    """
    require_choice("to", to, get_args(Target))
    require_choice("layout", layout, get_args(Layout))
    if to == "overlay" and dataset is None:
        raise UsageError("`to` overlay needs the frames of a data set.", "Give `data`.")
    _require_output(source, output, to, dataset)
    remarks = Remarks()
    with _open_masks(source, dataset, split, remarks, size) as found:
        masks = found.masks
        if to == "zip":
            masks = check_submission(masks, dataset, split, layout, remarks)
        sequences = dict.fromkeys(mask.sequence for mask in masks)
        references = {name: Reference.find(dataset, name) for name in sequences} if dataset else {}
        _refuse_overwriting(masks, output, to, source, dataset)
        with _open_writer(output, to, dataset, layout) as writer, ThreadPoolExecutor(threads) as pool:
            _convert(found, masks, writer, references, to != "zip", pool)
    return Converted(len(sequences), len(masks), remarks.lines())


@contextlib.contextmanager
def _open_masks(
    source: Path, dataset: MaskDataset | None, split: str | None, remarks: Remarks, size: Size | None
) -> Iterator[MaskInput]:
    """Open a folder, a zip or an annotation file of masks."""
    if is_annotation_file(source):
        yield AnnotatedMasks(open_annotations(source, remarks), remarks, size)
    elif source.suffix.lower() == ".zip" and source.is_file():
        with unpacked(source) as folder:
            yield open_folder(folder, dataset, split, remarks, size)
    elif source.is_file():
        raise InputError(
            f"{source} is a file, but neither a .zip of masks nor annotations "
            "(.json, .xml, .txt, .npy, .npz).",
            "Give the folder of masks to convert.",
        )
    else:
        yield open_folder(source, dataset, split, remarks, size)


@contextlib.contextmanager
def _open_writer(
    output: Path, to: Target, dataset: MaskDataset | None, layout: Layout
) -> Iterator[MaskWriter[Any]]:
    if to == "coco":
        with coco_file(output, dataset) as coco:
            yield coco
    elif to == "zip":
        with submission_file(output, layout, dataset) as submission:
            yield submission
    elif to == "youtube-vis":
        with youtube_vis_file(output, dataset) as youtube_vis:
            yield youtube_vis
    elif to == "labelme":
        yield LabelmeFolder(output, dataset)
    elif to in {"yolo", "objects"}:
        folder = YoloFolder(output) if to == "yolo" else ObjectFolders(output)
        yield folder
        folder.finish()
    elif to == "overlay" and dataset is not None:
        yield OverlayFolder(output, dataset)
    else:
        yield IndexedFolder(output)


def _convert(
    found: MaskInput,
    masks: Sequence[MaskSource],
    writer: MaskWriter[Any],
    references: Mapping[str, Reference],
    resizes: bool,
    pool: ThreadPoolExecutor,
) -> None:
    """Convert sequence by sequence."""
    for sequence, grouped in groupby(masks, key=lambda mask: mask.sequence):
        members = list(grouped)
        reference = references.get(sequence)
        read = found.reader(members, reference)
        shape = reference.truth.shape if reference is not None and resizes else None

        def encode(mask: MaskSource, read: Any = read, shape: tuple[int, ...] | None = shape) -> Any:
            return writer.encode(mask, _resized(read(mask), shape))

        for mask, encoded in zip(members, pool.map(encode, members), strict=True):
            writer.add(mask, encoded)


def _resized(ids: Ids, shape: tuple[int, ...] | None) -> Ids:
    import cv2

    if shape is None or ids.shape == shape:
        return ids
    return np.asarray(cv2.resize(ids, shape[::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


def _require_output(source: Path, output: Path, to: str, dataset: MaskDataset | None) -> None:
    """Make sure that the output is of the right kind and lies outside of what is read.

    Raises:
        UsageError: If it does not.
    """
    kind = "file" if to in _FILES else "folder"
    if output.resolve() == source.resolve():
        raise UsageError(f"{output} is both input and output.", f"Choose another {kind} for the output.")
    if dataset is not None and is_same_or_below(output, dataset.root):
        raise UsageError(f"{output} lies inside the data set {dataset.root}.", f"Choose another {kind}.")
    if to in _FILES:
        _require_file(output, to)
        return
    if is_same_or_below(output, source):
        # The next conversion would take this one's masks for further sequences.
        raise UsageError(f"{output} lies inside {source}.", "Choose another folder for the output.")
    for name, suffix in _FILES.items():
        if output.suffix.lower() == suffix and not output.is_dir():
            raise UsageError(
                f"`to` {to} writes a folder, and {output} looks like a file.", f"Did you mean `to` {name}?"
            )


def _require_file(output: Path, to: str) -> None:
    suffix = _FILES[to]
    if output.is_dir():
        raise UsageError(
            f"`to` {to} writes a file, and {output} is a folder.", f"Try {output / f'masks{suffix}'}."
        )
    if output.suffix.lower() != suffix:
        raise UsageError(
            f"`to` {to} writes a {suffix} file, and {output} is named otherwise.",
            f"Try {output.with_name(output.name + suffix)}.",
        )
    if output.name == RECORD_NAME and output.exists():
        raise UsageError(f"{output} is the record of a run.", "Choose another file.")


def _refuse_overwriting(
    masks: Sequence[MaskSource], output: Path, to: str, source: Path, dataset: MaskDataset | None
) -> None:
    """Make sure that nothing is written over a file that is read, whatever links lead there.

    Raises:
        UsageError: If it would be.
    """
    if to in _FILES:
        refuse_overwriting(output, {mask.path for mask in masks})
        return
    folders = {name: (output / name).resolve() for name in {mask.sequence for mask in masks}}
    inputs = [source] if dataset is None else [source, dataset.root]
    trees = {path.resolve(): path for path in inputs}
    for sequence, folder in folders.items():
        for tree in trees.keys() & {folder, *folder.parents}:
            raise UsageError(
                f"{output / sequence} lies inside {trees[tree]}.", "Choose another folder for the output."
            )
    read = {mask.path for mask in masks}
    if dataset is not None:
        for sequence in folders:
            read.update(dataset.annotations(sequence))
            if to == "overlay":
                read.update(dataset.frames(sequence))
    # Neither a link to a file that is read may be replaced, nor the file that it leads to.
    originals = {real: path for path in read for real in (path.resolve(), path.parent.resolve() / path.name)}
    suffix = _SUFFIXES.get(to, "png")
    for mask in masks:
        # What is written replaces a link of its name, and leaves what that leads to.
        original = originals.get(folders[mask.sequence] / f"{mask.stem}.{suffix}")
        if original is not None:
            raise UsageError(
                f"{output / mask.name}.{suffix} would be written over {original}, which is read.",
                "Choose another folder for the output.",
            )
