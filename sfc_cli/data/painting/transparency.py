"""Opens masks that are transparent around their object."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfc_cli.data.painting.colour_index import Colours, Flags, index_colours
from sfc_cli.data.painting.kinds import TRANSPARENCY as KIND
from sfc_cli.data.painting.kinds import Painting, pixels, stored_mask

TRANSPARENT = 16
# A colour that covers so much of an object was painted, not smoothed.
_PAINTED_SHARE = 0.05


def open_transparent(path: Path, rgba: Colours) -> Painting | None:
    """Return what is not transparent as one object; None if nothing is transparent."""
    alpha = rgba[..., 3]
    if alpha.min() >= TRANSPARENT:
        return None
    top = int(alpha.max())
    shown: Flags = alpha >= max((top + 1) // 2, TRANSPARENT)
    ids = shown.astype(np.uint8)
    table = np.zeros((2, 3), np.uint8)
    remarks = []
    if shown.any():
        found = index_colours(rgba[shown][:, None, :3])
        table[1] = found.colours[found.counts.argmax()]
        painted = int((found.counts >= _PAINTED_SHARE * found.counts.sum()).sum())
        if painted > 1:
            remarks.append(
                f"What is not transparent is one object, although it has {painted} colours. For an object a "
                "colour, save the mask without transparency."
            )
    soft = int(((alpha > 0) & (alpha < top)).sum())
    if soft:
        remarks.append(f"{pixels(soft)} of soft transparency went to what they are closer to.")
    return Painting(path=path, kind=KIND, flat=stored_mask(ids, table), remarks=tuple(remarks))
