"""Gives the colours of a clip's masks their ids: the same colour is the same object in all of them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colours import palette_spellings
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painting.flattening import FlatMask
from sfc_cli.data.painting.kinds import Colour, Painting
from sfc_cli.errors import InputError

_MOST_OBJECTS = 254
# Smoothing and compression leave a colour no farther from itself, in any channel.
_ABOUT = 12
# A share of the border that makes a colour look like the background.
_SURROUNDING = 0.5


class SharedLegend:
    """Which id each colour has, for all masks of one clip."""

    def __init__(self) -> None:
        self._ids: dict[Colour, int] = {}
        self._used: set[int] = set()
        self._backgrounds: set[Colour] = set()

    def learn(self, legend: dict[int, Colour]) -> None:
        """Take over the colours of objects that have their ids; the first id that a colour had stays."""
        for identity, colour in legend.items():
            self._ids.setdefault(colour, identity)
            self._used.add(identity)

    def find(self, colour: Colour, *, exactly: bool = True) -> int | None:
        """Return the id of a known colour, or of the one that it is about."""
        if exactly or colour in self._ids:
            return self._ids.get(colour)
        return _closest(colour, self._ids.items())

    def next_id(self, path: Path) -> int:
        """Return the first id after all that are in use, or else the first gap.

        Raises:
            InputError: If all ids are in use.
        """
        following = max(self._used, default=0) + 1
        if following <= _MOST_OBJECTS:
            return following
        gap = next((identity for identity in range(1, VOID) if identity not in self._used), None)
        if gap is None:
            raise too_many_objects(path, _MOST_OBJECTS + 1)
        return gap

    def background(self, painting: Painting) -> tuple[int | None, tuple[str, ...]]:
        """Choose the colour that is no object: black, or else what covers most of the image's border.

        Returns:
            The colour's number, None if all are objects, and what to tell about the choice.
        """
        flat = painting.flat
        border = _border_counts(flat)
        exactly = flat.changed is None
        colours = [_colour(colour) for colour in flat.colours]
        around = int(border.argmax())
        share = border[around] / border.sum()
        likely = [n for n, colour in enumerate(colours) if self._is_background(colour, exactly)]
        if likely:
            chosen = max(likely, key=lambda number: int(border[number]))
            if chosen != around and share > _SURROUNDING and border[chosen] * 2 < border[around]:
                return chosen, (
                    f"The background is {colours[chosen]}, although {colours[around]} covers {share:.0%} of "
                    "the border.",
                )
            return chosen, ()
        unknown = [n for n, colour in enumerate(colours) if self.find(colour, exactly=exactly) is None]
        if not unknown:
            return None, ()
        chosen = max(unknown, key=lambda number: int(border[number]))
        self._backgrounds.add(colours[chosen])
        return chosen, (
            f"The background is taken to be {colours[chosen]}, which covers "
            f"{border[chosen] / border.sum():.0%} of the border: there is no black.",
        )

    def _is_background(self, colour: Colour, exactly: bool) -> bool:
        if exactly:
            return colour == (0, 0, 0) or colour in self._backgrounds
        return _closest(colour, [((0, 0, 0), 0), *((known, 0) for known in self._backgrounds)]) is not None


def number_colours(paintings: list[Painting], legend: SharedLegend) -> list[tuple[Ids, tuple[str, ...]]]:
    """Number the objects of coloured masks.

    If all their colours are of the DAVIS palette, the palette gives the ids; otherwise they rise as areas
    fall, and go on from mask to mask.

    Args:
        paintings: The masks, in their order.
        legend: The colours known before; it learns the others.

    Returns:
        For each mask the ids [H, W] and what to tell about the choice of the background.

    Raises:
        InputError: If there are more than 254 objects.
    """
    backgrounds = [legend.background(painting) for painting in paintings]
    objects = [
        [number for number in _by_area(painting.flat) if number != background]
        for painting, (background, _) in zip(paintings, backgrounds, strict=True)
    ]
    for painting, numbers in zip(paintings, objects, strict=True):
        if len(numbers) > _MOST_OBJECTS + 1:
            raise too_many_objects(painting.path, len(numbers))
    by_palette = _palette_ids(paintings, objects, legend)
    numbered = []
    for painting, numbers, (_, remarks) in zip(paintings, objects, backgrounds, strict=True):
        table = np.zeros(len(painting.flat.colours), np.uint8)
        for number in numbers:
            colour = _colour(painting.flat.colours[number])
            identity = legend.find(colour, exactly=painting.flat.changed is None)
            if identity is None:
                identity = by_palette[colour] if by_palette else legend.next_id(painting.path)
                legend.learn({identity: colour})
            table[number] = identity
        numbered.append((_spread(table, painting.flat), remarks))
    return numbered


def _palette_ids(
    paintings: list[Painting], objects: list[list[int]], legend: SharedLegend
) -> dict[Colour, int]:
    """Return the palette's ids of all object colours; nothing if one of them is not of the palette."""
    entries = [
        (_colour(colour), identity)
        for spelling in palette_spellings()
        for identity, colour in enumerate(spelling)
        if identity
    ]
    exact = dict(reversed(entries))
    found: dict[Colour, int] = {}
    for painting, numbers in zip(paintings, objects, strict=True):
        for number in numbers:
            colour = _colour(painting.flat.colours[number])
            exactly = painting.flat.changed is None
            identity = exact.get(colour) if exactly else _closest(colour, entries)
            known = legend.find(colour, exactly=exactly)
            if identity is None or known not in (None, identity):
                return {}
            found[colour] = identity
    return found


def _closest(colour: Colour, entries: Iterable[tuple[Colour, int]]) -> int | None:
    best, identity = _ABOUT + 1, None
    for other, number in entries:
        distance = max(abs(a - b) for a, b in zip(colour, other, strict=True))
        if distance < best:
            best, identity = distance, number
    return identity


def _by_area(flat: FlatMask) -> list[int]:
    """Return the numbers of the colours that are there by falling area, those of one area by colour."""
    there = [number for number, count in enumerate(flat.counts) if count]
    return sorted(there, key=lambda number: (-int(flat.counts[number]), _colour(flat.colours[number])))


def _border_counts(flat: FlatMask) -> npt.NDArray[np.int64]:
    numbers = flat.numbers
    border = np.concatenate([numbers[0], numbers[-1], numbers[1:-1, 0], numbers[1:-1, -1]])
    return np.bincount(border.astype(np.int64), minlength=len(flat.colours)).astype(np.int64)


def _spread(table: Ids, flat: FlatMask) -> Ids:
    ids: Ids = table[flat.numbers]
    return ids


def _colour(values: npt.NDArray[np.uint8]) -> Colour:
    red, green, blue = (int(value) for value in values)
    return red, green, blue


def too_many_objects(path: Path, count: int) -> InputError:
    """Return the error for a mask of more objects than ids."""
    return InputError(
        f"{path} has {count:,} colours besides the background, but ids for {_MOST_OBJECTS} objects only.",
        "Paint each object in one flat colour, without smoothing, gradients or texture.",
    )
