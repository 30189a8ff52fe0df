"""Reading and writing of masks: one byte a pixel, the object's id; 0 is background and 255 void."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sfc_cli.data.colours import Colours, Ids, palette
from sfc_cli.data.mask_files import open_image
from sfc_cli.data.mask_kinds import GREY, STORES_IDS, soft_grey_levels, stored_kind
from sfc_cli.errors import InputError
from sfc_cli.files import write_bytes

__all__ = [
    "VOID",
    "Ids",
    "encode_mask",
    "object_ids",
    "open_image",
    "palette",
    "read_first_mask",
    "read_given_mask",
    "read_ids",
    "refuse_soft_edges",
    "stored_palette",
    "write_mask",
]

VOID = 255
_PNG_LEVEL = 1
_PALETTE_BYTES = palette().tobytes()


def read_ids(path: Path) -> Ids:
    """Read a mask whose stored numbers are the ids: indexed (palette), grey or black-and-white.

    Returns:
        uint8 [H, W]. A black-and-white file gives 0 and 1.

    Raises:
        InputError: If the file is missing or damaged, or stores colours instead of ids.
    """
    return _ids_of(open_image(path), path)


def _ids_of(image: Image.Image, path: Path) -> Ids:
    if stored_kind(image) not in STORES_IDS:
        raise InputError(
            f"{path} is {_described(image)}, not an indexed or grey mask.",
            "In a data set masks store ids: make it indexed, for example with `sfc convert FOLDER OUT`, "
            "which reads painted colours.",
        )
    return np.asarray(image, dtype=np.uint8)


def read_first_mask(path: Path) -> Ids:
    """Read the mask that a propagation starts from, and make sure that it names objects.

    Accepted are indexed files and grey files that store ids, and black-and-white files as 0/1 or 0/255
    (one object, id 1).

    Returns:
        uint8 [H, W], ids as stored; 255 is void.

    Raises:
        InputError: If the file stores colours, has soft edges or has no objects.
    """
    ids = read_given_mask(path)
    if object_ids(ids).size == 0:
        void = " apart from void (255)" if (ids == VOID).any() else ""
        raise InputError(
            f"No objects in {path}: every pixel is background (0){void}.",
            "Paint at least one object with an id from 1 to 254.",
        )
    return ids


def read_given_mask(path: Path) -> Ids:
    """Read a mask like ``read_first_mask``; it may show no object.

    Raises:
        InputError: If the file stores colours or has soft edges.
    """
    image = open_image(path)
    ids = _ids_of(image, path)
    return _ids_of_grey(ids, path) if stored_kind(image) == GREY else ids


def _ids_of_grey(values: Ids, path: Path) -> Ids:
    found = np.unique(values)
    if np.array_equal(found, [0, 255]) or np.array_equal(found, [255]):
        binary: Ids = (values == 255).astype(np.uint8)
        return binary
    refuse_soft_edges(values, path, by_area=True)
    return values


def refuse_soft_edges(values: Ids, path: Path, *, by_area: bool = False) -> None:
    """Make sure that the values of a grey mask [H, W] are ids, not a smoothed edge between 0 and 255.

    Args:
        values: The mask.
        path: Its file, for the error.
        by_area: See ``soft_grey_levels``.

    Raises:
        InputError: If they are not.
    """
    levels = soft_grey_levels(values, by_area=by_area)
    if levels:
        raise InputError(
            f"{path} is a grey mask with soft edges: {levels} grey levels between 0 and 255.",
            "Save it without smoothing: one flat value for each object, or only 0 and 255.",
        )


def stored_palette(path: Path) -> Colours | None:
    """Return the palette of an indexed image, uint8 [n, 3]; None if it has none."""
    flat = open_image(path).getpalette()
    return None if flat is None else np.array(flat, np.uint8).reshape(-1, 3)


def object_ids(ids: Ids) -> Ids:
    """Return the ids of the objects in a mask in rising order, without background and void."""
    found = np.unique(ids)
    objects: Ids = found[(found != 0) & (found != VOID)]
    return objects


def encode_mask(ids: Ids) -> bytes:
    """Encode ids [H, W] as an indexed PNG with the DAVIS palette."""
    image = Image.fromarray(np.ascontiguousarray(ids, dtype=np.uint8))
    image.putpalette(_PALETTE_BYTES)
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def write_mask(path: Path, ids: Ids) -> None:
    """Write ids [H, W] as an indexed PNG with the DAVIS palette, whole or not at all.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    write_bytes(path, encode_mask(ids))


def _described(image: Image.Image) -> str:
    names = {
        "RGB": "an RGB image",
        "RGBA": "an RGB image with transparency",
        "LA": "a grey image with transparency",
    }
    if image.mode.startswith("I"):
        return "a grey image of 16 bits or more"
    what = names.get(image.mode, f"an image of mode {image.mode}")
    colours: list[Any] | None = image.getcolors(maxcolors=256)
    return f"{what} with {len(colours)} colours" if colours else f"{what} with more than 256 colours"
