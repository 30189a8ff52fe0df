"""Finds out in which channel order the colours of a sequence's masks stand for ids."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.colours import Colours, Legend, pack, palette_legend
from sfc_cli.data.masks import Ids, stored_palette
from sfc_cli.errors import InputError

# Of masks in the palette's colours, so many others and such a share of the objects' pixels are an accident.
_MOST_STRAYS = 7
_STRAY_SHARE = 0.02


def choose_legend(masks: Iterable[tuple[Path, Colours]], annotation: Path, truth: Ids) -> Legend:
    """Find out in which channel order a sequence's colours name the ids of its first annotation.

    The released script's files hold the annotation's palette with red and blue exchanged. An order fits if it
    knows every colour of the masks; if both fit, the one that agrees better with the first annotation.

    Args:
        masks: The sequence's masks as colours [H, W, 3], the first frame's first.
        annotation: The first annotation's file.
        truth: Its ids [H, W].

    Raises:
        InputError: If neither order fits.
    """
    import cv2

    seen: npt.NDArray[np.int64] = np.empty(0, np.int64)
    first: Colours | None = None
    some_path = annotation
    for path, colours in masks:
        first = colours if first is None else first
        some_path = path
        seen = np.union1d(seen, np.unique(pack(colours)))
    table = stored_palette(annotation)
    fitting = []
    for swapped in (False, True):
        legend = palette_legend(table, swapped=swapped)
        if first is not None and legend.knows(seen).all():
            ids = legend.read(first, some_path)
            same_size = cv2.resize(ids, truth.shape[::-1], interpolation=cv2.INTER_NEAREST)
            fitting.append((int(((same_size == truth) & (truth != 0)).sum()), not swapped, legend))
    if not fitting:
        known = palette_legend(table)
        colour = int(seen[~known.knows(seen)][0])
        raise InputError(
            f"The masks beside {some_path} use the colour "
            f"({colour >> 16}, {colour >> 8 & 255}, {colour & 255}), which {annotation} does not have.",
            "Check that --data is the data set that the masks were made from.",
        )
    return max(fitting, key=lambda item: item[:2])[2]


def have_strays(masks: Iterable[Colours]) -> bool:
    """Tell whether masks are in the palette's colours but for some accident.

    To number all colours anew because of it would exchange objects. Smoothed masks have many foreign colours.

    Args:
        masks: The masks of a sequence as colours [H, W, 3].
    """
    legend = palette_legend()
    known = unknown = 0
    foreign: npt.NDArray[np.int64] = np.empty(0, np.int64)
    for colours in masks:
        found, counts = np.unique(pack(colours), return_counts=True)
        is_known = legend.knows(found)
        known += int(counts[is_known & (found != 0)].sum())
        unknown += int(counts[~is_known].sum())
        foreign = np.union1d(foreign, found[~is_known])
        if len(foreign) > _MOST_STRAYS:
            return False
    return 0 < unknown <= _STRAY_SHARE * known
