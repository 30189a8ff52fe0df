"""Opens grey masks, whose levels are ids or the black and white of one object."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.masks import Ids
from sfc_cli.data.painting.flattening import flatten
from sfc_cli.data.painting.kinds import GREY, Painting, told_change
from sfc_cli.errors import InputError

_NEAR_BLACK_OR_WHITE = 12


def open_grey(path: Path, levels: Ids, *, lossy: bool) -> Painting:
    """Open a grey mask.

    Args:
        path: Its file.
        levels: Its grey levels, uint8 [H, W].
        lossy: The file went through lossy compression.

    Raises:
        InputError: If it is a photograph.
    """
    flat = flatten(levels, path, lossy=lossy)
    if flat.changed is not None:
        near_black, near_white = _NEAR_BLACK_OR_WHITE, 255 - _NEAR_BLACK_OR_WHITE
        colours = np.where(flat.colours <= near_black, 0, flat.colours)
        colours = np.where(colours >= near_white, 255, colours).astype(np.uint8)
        flat = dataclasses.replace(flat, colours=colours)
    return Painting(path=path, kind=GREY, flat=flat, remarks=told_change(flat, lossy=lossy))


def eight_bits(path: Path, levels: npt.NDArray[Any]) -> Ids:
    """Turn grey levels of 16 bits or more into levels of eight.

    Raises:
        InputError: If they are neither ids nor black and white.
    """
    found = np.unique(levels)
    if np.isin(found, [0, 65535]).all():
        return (levels > 0).astype(np.uint8) * np.uint8(255)
    if found[0] < 0 or found[-1] > 255 or (found != np.floor(found)).any():
        raise InputError(
            f"{path} is a grey image of 16 bits or more with values from {found[0]} to {found[-1]}; "
            "ids end at 255.",
            "Save it with 8 bits a channel.",
        )
    return levels.astype(np.uint8)
