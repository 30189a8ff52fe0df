"""Gives what the masks of a clip show its ids: the same colour is the same object in all of them."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painting.kinds import COLOURS, GREY, TRANSPARENCY, Colour, Painting, colour_at
from sfc_cli.data.painting.shared_legend import SharedLegend, palette_ids
from sfc_cli.errors import InputError

_MOST_OBJECTS = 254


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """The ids of what one mask shows.

    Args:
        ids: Id by number of the mask's colours, uint8 [K].
        remarks: What to tell about the choice.
    """

    ids: Ids
    remarks: tuple[str, ...] = ()


def number_masks(paintings: list[Painting]) -> tuple[list[Numbered], dict[int, Colour]]:
    """Number the objects of all masks of a clip.

    Args:
        paintings: The masks, in their order; their pixels are not needed.

    Returns:
        The ids of each mask's colours, and those that colours were given, in the order of the masks.

    Raises:
        InputError: If there are more than 254 objects.
    """
    if any(painting.kind == COLOURS for painting in paintings):
        # White may be the background or one object of several then, even where a mask has no other colour.
        paintings = [
            dataclasses.replace(painting, kind=COLOURS) if painting.is_rgb else painting
            for painting in paintings
        ]
    legend = SharedLegend()
    only_white = _is_white_alone(paintings)
    done: dict[int, Numbered] = {}
    for place, painting in enumerate(paintings):
        if painting.kind not in {COLOURS, TRANSPARENCY}:
            done[place] = _stored_ids(painting, only_white=only_white)
            legend.learn(_objects_of(painting, done[place].ids))
    coloured = [place for place, painting in enumerate(paintings) if painting.kind == COLOURS]
    numbered, given = _number_colours([paintings[place] for place in coloured], legend)
    done.update(zip(coloured, numbered, strict=True))
    for place, painting in enumerate(paintings):
        if painting.kind == TRANSPARENCY:
            # One object, in other masks perhaps known by its colour.
            identity = legend.find(colour_at(painting.flat, 1), exactly=False) or 1
            done[place] = Numbered(ids=np.array([0, identity], np.uint8))
    return [done[place] for place in range(len(paintings))], given


def _is_white_alone(paintings: list[Painting]) -> bool:
    """Tell whether no grey mask has an object that is not white: then white is an object, not void."""
    levels = [painting.flat.colours[:, 0] for painting in paintings if painting.kind == GREY]
    return all(np.isin(found, [0, VOID]).all() for found in levels)


def _stored_ids(painting: Painting, *, only_white: bool) -> Numbered:
    flat = painting.flat
    if painting.kind != GREY:
        return Numbered(ids=np.arange(len(flat.colours)).astype(np.uint8))
    levels = flat.colours[:, 0]
    is_white = levels == VOID
    if not only_white:
        told = ("White (255) is void beside other shades of grey, not an object.",) if is_white.any() else ()
        return Numbered(ids=levels, remarks=told)
    border = flat.border_counts
    remarks: tuple[str, ...] = ()
    if not is_white.all() and border[is_white].sum() * 2 > border.sum():
        remarks = ("White covers most of the border: if the black part is the object, invert the mask.",)
    return Numbered(ids=is_white.astype(np.uint8), remarks=remarks)


def _objects_of(painting: Painting, ids: Ids) -> dict[int, Colour]:
    return {
        int(ids[number]): colour_at(painting.flat, number)
        for number in np.flatnonzero(painting.flat.counts).tolist()
        if ids[number] not in (0, VOID)
    }


def _number_colours(
    paintings: list[Painting], legend: SharedLegend
) -> tuple[list[Numbered], dict[int, Colour]]:
    """Number the objects of coloured masks.

    If all their colours are of the DAVIS palette, the palette gives the ids; otherwise they rise as areas
    fall, and go on from mask to mask.
    """
    backgrounds = [legend.background(painting.flat) for painting in paintings]
    objects = [
        [number for number in _by_area(painting) if number != background]
        for painting, (background, _) in zip(paintings, backgrounds, strict=True)
    ]
    for painting, numbers in zip(paintings, objects, strict=True):
        if len(numbers) > _MOST_OBJECTS + 1:
            raise _too_many(painting.path, len(numbers))
    by_palette = palette_ids([painting.flat for painting in paintings], objects, legend)
    given: dict[int, Colour] = {}
    numbered = []
    for painting, numbers, (_, remarks) in zip(paintings, objects, backgrounds, strict=True):
        exactly = painting.flat.changed is None
        ids = np.zeros(len(painting.flat.colours), np.uint8)
        for number in numbers:
            colour = colour_at(painting.flat, number)
            identity = legend.find(colour, exactly=exactly)
            # Two colours of one mask are two objects, however close.
            if identity is None or identity in ids:
                identity = by_palette[colour] if by_palette else legend.next_id()
                if identity is None:
                    raise _too_many(painting.path, _MOST_OBJECTS + 1)
                legend.learn({identity: colour}, exactly=exactly)
            ids[number] = identity
            given.setdefault(identity, colour)
        numbered.append(Numbered(ids=ids, remarks=remarks))
    given.pop(VOID, None)
    return numbered, given


def _by_area(painting: Painting) -> list[int]:
    """Return the numbers of the colours that are there by falling area, those of one area by colour."""
    flat = painting.flat
    there = [number for number, count in enumerate(flat.counts) if count]
    return sorted(there, key=lambda number: (-int(flat.counts[number]), colour_at(flat, number)))


def _too_many(path: Path, count: int) -> InputError:
    return InputError(
        f"{path} has {count:,} colours besides the background, but there are ids for {_MOST_OBJECTS} only.",
        "Paint each object in one flat colour, without smoothing, gradients or texture.",
    )
