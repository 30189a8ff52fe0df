"""Reads masks that image files store: ids, the palette's colours, cut-outs, or whatever somebody painted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.conversion.colours import choose_legend, have_strays
from sfc_cli.conversion.cutouts import OPAQUE, are_cutouts, read_cutout
from sfc_cli.conversion.image_files import mode_of
from sfc_cli.conversion.painted import painted_reader
from sfc_cli.conversion.remarks import Remarks
from sfc_cli.conversion.sources import MaskSource, Reader, Reference
from sfc_cli.data.colours import Colours, Legend, palette_legend
from sfc_cli.data.masks import Ids, open_image, read_ids, refuse_soft_edges
from sfc_cli.errors import InputError


@dataclass(frozen=True)
class StoredMasks:
    """Masks in image files.

    Args:
        masks: The files.
        remarks: Told what was decided about painted masks.
        are_raw: They are the released script's, whose colours are those of the annotation or a mistake.
    """

    masks: Sequence[MaskSource]
    remarks: Remarks
    are_raw: bool

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:
        """See ``MaskInput``. Where a sequence's grey masks hold 0 and 255 alone, 255 is object 1."""
        if are_cutouts(masks):
            return lambda mask: read_cutout(mask.path)
        try:
            return _plain_reader(masks, reference)
        except InputError:
            # Neither ids nor known colours: a person painted them, in one program or another.
            if self.are_raw or have_strays(_all_colours(masks)):
                raise
            return painted_reader(masks, self.remarks)


def _plain_reader(masks: Sequence[MaskSource], reference: Reference | None) -> Reader:
    """Return the reader of masks whose ids are certain.

    Raises:
        InputError: If those of a mask are not.
    """
    paths = [mask.path for mask in masks]
    is_binary = _are_binary(paths)
    legend = _legend_of(paths, reference)

    def read(mask: MaskSource) -> Ids:
        colours = _read_colours(mask.path)
        if colours is not None:
            return legend.read(colours, mask.path)
        ids = read_ids(mask.path)
        return ids // 255 if is_binary and mode_of(mask.path) == "L" else ids

    return read


def _are_binary(paths: Iterable[Path]) -> bool:
    """Tell whether a sequence's grey masks hold 0 and 255 alone: then 255 is an object, not void.

    Raises:
        InputError: If one of them holds more grey levels than ids.
    """
    found: set[int] = set()
    for path in paths:
        if mode_of(path) == "L":
            values = read_ids(path)
            found.update(np.unique(values).tolist())
            refuse_soft_edges(values, path)
    return 255 in found and found <= {0, 255}


def _legend_of(paths: Sequence[Path], reference: Reference | None) -> Legend:
    """Return what the colours of a sequence mean.

    Raises:
        InputError: If that is not certain for one of them.
    """
    coloured = ((path, colours) for path in paths if (colours := _read_colours(path)) is not None)
    if reference is None:
        legend = palette_legend()
        for path, colours in coloured:
            legend.read(colours, path)
        return legend
    first = next(coloured, None)
    if first is None:
        return palette_legend()
    return choose_legend(_chain(first, coloured), reference.annotation, reference.truth)


def _read_colours(path: Path) -> Colours | None:
    """Return the colours [H, W, 3] of an RGB file, black where it is transparent; None for one of ids.

    Raises:
        InputError: If the file has another mode, or transparency alone tells black objects from background.
    """
    mode = mode_of(path)
    if mode in {"P", "L", "1"}:
        return None
    if mode not in {"RGB", "RGBA"}:
        raise InputError(f"{path} is an image of mode {mode}, whose colours may mean anything.")
    colours: Colours = np.asarray(open_image(path))
    if mode == "RGBA":
        opaque = colours[..., 3] >= OPAQUE
        if not opaque.all() and (opaque & ~colours[..., :3].any(axis=2)).any():
            raise InputError(f"{path} shows black objects on a transparent ground.")
        colours = colours[..., :3] * opaque[..., None]
    return colours


def _all_colours(masks: Sequence[MaskSource]) -> Iterator[Colours]:
    for mask in masks:
        if mode_of(mask.path) == "RGB":
            yield np.asarray(open_image(mask.path))


def _chain(
    first: tuple[Path, Colours], rest: Iterator[tuple[Path, Colours]]
) -> Iterator[tuple[Path, Colours]]:
    yield first
    yield from rest
