"""Reads a mask painted in any program: colours, grey levels, transparency and soft edges become ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painting.colour_index import Integers
from sfc_cli.data.painting.kinds import COLOURS, GREY, TRANSPARENCY, Colour, Painting
from sfc_cli.data.painting.numbering import SharedLegend, number_colours
from sfc_cli.data.painting.opening import open_painting
from sfc_cli.errors import InputError

# An object of fewer pixels, or of a smaller share of the image, is likely a slip of the brush.
_STRAY_PIXELS, _STRAY_SHARE = 4, 1e-5
_MOST_STRAYS_TOLD = 5


@dataclass(frozen=True, kw_only=True)
class PaintedMask:
    """A painted mask as ids.

    Args:
        path: The file that it was read from.
        ids: uint8 [H, W], 0 is background and 255 void.
        legend: The colour (red, green, blue) of each object of the mask as its painter sees it.
        kind: ``indexed``, ``grey``, ``black-and-white``, ``colours`` or ``transparency``.
        remarks: Sentences that tell what was decided for the user; empty if nothing was.
    """

    path: Path
    ids: Ids
    legend: dict[int, Colour]
    kind: str
    remarks: tuple[str, ...]


def read_painted_mask(path: Path, *, size: tuple[int, int] | None = None) -> PaintedMask:
    """Read one mask, see ``read_painted_masks``."""
    return read_painted_masks([path], size=size)[0]


def read_painted_masks(paths: Sequence[Path], *, size: tuple[int, int] | None = None) -> list[PaintedMask]:
    """Read the masks of one clip, which share a legend: a colour is the same object in all of them.

    Numbers that a file stores are its ids: those of an indexed file, and grey levels, where 255 is void
    beside other objects and object 1 if no mask has others. Colours have the ids of the DAVIS palette if all
    are of it, otherwise 1, 2, … by falling area; the background is black, or what surrounds the objects. What
    is not transparent is object 1. Smoothed and compressed edges go to the clean colours beside them; without
    such edges every pixel keeps the colour that it has.

    Args:
        paths: The files.
        size: Height and width of the clip's frames in pixels; None takes masks of any size.

    Returns:
        The masks in the order of ``paths``.

    Raises:
        InputError: If a file is missing, damaged, of another size, no mask, or holds no object.
    """
    paintings = [open_painting(path, size=size) for path in paths]
    legend = SharedLegend()
    done: dict[int, PaintedMask] = {}
    only_white = _is_white_alone(paintings)
    for place, painting in enumerate(paintings):
        if painting.ids is not None or painting.kind == GREY:
            done[place] = _finish(painting, *_stored_ids(painting, only_white=only_white))
            legend.learn(done[place].legend)
    coloured = [place for place, painting in enumerate(paintings) if painting.kind == COLOURS]
    numbered = number_colours([paintings[place] for place in coloured], legend)
    for place, (ids, remarks) in zip(coloured, numbered, strict=True):
        done[place] = _finish(paintings[place], ids, remarks)
    for place, painting in enumerate(paintings):
        if painting.kind == TRANSPARENCY:
            done[place] = _finish(painting, *_shown_ids(painting, legend))
    return [done[place] for place in range(len(paintings))]


def _is_white_alone(paintings: list[Painting]) -> bool:
    """Tell whether no grey mask has an object that is not white: then white is an object, not void."""
    levels = [painting.flat.colours[:, 0] for painting in paintings if painting.kind == GREY]
    return all(np.isin(found, [0, VOID]).all() for found in levels)


def _stored_ids(painting: Painting, *, only_white: bool) -> tuple[Ids, tuple[str, ...]]:
    """Return the ids that a file stores, and what to tell about them."""
    if painting.ids is not None:
        return painting.ids, ()
    levels = painting.flat.colours[:, 0]
    ids: Ids = (np.where(levels == VOID, 1, 0).astype(np.uint8) if only_white else levels)[
        painting.flat.numbers
    ]
    if not only_white and VOID in levels:
        return ids, ("White (255) is void beside other shades of grey, not an object.",)
    border = np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]])
    if only_white and 0 in levels and border.mean() > 0.5:
        return ids, ("White covers most of the border: if the black part is the object, invert the mask.",)
    return ids, ()


def _shown_ids(painting: Painting, legend: SharedLegend) -> tuple[Ids, tuple[str, ...]]:
    """Return the ids of what is not transparent: object 1, or the one that has its colour in other masks."""
    red, green, blue = (int(value) for value in painting.flat.colours[1])
    identity = legend.find((red, green, blue), exactly=False) or 1
    ids: Ids = np.array([0, identity], np.uint8)[painting.flat.numbers]
    return ids, ()


def _finish(painting: Painting, ids: Ids, remarks: tuple[str, ...]) -> PaintedMask:
    """Make sure that a mask holds an object, and tell of strays."""
    counts = np.bincount(ids.ravel(), minlength=VOID + 1)
    objects = [int(identity) for identity in np.flatnonzero(counts[:VOID]) if identity]
    if not objects:
        raise _no_object(painting, has_void=bool(counts[VOID]))
    legend = _legend_of(painting, ids, objects)
    return PaintedMask(
        path=painting.path,
        ids=ids,
        legend=legend,
        kind=painting.kind,
        remarks=(*painting.remarks, *remarks, *_stray_remarks(ids, counts, legend)),
    )


def _legend_of(painting: Painting, ids: Ids, objects: list[int]) -> dict[int, Colour]:
    numbers = np.zeros(VOID + 1, np.int64)
    numbers[ids.ravel()] = painting.flat.numbers.ravel()
    legend = {}
    for identity in objects:
        red, green, blue = (int(value) for value in painting.flat.colours[numbers[identity]])
        legend[identity] = (red, green, blue)
    return legend


def _stray_remarks(ids: Ids, counts: Integers, legend: dict[int, Colour]) -> list[str]:
    """Tell which objects are so small, while others are larger, that they may be there by mistake."""
    limit = max(_STRAY_PIXELS, _STRAY_SHARE * ids.size)
    strays = [identity for identity in legend if counts[identity] < limit]
    if len(strays) == len(legend):
        return []
    remarks = []
    for identity in strays[:_MOST_STRAYS_TOLD]:
        y, x = np.unravel_index(int((ids == identity).argmax()), ids.shape)
        pixels = "1 pixel" if counts[identity] == 1 else f"{counts[identity]} pixels"
        remarks.append(
            f"Object {identity}, colour {legend[identity]}, has only {pixels}, at x {x}, y {y}: is it a slip?"
        )
    if len(strays) > _MOST_STRAYS_TOLD:
        remarks.append(f"{len(strays) - _MOST_STRAYS_TOLD} more objects are as small.")
    return remarks


def _no_object(painting: Painting, *, has_void: bool) -> InputError:
    if painting.kind == TRANSPARENCY:
        return InputError(
            f"{painting.path} holds no object: every pixel is transparent.",
            "Save the layer that the objects are painted on.",
        )
    void = " apart from void (255)" if has_void else ""
    return InputError(
        f"{painting.path} holds no object: every pixel is background{void}.",
        "Paint at least one object, in a colour of its own on black, or with an id from 1 to 254.",
    )
