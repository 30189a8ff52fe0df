"""Gives the objects of a sequence's masks their ids: a colour is the same object in all of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sfc_cli.data.colours import palette_spellings
from sfc_cli.data.mask_kinds import (
    COLOURS,
    HARDLY_AT_BORDER,
    INDEXED,
    MOST_OBJECTS,
    SURROUNDING_SHARE,
    TRANSPARENCY,
)
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painting.flattening import Colour, FlatMask
from sfc_cli.data.painting.paintings import SAME_PAINT, Painting
from sfc_cli.data.painting.stored_ids import Numbered, StoredIds
from sfc_cli.errors import InputError

# A colour on a larger share of the border looks like the background.
_SURROUNDING_SHARE = 0.5
_BLACK: Colour = (0, 0, 0)
_DIFFERENT = "The palettes of the masks differ, so their colours count, not the numbers."


def number_masks(paintings: list[Painting]) -> tuple[list[Numbered], dict[int, Colour]]:
    """Number the objects of all masks of a sequence.

    Args:
        paintings: The masks in their order, if need be without their pixels.

    Returns:
        The ids of each mask's colours, and the colour of each id that a colour was given.

    Raises:
        InputError: If there are more than 254 objects.
    """
    if any(painting.kind == COLOURS for painting in paintings):
        # White may be the background or one object of several then, even where a mask has no other colour.
        paintings = [
            dataclasses.replace(painting, kind=COLOURS) if painting.is_rgb else painting
            for painting in paintings
        ]
    paintings = _agreeing_palettes(paintings)
    legend = _SharedLegend()
    stored = StoredIds(paintings)
    done: dict[int, Numbered] = {}
    # Stored ids come first, then colours, then transparency: each may name the objects of those before.
    for index, painting in enumerate(paintings):
        if painting.kind not in {COLOURS, TRANSPARENCY}:
            done[index] = stored.number(painting)
            legend.learn(_objects_of(painting, done[index].ids))
    coloured = [index for index, painting in enumerate(paintings) if painting.kind == COLOURS]
    numbered, given = _number_colours([paintings[index] for index in coloured], legend)
    done.update(zip(coloured, numbered, strict=True))
    for index, painting in enumerate(paintings):
        if painting.kind == TRANSPARENCY:
            # One object, in other masks perhaps known by its colour.
            identity = legend.find(painting.flat.colour(1), exactly=False) or 1
            done[index] = Numbered(ids=np.array([0, identity], np.uint8))
    return [done[index] for index in range(len(paintings))], given


def _agreeing_palettes(paintings: list[Painting]) -> list[Painting]:
    """Take the colours of indexed masks for objects where their own palettes do not agree on the numbers."""
    own = [painting for painting in paintings if painting.has_own_palette]
    pairs = {
        (number, painting.flat.colour(number))
        for painting in own
        if painting.kind == INDEXED
        for number in np.flatnonzero(painting.flat.counts).tolist()
    }
    numbers, colours = {number for number, _ in pairs}, {colour for _, colour in pairs}
    if len(numbers) == len(colours) == len(pairs) and all(painting.kind == INDEXED for painting in own):
        return paintings
    return [
        dataclasses.replace(
            painting,
            kind=COLOURS,
            remarks=(
                *painting.remarks,
                _DIFFERENT,
            ),
        )
        if painting.has_own_palette and painting.kind == INDEXED
        else painting
        for painting in paintings
    ]


def _objects_of(painting: Painting, ids: Ids) -> dict[int, Colour]:
    return {
        int(ids[number]): painting.flat.colour(number)
        for number in np.flatnonzero(painting.flat.counts).tolist()
        if ids[number] not in (0, VOID)
    }


def _number_colours(
    paintings: list[Painting], legend: _SharedLegend
) -> tuple[list[Numbered], dict[int, Colour]]:
    """Number the objects of coloured masks.

    If all their colours are in the DAVIS palette, the palette gives the ids. Otherwise the largest object of
    the first mask is 1, and the numbers continue from mask to mask.
    """
    backgrounds = [
        legend.background(painting.flat, painting.declared)
        if painting.background is None
        else (painting.flat.number_of(painting.background), ())
        for painting in paintings
    ]
    objects = [
        [number for number in _by_area(painting) if number != background]
        for painting, (background, _) in zip(paintings, backgrounds, strict=True)
    ]
    for painting, numbers in zip(paintings, objects, strict=True):
        # One more colour may be that of void.
        if len(numbers) > MOST_OBJECTS + 1:
            raise _too_many(painting.path, len(numbers))
    by_palette = _palette_ids([painting.flat for painting in paintings], objects, legend)
    given: dict[int, Colour] = {}
    numbered = []
    for painting, numbers, (_, remarks) in zip(paintings, objects, backgrounds, strict=True):
        exactly = painting.flat.changed is None
        ids = np.zeros(len(painting.flat.colours), np.uint8)
        for number in numbers:
            colour = painting.flat.colour(number)
            identity = legend.find(colour, exactly=exactly)
            # Two colours of one mask are two objects, however close.
            if identity is None or identity in ids:
                identity = by_palette[colour] if by_palette else legend.next_id()
                if identity is None:
                    raise _too_many(painting.path, MOST_OBJECTS + 1)
                legend.learn({identity: colour}, exactly=exactly)
            ids[number] = identity
            given.setdefault(identity, colour)
        numbered.append(Numbered(ids=ids, remarks=remarks))
    given.pop(VOID, None)
    return numbered, given


def _by_area(painting: Painting) -> list[int]:
    """Return the numbers of the colours in use, by falling area and then by colour."""
    flat = painting.flat
    used = [number for number, count in enumerate(flat.counts) if count]
    return sorted(used, key=lambda number: (-int(flat.counts[number]), flat.colour(number)))


def _too_many(path: Path, count: int) -> InputError:
    return InputError(
        f"{path} has {count:,} colours besides the background, but there are only {MOST_OBJECTS} ids.",
        "Paint each object in one flat colour, without smoothing, gradients or texture.",
    )


class _SharedLegend:
    """Which id each colour has in all masks of a sequence, and which colours are background."""

    def __init__(self) -> None:
        self._ids: dict[Colour, int] = {}
        self._approximate: dict[Colour, int] = {}
        self._used: set[int] = set()
        self._backgrounds: set[Colour] = {_BLACK}

    def learn(self, objects: dict[int, Colour], *, exactly: bool = True) -> None:
        """Remember the colours of objects; a colour keeps the first id that it had.

        Args:
            objects: Colour by id.
            exactly: The colours are as painted, not as smoothing or compression left them.
        """
        for identity, colour in objects.items():
            self._ids.setdefault(colour, identity)
            self._used.add(identity)
            if not exactly:
                self._approximate.setdefault(colour, identity)

    def find(self, colour: Colour, *, exactly: bool = True) -> int | None:
        """Return the id of a known colour, or of the known one closest to it; None for a new one.

        Args:
            colour: The colour.
            exactly: It is as painted. Then it may only differ from colours that are not.
        """
        if colour in self._ids:
            return self._ids[colour]
        return _closest(colour, (self._approximate if exactly else self._ids).items())

    def next_id(self) -> int | None:
        """Return the first id after all that are in use, or else the first gap; None if all are in use."""
        following = max(self._used, default=0) + 1
        if following < VOID:
            return following
        return next((identity for identity in range(1, VOID) if identity not in self._used), None)

    def background(
        self, flat: FlatMask, declared: Colour | None = None
    ) -> tuple[int | None, tuple[str, ...]]:
        """Choose the background's colour: black, what the file declares, or what covers most of the border.

        Returns:
            The colour's number, None if all are objects, and remarks on the choice.
        """
        border = flat.border_counts
        colours = [flat.colour(number) for number in range(len(flat.colours))]
        surrounding = int(border.argmax())
        share = border[surrounding] / border.sum()
        exactly = flat.changed is None
        likely = [
            number
            for number, colour in enumerate(colours)
            if flat.counts[number] and self._is_background(colour, exactly)
        ]
        if likely:
            chosen = max(likely, key=lambda number: int(border[number]))
            if (
                self._backgrounds == {_BLACK}
                and share >= SURROUNDING_SHARE
                and border[chosen] <= HARDLY_AT_BORDER * border.sum()
                and self.find(colours[surrounding], exactly=exactly) is None
            ):
                self._backgrounds = {colours[surrounding]}
                return surrounding, (
                    f"The background is taken to be {colours[surrounding]}, which covers {share:.0%} of "
                    f"the border, and {colours[chosen]} an object.",
                )
            if share > _SURROUNDING_SHARE and border[chosen] * 2 < border[surrounding]:
                return chosen, (
                    f"The background is {colours[chosen]}, although {colours[surrounding]} covers "
                    f"{share:.0%} of the border.",
                )
            return chosen, ()
        unknown = [
            number
            for number, colour in enumerate(colours)
            if flat.counts[number] and self.find(colour, exactly=exactly) is None
        ]
        if not unknown:
            return None, ()
        if declared in [colours[number] for number in unknown]:
            assert declared is not None
            self._backgrounds.add(declared)
            return colours.index(declared), (f"The file declares {declared} to be its background.",)
        chosen = max(unknown, key=lambda number: int(border[number]))
        self._backgrounds.add(colours[chosen])
        return chosen, (
            f"The background is taken to be {colours[chosen]}, which covers "
            f"{border[chosen] / border.sum():.0%} of the border: there is no black.",
        )

    def _is_background(self, colour: Colour, exactly: bool) -> bool:
        known = self._backgrounds
        return colour in known if exactly else _closest(colour, [(other, 0) for other in known]) is not None


def _palette_ids(masks: list[FlatMask], objects: list[list[int]], legend: _SharedLegend) -> dict[Colour, int]:
    """Return the ids that the DAVIS palette gives to all object colours; nothing if it lacks one of them.

    Args:
        masks: The masks.
        objects: The numbers of each mask's object colours.
        legend: The colours known before. If one has another id there, the palette is not used.
    """
    entries = [
        ((int(red), int(green), int(blue)), identity)
        for spelling in palette_spellings()
        for identity, (red, green, blue) in enumerate(spelling)
        if identity
    ]
    # The first spelling comes last, so that its ids stay.
    exact = dict(reversed(entries))
    found: dict[Colour, int] = {}
    for flat, numbers in zip(masks, objects, strict=True):
        for number in numbers:
            colour = flat.colour(number)
            identity = exact.get(colour) if flat.changed is None else _closest(colour, entries)
            known = legend.find(colour, exactly=flat.changed is None)
            if identity is None or known not in (None, identity):
                return {}
            found[colour] = identity
    return found


def _closest(colour: Colour, entries: Iterable[tuple[Colour, int]]) -> int | None:
    """Return the id of the colour closest to another one; None if all differ by more than smoothing does."""
    best, identity = SAME_PAINT + 1, None
    for other, number in entries:
        distance = max(abs(first - second) for first, second in zip(colour, other, strict=True))
        if distance < best:
            best, identity = distance, number
    return identity
