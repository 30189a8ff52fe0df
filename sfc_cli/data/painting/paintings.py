"""Reads a painted mask's file as a mask of clean colours, whatever part of it stands for the objects."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colour_index import index_colours
from sfc_cli.data.colours import Colours, palette_spellings
from sfc_cli.data.mask_kinds import (
    COLOURS,
    FAINTEST_PAINT,
    GREY,
    INDEXED,
    TRANSPARENCY,
    JudgedMask,
    MaskKind,
    are_small_ids,
    judge_mask,
)
from sfc_cli.data.masks import VOID, Ids, open_image
from sfc_cli.data.painting.flattening import FlatMask, flatten
from sfc_cli.errors import InputError

# Smoothing and compression leave a colour no farther from itself, in any channel.
SAME_PAINT = 12
# A colour on a larger share of an object was painted: smoothing makes many, each on few pixels.
_PAINTED_SHARE = 0.05


@dataclass(frozen=True, kw_only=True)
class Painting:
    """What a file shows, before its objects have their ids.

    Args:
        path: The file.
        kind: Which part of it stands for the objects.
        flat: Its clean colours; for a grey mask shades of grey. Where the file stores ids, those number them.
        remarks: What was decided so far.
        is_rgb: A grey mask in a file that has room for colours.
    """

    path: Path
    kind: MaskKind
    flat: FlatMask
    remarks: tuple[str, ...] = ()
    is_rgb: bool = False


def read_painting(path: Path, *, size: tuple[int, int] | None = None) -> Painting:
    """Read what a mask's file shows.

    Args:
        path: The file.
        size: The height and width that it must have, in pixels; None accepts any.

    Raises:
        InputError: If it is missing, damaged, of another size or not a mask.
    """
    image = open_image(path)
    if size is not None and image.size != size[::-1]:
        raise InputError(
            f"{path} has {image.width}×{image.height} pixels, but the frames have {size[1]}×{size[0]}.",
            "Paint the mask on a frame in its full size.",
        )
    judged = judge_mask(path, image)
    if judged.kind == TRANSPARENCY:
        return _read_transparency(path, judged.values)
    if judged.kind == GREY:
        return _read_grey(path, judged)
    if judged.kind == COLOURS:
        flat = flatten(judged.values, path, lossy=judged.is_lossy)
        remarks = (*judged.remarks, *_change_remarks(flat, lossy=judged.is_lossy))
        return Painting(path=path, kind=COLOURS, flat=flat, remarks=remarks)
    assert judged.table is not None
    if judged.kind == INDEXED:
        return _read_indexed(path, judged.values, judged.table)
    return Painting(path=path, kind=judged.kind, flat=FlatMask.of(judged.table, judged.values))


def _read_indexed(path: Path, ids: Ids, table: Colours) -> Painting:
    remarks: tuple[str, ...] = ()
    used = np.unique(ids)
    void_colours = [tuple(spelling[VOID]) for spelling in palette_spellings()]
    if VOID in used and np.isin(used, [0, VOID]).all() and tuple(table[VOID]) not in void_colours:
        # Void alone says nothing, so 255 can only be meant as the object, unless it has the colour of void.
        ids = (ids == VOID).astype(np.uint8)
        table = table[[0, VOID]]
        remarks = ("The number 255 stands alone, so it is object 1, not void.",)
    elif 0 not in used:
        remarks = (
            "No pixel has the number 0, so there is no background. If the order of the palette means "
            "nothing, save the mask as RGB.",
        )
    return Painting(path=path, kind=INDEXED, flat=FlatMask.of(table, ids), remarks=remarks)


def _read_grey(path: Path, judged: JudgedMask) -> Painting:
    """Read a grey mask, whose levels are ids or the black and white of one object."""
    levels = judged.values
    if levels.dtype != np.uint8:
        levels = _eight_bits(path, levels)
    flat = flatten(levels, path, lossy=judged.is_lossy)
    if flat.changed is not None:
        colours = np.where(flat.colours <= SAME_PAINT, 0, flat.colours)
        colours = np.where(colours >= 255 - SAME_PAINT, 255, colours).astype(np.uint8)
        flat = dataclasses.replace(flat, colours=colours)
    remarks = _change_remarks(flat, lossy=judged.is_lossy)
    if judged.is_rgb and not are_small_ids(flat.colours):
        # Neither black and white nor ids: shades of grey are colours like all others.
        return Painting(path=path, kind=COLOURS, flat=flat, remarks=remarks)
    return Painting(path=path, kind=GREY, flat=flat, remarks=remarks, is_rgb=judged.is_rgb)


def _eight_bits(path: Path, levels: npt.NDArray[Any]) -> Ids:
    """Turn grey levels of 16 bits or more into levels of eight.

    Raises:
        InputError: If they are neither ids nor black and white.
    """
    found = np.unique(levels)
    if np.isin(found, [0, 65535]).all():
        return (levels > 0).astype(np.uint8) * np.uint8(255)
    if found[0] < 0 or found[-1] > 255 or (found != np.floor(found)).any():
        raise InputError(
            f"{path} is a grey image of 16 bits or more with values from {found[0]} to {found[-1]}; "
            "ids end at 255.",
            "Save it with 8 bits a channel.",
        )
    return levels.astype(np.uint8)


def _read_transparency(path: Path, rgba: Colours) -> Painting:
    """Read what is not transparent as one object."""
    opacity = rgba[..., 3]
    # Paint may be half-transparent everywhere: an edge ends at half of its opacity.
    most = int(opacity.max())
    shown = opacity >= max((most + 1) // 2, FAINTEST_PAINT)
    table = np.zeros((2, 3), np.uint8)
    remarks = []
    if shown.any():
        found = index_colours(rgba[shown][:, None, :3])
        table[1] = found.colours[found.counts.argmax()]
        painted = int((found.counts >= _PAINTED_SHARE * found.counts.sum()).sum())
        if painted > 1:
            remarks.append(
                f"What is not transparent is one object, although it has {painted} colours. For an object in "
                "each colour, save the mask without transparency."
            )
    soft = int(((opacity > 0) & (opacity < most)).sum())
    if soft:
        remarks.append(f"{in_pixels(soft)} of soft transparency went to what they are closer to.")
    flat = FlatMask.of(table, shown.astype(np.uint8))
    return Painting(path=path, kind=TRANSPARENCY, flat=flat, remarks=tuple(remarks))


def _change_remarks(flat: FlatMask, *, lossy: bool) -> tuple[str, ...]:
    """Say how many pixels got a clean colour, if any did."""
    if not flat.changed:
        return ()
    what = "blurred by lossy compression" if lossy else "of soft edges"
    return (f"{in_pixels(flat.changed)} {what} went to the nearest clean colour.",)


def in_pixels(count: int) -> str:
    """Return a number of pixels in words."""
    return "1 pixel" if count == 1 else f"{count:,} pixels"
