"""Opens the image files of masks: damaged ones are named, turned ones stand upright."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

from sfc_cli.errors import InputError

# What stands before the length, type and checksum of a PNG's chunks.
_PNG_SIGNATURE = 8
# The EXIF tag of the side that is up.
_ORIENTATION = 0x0112


@contextlib.contextmanager
def opened_image(path: Path) -> Iterator[Image.Image]:
    """Open an image file without decoding more of it than its header.

    Raises:
        InputError: If the file is missing or damaged.
    """
    try:
        with Image.open(path) as image:
            yield image
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}.", "Replace the file.") from None


def open_image(path: Path) -> Image.Image:
    """Open and fully decode an image file.

    Raises:
        InputError: If the file is missing or damaged.
    """
    with opened_image(path) as image:
        image.load()
        return image


def open_upright(
    path: Path, size: tuple[int, int] | None = None
) -> tuple[list[Image.Image], tuple[str, ...]]:
    """Open and fully decode an image as its EXIF says that it is to be seen.

    Args:
        path: The file.
        size: The height and width of the frames. Where only the image as it is stored has this size, its tag
            is left over from before somebody turned it.

    Returns:
        The pages of the file, nearly always one, and remarks.

    Raises:
        InputError: If the file is missing or damaged.
    """
    with opened_image(path) as image:
        if getattr(image, "n_frames", 1) > 1:
            pages = [page.copy() for page in ImageSequence.Iterator(image)]
            for page in pages:
                page.format = image.format
            return pages, ()
        image.load()
    if image.getexif().get(_ORIENTATION, 1) == 1:
        return [image], ()
    turned = ImageOps.exif_transpose(image)
    turned.format = image.format
    if size is not None and image.size == size[::-1] != turned.size:
        return [image], ("Its EXIF orientation does not fit the frames and was ignored.",)
    return [turned], ("It was turned as its EXIF orientation says.",)


def declared_background(path: Path, image: Image.Image) -> tuple[int, int, int] | None:
    """Return the colour that a file declares as its background, in a PNG's bKGD chunk or a GIF's header.

    Args:
        path: The file.
        image: Its image.

    Returns:
        Red, green and blue; None if nothing is declared. A GIF's number 0 declares nothing: it is what
        programs write that know of no background.
    """
    if image.format == "GIF":
        number = image.info.get("background")
        return _palette_colour(image, number) if number and image.mode == "P" else None
    content = _png_chunk(path, b"bKGD") if image.format == "PNG" else None
    if not content:
        return None
    if image.mode in {"P", "PA"}:
        return _palette_colour(image, content[0])
    levels = struct.unpack(f">{len(content) // 2}H", content[: len(content) // 2 * 2])
    if len(levels) not in (1, 3):
        return None
    red, green, blue = levels if len(levels) == 3 else levels * 3
    return (red, green, blue) if max(levels) <= 255 else None


def _palette_colour(image: Image.Image, number: int) -> tuple[int, int, int] | None:
    colours = (image.getpalette("RGB") or [])[3 * number : 3 * number + 3]
    return (colours[0], colours[1], colours[2]) if len(colours) == 3 else None


def _png_chunk(path: Path, name: bytes) -> bytes | None:
    """Return the content of a PNG's chunk that comes before the pixels."""
    with path.open("rb") as file:
        file.seek(_PNG_SIGNATURE)
        while len(header := file.read(8)) == 8 and header[4:] != b"IDAT":
            length = int.from_bytes(header[:4], "big")
            if header[4:] == name:
                return file.read(length)
            file.seek(length + 4, 1)
    return None
