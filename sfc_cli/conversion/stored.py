"""Reads masks that image files store: ids, or the palette's colours."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.conversion.colours import choose_legend
from sfc_cli.conversion.cutouts import are_cutouts, read_cutout
from sfc_cli.conversion.image_files import mode_of
from sfc_cli.conversion.sources import MaskSource, Reader, Reference
from sfc_cli.data.colours import Colours, Legend, palette_legend
from sfc_cli.data.masks import Ids, open_image, read_ids, refuse_soft_edges


@dataclass(frozen=True)
class StoredMasks:
    """Masks in image files.

    Args:
        masks: The files.
    """

    masks: Sequence[MaskSource]

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:
        """See ``MaskInput``. Where a sequence's grey masks hold 0 and 255 alone, 255 is object 1."""
        if are_cutouts(masks):
            return lambda mask: read_cutout(mask.path)
        is_binary = _are_binary(mask.path for mask in masks)
        legend = palette_legend() if reference is None else _legend_of(masks, reference)

        def read(mask: MaskSource) -> Ids:
            colours = _read_colours(mask.path)
            return _read_stored(mask.path, is_binary) if colours is None else legend.read(colours, mask.path)

        return read


def _read_stored(path: Path, is_binary: bool) -> Ids:
    ids = read_ids(path)
    if mode_of(path) != "L":
        return ids
    if is_binary:
        return ids // 255
    refuse_soft_edges(ids, path)
    return ids


def _are_binary(paths: Iterable[Path]) -> bool:
    """Tell whether a sequence's grey masks hold 0 and 255 alone: then 255 is an object, not void."""
    found: set[int] = set()
    for path in paths:
        if mode_of(path) == "L":
            found.update(np.unique(np.asarray(open_image(path))).tolist())
            if not found <= {0, 255}:
                return False
    return 255 in found


def _legend_of(masks: Sequence[MaskSource], reference: Reference) -> Legend:
    coloured = ((mask.path, colours) for mask in masks if (colours := _read_colours(mask.path)) is not None)
    first = next(coloured, None)
    if first is None:
        return palette_legend()
    return choose_legend(_chain(first, coloured), reference.annotation, reference.truth)


def _read_colours(path: Path) -> Colours | None:
    """Return the colours [H, W, 3] of an RGB file; None for a file that stores ids."""
    if mode_of(path) not in {"RGB", "RGBA"}:
        return None
    return np.asarray(open_image(path).convert("RGB"))


def _chain(
    first: tuple[Path, Colours], rest: Iterator[tuple[Path, Colours]]
) -> Iterator[tuple[Path, Colours]]:
    yield first
    yield from rest
