"""Reads a sequence of masks that somebody painted, and tells how its colours were numbered."""

from __future__ import annotations

from collections.abc import Sequence

from sfc_cli.conversion.remarks import Remarks, listed
from sfc_cli.conversion.sources import MaskSource, Reader
from sfc_cli.data.colours import palette_spellings
from sfc_cli.data.masks import Ids
from sfc_cli.data.painted_masks import PaintedSequence

_MOST_COLOURS_TOLD = 20


def painted_reader(masks: Sequence[MaskSource], remarks: Remarks) -> Reader:
    """Return the reader of a sequence's painted masks, in all of which a colour is the same object.

    Args:
        masks: The masks of one sequence.
        remarks: Told how colours were numbered and what else was decided.

    Raises:
        InputError: If a file is no mask.
    """
    painted = PaintedSequence([mask.path for mask in masks])
    places = {mask: place for place, mask in enumerate(masks)}
    _tell_legend(painted.numbered, masks[0].sequence, remarks)

    def read(mask: MaskSource) -> Ids:
        found = painted.read(places[mask])
        for remark in found.remarks:
            remarks.add_of_mask("/".join(filter(None, (mask.sequence, mask.path.name))), remark)
        return found.ids

    return read


def _tell_legend(numbered: dict[int, tuple[int, int, int]], sequence: str, remarks: Remarks) -> None:
    """Tell which id each colour was given, unless they are the ids that these colours have everywhere."""
    known = all(
        any(tuple(spelling[identity].tolist()) == colour for spelling in palette_spellings())
        for identity, colour in numbered.items()
    )
    if not known:
        legend = [f"{identity} is {colour}" for identity, colour in sorted(numbered.items())]
        where = f" of {sequence}" if sequence else ""
        remarks.add(f"The colours{where} were numbered: {listed(legend, _MOST_COLOURS_TOLD)}.")
