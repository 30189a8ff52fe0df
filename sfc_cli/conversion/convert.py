"""Converts a folder of masks to DAVIS indexed PNGs or to overlays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from sfc_cli.conversion.colours import choose_legend
from sfc_cli.conversion.sources import MaskSource, find_masks
from sfc_cli.data.colours import Colours, Legend, palette_legend
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import Ids, open_image, read_ids, refuse_soft_edges, write_mask
from sfc_cli.data.overlay import write_overlay
from sfc_cli.errors import InputError, UsageError

Target = Literal["davis", "overlay"]


class Converted(NamedTuple):
    """What a conversion did: how many sequences and masks."""

    sequences: int
    masks: int


def convert_masks(
    source: Path,
    output: Path,
    *,
    to: Target = "davis",
    dataset: DavisDataset | None = None,
    split: str = "val",
    threads: int = 4,
) -> Converted:
    """Convert the masks of a folder.

    Read are the released script's files (``<video>_<t>_mask.png``), and indexed, grey or palette-coloured RGB
    PNGs in a folder a sequence. Where a sequence's grey masks hold 0 and 255 alone, 255 is object 1. With a
    data set each mask is brought to the size of its sequence's first annotation by nearest neighbour.

    Args:
        source: The folder to read.
        output: The folder to write: ``<sequence>/<frame>.png``, or ``.jpg`` for overlays.
        to: ``davis`` for indexed PNGs with the DAVIS palette, ``overlay`` for frames blended with masks.
        dataset: Gives names, sizes and frames; overlays and the released script's files need it.
        split: The split that numbers the released script's videos.
        threads: Masks at work at once.

    Raises:
        UsageError: If a data set is needed, or the output is the source or lies in the data set.
        InputError: If a file is missing or cannot be read as a mask.
    """
    if to == "overlay" and dataset is None:
        raise UsageError("--to overlay needs the frames.", "Give --data.")
    if output.resolve() == source.resolve():
        raise UsageError(f"{output} is both input and output.", "Choose another folder for the output.")
    if output.resolve().is_relative_to(source.resolve()):
        # The next conversion would take this one's masks for further sequences.
        raise UsageError(f"{output} lies inside {source}.", "Choose another folder for the output.")
    if dataset is not None and output.resolve().is_relative_to(dataset.root.resolve()):
        raise UsageError(f"{output} lies inside the data set {dataset.root}.", "Choose another folder.")
    sequences = 0
    masks = find_masks(source, dataset, split)
    with ThreadPoolExecutor(threads) as pool:
        for sequence, members in groupby(masks, key=lambda mask: mask.sequence):
            converter = _SequenceConverter(sequence, list(members), dataset, to, output)
            for _ in pool.map(converter.convert, converter.masks):
                pass
            sequences += 1
    return Converted(sequences, len(masks))


class _SequenceConverter:
    """Converts the masks of one sequence, which share a size and a legend of colours."""

    def __init__(
        self,
        sequence: str,
        masks: Sequence[MaskSource],
        dataset: DavisDataset | None,
        to: Target,
        output: Path,
    ) -> None:
        self.masks = masks
        self._folder = output / sequence
        self._to = to
        self._size: tuple[int, int] | None = None
        self._frames: dict[str, Path] = {}
        self._legend: Legend | None = None
        self._is_binary = _are_binary(mask.path for mask in masks)
        if dataset is None:
            return
        annotation = self._first_annotation(sequence, dataset)
        truth = read_ids(annotation)
        self._size = (truth.shape[1], truth.shape[0])
        if to == "overlay":
            self._frames = {frame.stem: frame for frame in dataset.frames(sequence)}
        coloured = (
            (mask.path, colours) for mask in masks if (colours := _read_colours(mask.path)) is not None
        )
        first = next(coloured, None)
        if first is not None:
            self._legend = choose_legend(_chain(first, coloured), annotation, truth)

    @staticmethod
    def _first_annotation(sequence: str, dataset: DavisDataset) -> Path:
        if not sequence:
            raise UsageError(
                "With --data, masks must lie in a folder named after their sequence.", "Move them into one."
            )
        return dataset.annotations(sequence)[0]

    def convert(self, mask: MaskSource) -> None:
        ids = self._read(mask.path)
        if self._to == "davis":
            write_mask(self._folder / f"{mask.stem}.png", ids)
            return
        frame = self._frames.get(mask.stem)
        if frame is None:
            raise InputError(f"No frame {mask.stem} for {mask.path} in the data set.", "Check --data.")
        write_overlay(self._folder / f"{mask.stem}.jpg", read_frame(frame), ids)

    def _read_stored(self, path: Path) -> Ids:
        ids = read_ids(path)
        if open_image(path).mode != "L":
            return ids
        if self._is_binary:
            return ids // 255
        refuse_soft_edges(ids, path)
        return ids

    def _read(self, path: Path) -> Ids:
        import cv2

        colours = _read_colours(path)
        legend = self._legend or palette_legend()
        ids = self._read_stored(path) if colours is None else legend.read(colours, path)
        if self._size is not None and ids.shape != self._size[::-1]:
            ids = np.asarray(cv2.resize(ids, self._size, interpolation=cv2.INTER_NEAREST), np.uint8)
        return ids


def _are_binary(paths: Iterable[Path]) -> bool:
    """Tell whether a sequence's grey masks hold 0 and 255 alone: then 255 is an object, not void."""
    found: set[int] = set()
    for path in paths:
        image = open_image(path)
        if image.mode == "L":
            found.update(np.unique(np.asarray(image)).tolist())
            if not found <= {0, 255}:
                return False
    return 255 in found


def _read_colours(path: Path) -> Colours | None:
    """Return the colours [H, W, 3] of an RGB file; None for a file that stores ids."""
    image = open_image(path)
    if image.mode not in {"RGB", "RGBA"}:
        return None
    return np.asarray(image.convert("RGB"))


def _chain(
    first: tuple[Path, Colours], rest: Iterator[tuple[Path, Colours]]
) -> Iterator[tuple[Path, Colours]]:
    yield first
    yield from rest
