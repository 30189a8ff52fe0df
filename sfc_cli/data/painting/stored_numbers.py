"""Numbers that a mask's file stores: of more than eight bits, blurred by JPEG, or over several pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sfc_cli.data.colour_index import index_colours
from sfc_cli.data.colours import Ids, palette
from sfc_cli.data.mask_kinds import HARDLY_AT_BORDER, MOST_OBJECTS, SURROUNDING_SHARE, border_of
from sfc_cli.data.painting.flattening import FlatMask
from sfc_cli.data.painting.pictures import nearest_numbers, rims
from sfc_cli.errors import InputError

WideIds = npt.NDArray[np.int64]

# White in 16 bits, which beside other numbers is void as 255 is in eight.
WIDE_VOID = 65535
# Grey of eight bits that a program widened to sixteen: 255 becomes 65535.
_WIDENING = 257
# The numbers of ids are no more than this; more of them are shades.
_MOST_WIDE_IDS = 4096
# A level that fills less is a halo, in pixels.
_LEAST_AREA = 16
# So many numbers of which hardly any pixel is even are those of smoothed colours.
_MANY_THIN, _HARDLY_SOLID = 3, 0.25


def read_wide_levels(path: Path, levels: npt.NDArray[Any]) -> Ids | tuple[WideIds, FlatMask]:
    """Read grey levels of 16 bits or more: as levels of eight, or as ids that may be above 255.

    Returns:
        Levels [H, W] if they are shades or fit as they are; otherwise the ids, and a mask that numbers them.

    Raises:
        InputError: If they are no whole numbers from 0 on.
    """
    found, numbers = np.unique(levels, return_inverse=True)
    numbers = numbers.reshape(levels.shape)
    if not np.isfinite(found).all() or found[0] < 0 or (found != np.floor(found)).any():
        raise InputError(
            f"{path} is a grey image of 16 bits or more with values from {found[0]} to {found[-1]}: no ids.",
            "Save it with 8 bits a channel.",
        )
    if np.isin(found, [0, WIDE_VOID]).all():
        return (levels > 0).astype(np.uint8) * np.uint8(255)
    if found[-1] <= 255:
        return levels.astype(np.uint8)
    if found[-1] <= WIDE_VOID and (found % _WIDENING == 0).all():
        return (levels // _WIDENING).astype(np.uint8)
    if len(found) > MOST_OBJECTS and WIDE_VOID // 2 < found[-1] <= WIDE_VOID and _are_shades(numbers):
        return (levels // 256).astype(np.uint8)
    if len(found) > _MOST_WIDE_IDS:
        raise InputError(
            f"{path} has {len(found):,} different values; a mask holds {MOST_OBJECTS} objects at most.",
            "Leave some objects out, or save black and white with 8 bits a channel.",
        )
    table = np.zeros((len(found), 3), np.uint8)
    return found.astype(np.int64), FlatMask.of(table, numbers.astype(np.uint16))


def _are_shades(numbers: npt.NDArray[Any]) -> bool:
    """Return whether most values fill no area: those of soft edges, not of objects."""
    import cv2

    wide = numbers.astype(np.float32)
    square = np.ones((3, 3), np.uint8)
    solid = cv2.dilate(wide, square) == cv2.erode(wide, square)
    return len(np.unique(numbers[solid])) * 2 < int(numbers.max()) + 1


def without_halos(levels: Ids) -> tuple[Ids, int]:
    """Take what lossy compression left around areas out of a mask of small ids.

    Args:
        levels: The ids [H, W], with halos.

    Returns:
        The ids, each pixel outside the areas having that of the area nearest to it, and how many changed.
    """
    import cv2

    square = np.ones((3, 3), np.uint8)
    index = index_colours(levels)
    nearest = np.full(levels.shape, np.inf, np.float32)
    clean = np.zeros_like(levels)
    for level in index.colours[:, 0].tolist():
        area = cv2.morphologyEx((levels == level).astype(np.uint8), cv2.MORPH_OPEN, square)
        if int(area.sum()) < _LEAST_AREA:
            continue
        distance = cv2.distanceTransform(1 - area, cv2.DIST_L2, 5)
        closer = distance < nearest
        clean[closer], nearest[closer] = level, distance[closer]
    clinging = rims(clean, clean > 0)
    if clinging.any():
        clean = nearest_numbers(clean, ~clinging)
    return clean, int((clean != levels).sum())


def in_order(ids: Ids) -> tuple[Ids, str] | None:
    """Find the background of an indexed mask whose numbers some program gave in another order.

    No object surrounds everything, with the background inside it only: then the palette was replaced.

    Returns:
        The mask with 0 for what surrounds everything, and a remark; None if 0 may be the background.
    """
    border = np.bincount(border_of(ids), minlength=256) / border_of(ids).size
    counts = np.bincount(ids.ravel(), minlength=256)
    around = int(border[1:255].argmax()) + 1
    if (
        not counts[0]
        or border[0] > HARDLY_AT_BORDER
        or border[around] < SURROUNDING_SHARE
        or counts[around] * 2 < ids.size
    ):
        return None
    index = index_colours(ids)
    numbers = index.colours[:, 0]
    thin = numbers[index.solid_counts <= _HARDLY_SOLID * index.counts]
    if len(thin) >= _MANY_THIN:
        # Without their palette the numbers of smoothed colours still lie along edges.
        ids = nearest_numbers(ids, ~np.isin(ids, thin))
    free = next(number for number in range(1, 255) if not counts[number])
    table = np.arange(256).astype(np.uint8)
    table[[0, around]] = free, 0
    return table[ids], (
        f"Number {around} covers {border[around]:.0%} of the border and 0 lies within, so {around} is the "
        f"background and 0 is object {free}."
    )


def read_pages(path: Path, pages: list[Image.Image]) -> tuple[Image.Image, FlatMask | None, str]:
    """Read a file of several pages.

    Returns:
        The largest page; where it does not count alone, a mask with an object for each page; and a remark.

    Raises:
        InputError: If the pages are neither.
    """
    largest = max(pages, key=lambda page: page.width * page.height)
    whole = [page for page in pages if page.size == largest.size]
    if len(whole) == 1:
        return largest, None, f"Of {len(pages)} pages the largest counts."
    if largest.format != "TIFF":
        if len({page.convert("RGBA").tobytes() for page in whole}) == 1:
            return largest, None, f"All {len(pages)} pictures of the file are equal."
        raise InputError(
            f"{path} is an animation of {len(pages)} pictures, and a mask is one.",
            "Save each of them as a file of its own.",
        )
    ids = np.zeros(largest.size[::-1], np.uint8)
    if len(whole) > MOST_OBJECTS:
        raise InputError(f"{path} has {len(whole)} pages; a mask holds {MOST_OBJECTS} objects at most.")
    overlaps = 0
    for number, page in enumerate(whole, start=1):
        shown = _one_object(path, page, number)
        overlaps += int(((ids > 0) & shown).sum())
        ids[shown] = number
    remark = f"The {len(whole)} pages are objects 1 to {len(whole)}."
    if overlaps:
        remark += f" Where they overlap ({overlaps:,} pixels), the later page is on top."
    return largest, FlatMask.of(palette()[: len(whole) + 1], ids), remark


def _one_object(path: Path, page: Image.Image, number: int) -> npt.NDArray[np.bool_]:
    values = np.asarray(page.convert("RGB") if page.mode in {"P", "CMYK", "YCbCr"} else page)
    flat = values.reshape(*values.shape[:2], -1)[..., : 3 if values.ndim == 3 else 1]
    colours = np.unique(flat.reshape(-1, flat.shape[2]), axis=0)
    if len(colours) > 2:
        raise InputError(
            f"Page {number} of {path} has {len(colours):,} colours; a page should be one object on a plain "
            "background.",
            "Save the mask as one page with an object in each colour.",
        )
    return np.asarray(flat.any(axis=2), np.bool_)
