"""What a mask's file shows, and which part of the file shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.data.masks import Ids
from sfc_cli.data.painting.colour_index import Colours
from sfc_cli.data.painting.flattening import FlatMask

Colour = tuple[int, int, int]

INDEXED, GREY, BLACK_AND_WHITE = "indexed", "grey", "black-and-white"
COLOURS, TRANSPARENCY = "colours", "transparency"


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
    kind: str
    flat: FlatMask
    remarks: tuple[str, ...] = ()
    is_rgb: bool = False


def stored_mask(ids: Ids, table: Colours) -> FlatMask:
    """Return numbers [H, W] into a table of colours as a mask without soft edges."""
    counts = np.bincount(ids.ravel(), minlength=len(table))
    return FlatMask(colours=table, numbers=ids, counts=counts)


def told_change(flat: FlatMask, *, lossy: bool) -> tuple[str, ...]:
    """Tell how many pixels got a clean colour; nothing if none did."""
    if not flat.changed:
        return ()
    what = "blurred by lossy compression" if lossy else "of soft edges"
    return (f"{pixels(flat.changed)} {what} went to the nearest clean colour.",)


def pixels(count: int) -> str:
    """Return a number of pixels in words."""
    return "1 pixel" if count == 1 else f"{count:,} pixels"


def colour_at(flat: FlatMask, number: int) -> Colour:
    """Return the colour of a number as red, green and blue."""
    red, green, blue = (int(value) for value in flat.colours[number])
    return red, green, blue
