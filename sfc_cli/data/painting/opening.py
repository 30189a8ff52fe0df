"""Opens a painted mask's file and finds out what in it stands for objects: numbers, colours, transparency."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from PIL import Image

from sfc_cli.data.masks import open_image
from sfc_cli.data.painting.flattening import flatten
from sfc_cli.data.painting.grey import eight_bits, open_grey
from sfc_cli.data.painting.indexed import open_indexed
from sfc_cli.data.painting.kinds import BLACK_AND_WHITE, COLOURS, Painting, stored_mask, told_change
from sfc_cli.data.painting.transparency import open_transparent
from sfc_cli.errors import InputError

_LOSSY_FORMATS = {"JPEG", "MPO", "AVIF"}
_DARKEST_PAINT = 32


def open_painting(path: Path, *, size: tuple[int, int] | None = None) -> Painting:
    """Open a mask.

    Args:
        path: The file.
        size: Height and width that it must have, in pixels; None for any.

    Raises:
        InputError: If it is missing, damaged, of another size or no mask.
    """
    image = open_image(path)
    if size is not None and image.size != size[::-1]:
        raise InputError(
            f"{path} has {image.width}×{image.height} pixels, the clip's frames {size[1]}×{size[0]}.",
            "Paint the mask on a frame of the clip, at its full size.",
        )
    if image.mode in {"P", "PA"}:
        return open_indexed(path, image)
    if image.mode == "1":
        ids = np.asarray(image, dtype=np.uint8)
        black_and_white = np.array([(0, 0, 0), (255, 255, 255)], np.uint8)
        return Painting(path=path, kind=BLACK_AND_WHITE, flat=stored_mask(ids, black_and_white))
    if image.mode in {"F", "I"} or image.mode.startswith("I;"):
        return open_grey(path, eight_bits(path, np.asarray(image)), lossy=False)
    if image.mode in {"LA", "RGBA"} or "transparency" in image.info:
        painting = open_transparent(path, np.asarray(image.convert("RGBA")))
        if painting is not None:
            return painting
    return _open_opaque(path, image)


def _open_opaque(path: Path, image: Image.Image) -> Painting:
    lossy = _is_lossy(path, image)
    if image.mode in {"L", "LA"}:
        return open_grey(path, np.asarray(image.convert("L")), lossy=lossy)
    colours = np.asarray(_rgb(path, image))
    red, green, blue = colours[..., 0], colours[..., 1], colours[..., 2]
    if np.array_equal(red, green) and np.array_equal(red, blue):
        painting = open_grey(path, np.ascontiguousarray(red), lossy=lossy)
        levels = painting.flat.colours[:, 0]
        # A grey file saved as RGB; other shades of grey are colours like all others.
        if np.isin(levels, [0, 255]).all() or (levels[levels < 255] < _DARKEST_PAINT).all():
            return dataclasses.replace(painting, is_rgb=True)
        return Painting(path=path, kind=COLOURS, flat=painting.flat, remarks=painting.remarks)
    flat = flatten(colours, path, lossy=lossy)
    return Painting(path=path, kind=COLOURS, flat=flat, remarks=told_change(flat, lossy=lossy))


def _rgb(path: Path, image: Image.Image) -> Image.Image:
    try:
        return image.convert("RGB")
    except ValueError:
        raise InputError(
            f"{path} is an image of mode {image.mode}, which is not known here.", "Save it as an RGB PNG."
        ) from None


def _is_lossy(path: Path, image: Image.Image) -> bool:
    if image.format == "WEBP":
        with path.open("rb") as file:
            return b"VP8L" not in file.read(64)
    return image.format in _LOSSY_FORMATS
