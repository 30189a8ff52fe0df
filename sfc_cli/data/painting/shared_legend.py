"""Remembers which colour is which object, and which is the background, from mask to mask of a clip."""

from __future__ import annotations

from collections.abc import Iterable

from sfc_cli.data.colours import palette_spellings
from sfc_cli.data.masks import VOID
from sfc_cli.data.painting.flattening import FlatMask
from sfc_cli.data.painting.kinds import Colour, colour_at

# Smoothing and compression leave a colour no farther from itself, in any channel.
_ABOUT = 12
# A share of the border that makes a colour look like the background.
_SURROUNDING = 0.5
_BLACK: Colour = (0, 0, 0)


class SharedLegend:
    """Which id each colour has, for all masks of one clip."""

    def __init__(self) -> None:
        self._ids: dict[Colour, int] = {}
        self._about: dict[Colour, int] = {}
        self._used: set[int] = set()
        self._backgrounds: set[Colour] = set()

    def learn(self, objects: dict[int, Colour], *, exactly: bool = True) -> None:
        """Take over the colours of objects that have their ids; the first id that a colour had stays.

        Args:
            objects: Colour by id.
            exactly: The colours are as painted, not as smoothing or compression left them.
        """
        for identity, colour in objects.items():
            self._ids.setdefault(colour, identity)
            self._used.add(identity)
            if not exactly:
                self._about.setdefault(colour, identity)

    def find(self, colour: Colour, *, exactly: bool = True) -> int | None:
        """Return the id of a known colour, or of the one that it is about; None for a new one.

        Args:
            colour: The colour.
            exactly: It is as painted, so that it has to be the same unless the known one is not.
        """
        if colour in self._ids:
            return self._ids[colour]
        return closest(colour, (self._about if exactly else self._ids).items())

    def next_id(self) -> int | None:
        """Return the first id after all that are in use, or else the first gap; None if all are in use."""
        following = max(self._used, default=0) + 1
        if following < VOID:
            return following
        return next((identity for identity in range(1, VOID) if identity not in self._used), None)

    def background(self, flat: FlatMask) -> tuple[int | None, tuple[str, ...]]:
        """Choose the colour that is no object: black, or else what covers most of the image's border.

        Returns:
            The colour's number, None if all are objects, and what to tell about the choice.
        """
        border = flat.border_counts
        colours = [colour_at(flat, number) for number in range(len(flat.colours))]
        around = int(border.argmax())
        share = border[around] / border.sum()
        exactly = flat.changed is None
        likely = [number for number, colour in enumerate(colours) if self._is_background(colour, exactly)]
        if likely:
            chosen = max(likely, key=lambda number: int(border[number]))
            if share > _SURROUNDING and border[chosen] * 2 < border[around]:
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
        known = {_BLACK, *self._backgrounds}
        return colour in known if exactly else closest(colour, [(other, 0) for other in known]) is not None


def palette_ids(masks: list[FlatMask], objects: list[list[int]], legend: SharedLegend) -> dict[Colour, int]:
    """Return the DAVIS palette's ids of all object colours; nothing if one of them is not of the palette.

    Args:
        masks: The masks.
        objects: The numbers of each mask's object colours.
        legend: The colours known before; ids other than the palette's rule it out.
    """
    entries = [
        ((int(red), int(green), int(blue)), identity)
        for spelling in palette_spellings()
        for identity, (red, green, blue) in enumerate(spelling)
        if identity
    ]
    exact = dict(reversed(entries))
    found: dict[Colour, int] = {}
    for flat, numbers in zip(masks, objects, strict=True):
        for number in numbers:
            colour = colour_at(flat, number)
            identity = exact.get(colour) if flat.changed is None else closest(colour, entries)
            known = legend.find(colour, exactly=flat.changed is None)
            if identity is None or known not in (None, identity):
                return {}
            found[colour] = identity
    return found


def closest(colour: Colour, entries: Iterable[tuple[Colour, int]]) -> int | None:
    """Return the id of the colour that another one is about; None if it is about none."""
    best, identity = _ABOUT + 1, None
    for other, number in entries:
        distance = max(abs(first - second) for first, second in zip(colour, other, strict=True))
        if distance < best:
            best, identity = distance, number
    return identity
