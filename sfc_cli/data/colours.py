"""Which ids colours stand for: the DAVIS palette, its other spelling, a file's own table."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.errors import InputError

Ids = npt.NDArray[np.uint8]
Colours = npt.NDArray[np.uint8]

# The DAVIS evaluation package and its successors write these where PASCAL VOC has 192.
_DAVIS_192 = 191
# The first entries of the palette that YouTube-VOS came with; the others are greys of their number.
_YOUTUBE_VOS = (
    *((0, 0, 0), (236, 95, 103), (249, 145, 87), (250, 200, 99), (153, 199, 148), (98, 179, 178)),
    *((102, 153, 204), (197, 148, 197), (171, 121, 103), (255, 255, 255), (101, 115, 126)),
)
# The first of the web colours' numbers, and the first after them.
WEB_NUMBERS = (10, 226)


def palette() -> Colours:
    """Return the DAVIS (PASCAL VOC) palette, uint8 [256, 3], RGB."""
    # The bits of an id are spread over the three channels, three bits a channel, the highest first.
    ids = np.arange(256)
    channels = [
        sum(((ids >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)
    ]
    return np.stack(channels, axis=1).astype(np.uint8)


def palette_spellings() -> list[Colours]:
    """Return the DAVIS palette in the two spellings that are in use, uint8 [256, 3] each."""
    return [palette(), np.where(palette() == 192, _DAVIS_192, palette())]


def known_palettes() -> list[Colours]:
    """Return the palettes by which a file says that its numbers are ids, uint8 [256, 3] each."""
    youtube = np.stack([np.arange(256)] * 3, axis=1).astype(np.uint8)
    youtube[: len(_YOUTUBE_VOS)] = _YOUTUBE_VOS
    return [*palette_spellings(), youtube]


def web_colours() -> Colours:
    """Return the 216 web colours by the numbers that Pillow gives them, uint8 [256, 3]."""
    table = np.zeros((256, 3), np.uint8)
    cube = np.arange(216)
    table[slice(*WEB_NUMBERS)] = np.stack([cube % 6, cube // 6 % 6, cube // 36], axis=1) * 51
    return table


class Legend:
    """Which id each colour stands for, each colour packed into one number.

    Args:
        ids_of_colours: Id by packed colour.
    """

    def __init__(self, ids_of_colours: dict[int, int]) -> None:
        order = sorted(ids_of_colours)
        self._packed = np.array(order, np.int64)
        self._ids = np.array([ids_of_colours[colour] for colour in order], np.uint8)

    def knows(self, packed: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return which packed colours the legend holds."""
        return np.isin(packed, self._packed)

    def read(self, colours: Colours, path: Path) -> Ids:
        """Return the ids [H, W] of colours [H, W, 3].

        Raises:
            InputError: If the legend lacks one of the colours.
        """
        packed = pack(colours)
        entries = np.searchsorted(self._packed, packed).clip(max=len(self._packed) - 1)
        unknown = self._packed[entries] != packed
        if unknown.any():
            red, green, blue = colours[unknown][0]
            count = len(np.unique(packed[unknown]))
            raise InputError(
                f"{path} has {count} colours outside the palette, the first is ({red}, {green}, {blue}).",
                "Save masks without smoothing or lossy compression, in the palette's colours.",
            )
        ids: Ids = self._ids[entries]
        return ids


def pack(colours: Colours) -> npt.NDArray[np.int64]:
    """Pack colours [..., 3] into one number each."""
    wide = colours.astype(np.int64)
    return (wide[..., 0] << 16) | (wide[..., 1] << 8) | wide[..., 2]


def palette_legend(table: Colours | None = None, *, swapped: bool = False) -> Legend:
    """Return the legend of a palette.

    Args:
        table: Colours by id, uint8 [n, 3]; they come before those of the DAVIS palette.
        swapped: Take the colours as blue-green-red, as files of the released script are.
    """
    tables = palette_spellings()
    if table is not None:
        tables.insert(0, table)
    ids: dict[int, int] = {}
    for colours in tables:
        for identity, colour in enumerate(pack(colours[:, ::-1] if swapped else colours)):
            ids.setdefault(int(colour), identity)
    return Legend(ids)
