"""Opens the image files of masks: damaged ones are named, turned ones stand upright."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageOps, ImageSequence

from sfc_cli.errors import InputError

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
