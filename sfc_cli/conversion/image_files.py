"""Looks into image files without decoding more of them than is needed."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from sfc_cli.errors import InputError


def format_and_mode(path: Path) -> tuple[str, str]:
    """Return an image file's format, such as ``PNG``, and its mode, such as ``P`` for indexed.

    Raises:
        InputError: If the file is missing or no image.
    """
    try:
        with Image.open(path) as image:
            return image.format or "unknown", image.mode
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} cannot be decoded as an image: {error}.", "Replace the file.") from None


def mode_of(path: Path) -> str:
    """Return an image file's mode. See ``format_and_mode``."""
    return format_and_mode(path)[1]
