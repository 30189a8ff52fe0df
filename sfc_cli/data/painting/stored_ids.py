"""The ids of masks that store numbers: as they are, unless they are too large or white is alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sfc_cli.data.mask_kinds import BLACK_AND_WHITE, GREY, MOST_OBJECTS, SURROUNDING_SHARE
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painting.paintings import Painting
from sfc_cli.data.painting.stored_numbers import WIDE_VOID, WideIds
from sfc_cli.errors import InputError

_INVERTED = "White surrounds what is black, so black is the object. If it is not, invert the mask."
_MOST_TOLD = 8


@dataclass(frozen=True, kw_only=True)
class Numbered:
    """The ids of what one mask shows.

    Args:
        ids: Id by number of the mask's colours, uint8 [K].
        remarks: Sentences about the choice.
        names: What the file calls each object, where that is no id.
    """

    ids: Ids
    remarks: tuple[str, ...] = ()
    names: Mapping[int, str] = field(default_factory=dict)


class StoredIds:
    """Ids of masks that store numbers: the numbers, unless they are too large or white is alone."""

    def __init__(self, paintings: list[Painting]) -> None:
        grey = [painting for painting in paintings if painting.kind == GREY]
        plain = [painting for painting in paintings if painting.kind in {GREY, BLACK_AND_WHITE}]
        levels = [painting.flat.colours[:, 0] for painting in grey if painting.wide is None]
        # If all objects of grey masks are white, white is an object, not void.
        self._only_white = all(np.isin(found, [0, VOID]).all() for found in levels)
        self._is_inverted = self._only_white and _is_white_around(plain)
        wide = {painting.path: painting.wide for painting in grey if painting.wide is not None}
        self._ids_of_wide = _renumbered(wide)

    def number(self, painting: Painting) -> Numbered:
        """Return the ids of one mask's numbers."""
        flat = painting.flat
        if painting.kind == BLACK_AND_WHITE and self._is_inverted:
            return Numbered(ids=np.array([1, 0], np.uint8), remarks=(_INVERTED,))
        if painting.kind != GREY:
            return Numbered(ids=np.arange(len(flat.colours)).astype(np.uint8))
        if painting.wide is not None:
            return self._number_wide(painting.wide)
        levels = flat.colours[:, 0]
        is_white = levels == VOID
        if not self._only_white:
            remark = "White (255) is void beside other shades of grey, not an object."
            return Numbered(ids=levels, remarks=(remark,) if is_white.any() else ())
        if self._is_inverted:
            return Numbered(ids=(~is_white).astype(np.uint8), remarks=(_INVERTED,))
        border = flat.border_counts
        remarks: tuple[str, ...] = ()
        if not is_white.all() and border[is_white].sum() * 2 > border.sum():
            remarks = ("White covers most of the border: if the black part is the object, invert the mask.",)
        return Numbered(ids=is_white.astype(np.uint8), remarks=remarks)

    def _number_wide(self, wide: WideIds) -> Numbered:
        ids = np.array([self._ids_of_wide[int(number)] for number in wide], np.uint8)
        new = {int(identity): int(number) for identity, number in zip(ids, wide, strict=True)}
        names = {identity: str(number) for identity, number in new.items() if identity not in (0, VOID)}
        if all(identity == number for identity, number in new.items() if identity not in (0, VOID)):
            return Numbered(ids=ids)
        told = ", ".join(f"{number} is {identity}" for identity, number in list(names.items())[:_MOST_TOLD])
        more = f" and {len(names) - _MOST_TOLD} more" if len(names) > _MOST_TOLD else ""
        remarks = [f"Ids above 255 do not fit into a mask, so all were numbered again: {told}{more}."]
        if VOID in new:
            remarks.append(f"White ({new[VOID]}) is void beside other ids, not an object.")
        return Numbered(ids=ids, remarks=tuple(remarks), names=names)


def _is_white_around(grey: list[Painting]) -> bool:
    """Return whether white surrounds what is black in grey masks."""
    white = total = white_border = border = 0
    for painting in grey:
        is_white = painting.flat.colours[:, 0] == VOID
        white += int(painting.flat.counts[is_white].sum())
        total += int(painting.flat.counts.sum())
        white_border += int(painting.flat.border_counts[is_white].sum())
        border += int(painting.flat.border_counts.sum())
    return white < total and white * 2 > total and white_border >= SURROUNDING_SHARE * border


def _renumbered(wide: dict[Path, WideIds]) -> dict[int, int]:
    """Give ids that may be above 255 others that are not; all stay if they fit.

    Raises:
        InputError: If there are more objects than a mask can have.
    """
    found = sorted({int(number) for numbers in wide.values() for number in numbers})
    if not found or found[-1] <= VOID:
        return {number: number for number in found}
    # Void is white, in as many bits as there are.
    objects = [number for number in found if number not in (0, VOID, WIDE_VOID)]
    if len(objects) > MOST_OBJECTS:
        raise InputError(
            f"{next(iter(wide))} has {len(objects):,} ids in one sequence; a mask holds {MOST_OBJECTS} at "
            "most.",
            "Leave some objects out.",
        )
    return {0: 0, VOID: VOID, WIDE_VOID: VOID} | {
        number: identity for identity, number in enumerate(objects, start=1)
    }
