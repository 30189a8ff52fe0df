"""Opens indexed masks, whose stored numbers are the ids unless the palette says otherwise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sfc_cli.data.colours import palette_spellings
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painting.colour_index import Colours, Integers, index_colours
from sfc_cli.data.painting.flattening import flatten
from sfc_cli.data.painting.grey import open_grey
from sfc_cli.data.painting.kinds import COLOURS, INDEXED, Painting, stored_mask, told_change
from sfc_cli.data.painting.soft_edges import has_soft_edges
from sfc_cli.data.painting.transparency import TRANSPARENT, open_transparent

# Fewer used entries of a palette are objects, whatever their colours.
_FEW_ENTRIES = 16


def open_indexed(path: Path, image: Image.Image) -> Painting:
    """Open an indexed mask.

    Its numbers are colours' instead of ids' if the palette is one of greys, or of the many colours that
    smoothing makes; transparency counts if more than the background is transparent.

    Raises:
        InputError: If it is a photograph.
    """
    ids = np.asarray(image.getchannel(0) if image.mode == "PA" else image, dtype=np.uint8)
    table = np.zeros((256, 3), np.uint8)
    flat_table = np.array(image.getpalette("RGB") or [], np.uint8).reshape(-1, 3)
    table[: len(flat_table)] = flat_table
    used = np.flatnonzero(np.bincount(ids.ravel(), minlength=256))
    if image.mode == "PA" or "transparency" in image.info:
        rgba = np.asarray(image.convert("RGBA"))
        # A transparent background is a usual export of ids; other transparent entries mean nothing by number.
        if ((rgba[..., 3] < TRANSPARENT) & (ids != 0)).any():
            painting = open_transparent(path, rgba)
            if painting is not None:
                return painting
    own = table[used]
    if (own == used[:, None]).all():
        # A grey mask that some program saved with a palette of greys.
        return open_grey(path, ids, lossy=False)
    is_davis = any((own == spelling[used]).all() for spelling in palette_spellings())
    if not is_davis and len(used) > _FEW_ENTRIES and has_soft_edges(index_colours(table[ids])):
        flat = flatten(table[ids], path)
        why = "The numbers of the palette are those of smoothed colours, not ids: the colours count."
        return Painting(path=path, kind=COLOURS, flat=flat, remarks=(why, *told_change(flat, lossy=False)))
    return _with_stored_ids(path, ids, table, used)


def _with_stored_ids(path: Path, ids: Ids, table: Colours, used: Integers) -> Painting:
    remarks: tuple[str, ...] = ()
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
    return Painting(path=path, kind=INDEXED, flat=stored_mask(ids, table), remarks=remarks)
