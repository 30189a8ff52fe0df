"""Reading and writing of masks: one byte a pixel, the object's id; 0 is background and 255 void."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from sfc_cli.errors import InputError
from sfc_cli.files import write_bytes

Ids = npt.NDArray[np.uint8]

VOID = 255
# DAVIS stores its masks with the PASCAL VOC colours: bits of the id spread over the three channels.
_MOST_GREY_IDS = 32
_PNG_LEVEL = 1


def palette() -> npt.NDArray[np.uint8]:
    """Return the DAVIS (PASCAL VOC) palette, uint8 [256, 3], RGB."""
    ids = np.arange(256)
    channels = [
        sum(((ids >> (3 * bit + channel)) & 1) << (7 - bit) for bit in range(3)) for channel in range(3)
    ]
    return np.stack(channels, axis=1).astype(np.uint8)


_PALETTE_BYTES = palette().tobytes()


def open_image(path: Path) -> Image.Image:
    """Open and fully decode an image file.

    Raises:
        InputError: If the file is missing or damaged.
    """
    try:
        with Image.open(path) as image:
            image.load()
            return image
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}.", "Replace the file.") from None


def read_ids(path: Path) -> Ids:
    """Read a mask whose stored numbers are the ids: indexed (palette), grey or black-and-white.

    Returns:
        uint8 [H, W]. A black-and-white file gives 0 and 1.

    Raises:
        InputError: If the file is missing or damaged, or stores colours instead of ids.
    """
    image = open_image(path)
    if image.mode not in {"P", "L", "1"}:
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
        InputError: If the file stores colours, has soft edges or holds no object.
    """
    ids = read_ids(path)
    if open_image(path).mode == "L":
        ids = _ids_of_grey(ids, path)
    objects = object_ids(ids)
    if objects.size == 0:
        void = " apart from void (255)" if (ids == VOID).any() else ""
        raise InputError(
            f"{path} holds no object: every pixel is background (0){void}.",
            "Paint at least one object with an id from 1 to 254.",
        )
    return ids


def _ids_of_grey(values: Ids, path: Path) -> Ids:
    found = np.unique(values)
    if np.array_equal(found, [0, 255]) or np.array_equal(found, [255]):
        binary: Ids = (values == 255).astype(np.uint8)
        return binary
    refuse_soft_edges(values, path, by_area=True)
    return values


def refuse_soft_edges(values: Ids, path: Path, *, by_area: bool = False) -> None:
    """Make sure that the values of a grey mask are ids, not a smoothed edge between 0 and 255.

    Args:
        values: The mask, uint8 [H, W].
        path: Its file, for the error.
        by_area: Refuse few values too, if 255 stands beside them and none of them fills an area. Right for
            a first mask, whose objects are to be seen; later ones may shrink to a line.

    Raises:
        InputError: If they are not.
    """
    found = np.unique(values)
    between = found[(found > 0) & (found < 255)]
    has_soft_edges = between.size > _MOST_GREY_IDS or (
        by_area and 255 in found and not _has_solid_area(values, between)
    )
    if has_soft_edges:
        raise InputError(
            f"{path} is a grey mask with soft edges: {between.size} grey levels between 0 and 255.",
            "Save it without smoothing: one flat value an object, or 0 and 255 alone.",
        )


def _has_solid_area(values: Ids, candidates: Ids) -> bool:
    """Tell whether any candidate value fills a 3×3 square: objects do, the rim of a soft edge does not."""
    height, width = values.shape
    if min(height, width) < 3:
        return True
    centre = values[1:-1, 1:-1]
    flat = np.isin(centre, candidates)
    for dy in range(3):
        for dx in range(3):
            flat &= values[dy : height - 2 + dy, dx : width - 2 + dx] == centre
    return bool(flat.any())


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
