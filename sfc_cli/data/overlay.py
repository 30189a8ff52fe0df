"""Pictures of a frame and its mask: blended to look at, or the objects alone to lay over something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import VOID, Ids, palette
from sfc_cli.errors import InputError
from sfc_cli.files import write_bytes

_OPACITY = 0.5
_JPEG_QUALITY = 92
_PNG_LEVEL = 1
# In pixels.
_RIM = 8


def blend(frame: Frame, mask: Ids) -> Frame:
    """Blend a frame [H, W, 3], RGB, with the palette's colours of its mask [H, W], each object outlined.

    Raises:
        InputError: If the sizes differ.
    """
    import cv2

    require_one_size(frame, mask)
    picture = frame.copy()
    left, top, width, height = cv2.boundingRect(mask)
    # Outlines depend on neighbours: the box includes one pixel around the objects.
    box = slice(max(0, top - 1), top + height + 1), slice(max(0, left - 1), left + width + 1)
    part, ids = frame[box], np.ascontiguousarray(mask[box])
    if not part.size:
        return picture
    objects = cv2.inRange(ids, 1, VOID - 1)
    colours = cv2.LUT(cv2.cvtColor(ids, cv2.COLOR_GRAY2RGB), palette()[None])
    mixed = cv2.addWeighted(part, 1 - _OPACITY, colours, _OPACITY, 0)
    # A pixel with another id in its neighbourhood is an outline.
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    same = cv2.compare(cv2.dilate(ids, cross), cv2.erode(ids, cross), cv2.CMP_EQ)
    outlined = cv2.bitwise_or(mixed, cv2.cvtColor(cv2.bitwise_not(same), cv2.COLOR_GRAY2RGB))
    picture[box] = cv2.copyTo(outlined, objects, part.copy())
    return picture


def write_overlay(path: Path, frame: Frame, mask: Ids) -> None:
    """Write the blend of a frame and its mask as JPEG, whole or not at all."""
    import cv2

    picture = cv2.cvtColor(blend(frame, mask), cv2.COLOR_RGB2BGR)
    _, content = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    write_bytes(path, content.tobytes())


def write_cutout(path: Path, frame: Frame, mask: Ids) -> None:
    """Write a frame's objects as an RGBA PNG of the frame's size, whole or not at all.

    Args:
        path: The file.
        frame: uint8 [H, W, 3], RGB.
        mask: Ids, uint8 [H, W]; background and void become transparent, and black, which takes less space.

    Raises:
        InputError: If the sizes differ, the folder cannot be written to or the disk is full.
    """
    import cv2

    require_one_size(frame, mask)
    # 255 where there is an object.
    alpha = cv2.inRange(mask, 1, VOID - 1)
    picture = cv2.cvtColor(cv2.bitwise_and(frame, frame, mask=alpha), cv2.COLOR_RGB2BGRA)
    picture[..., 3] = alpha
    _, content = cv2.imencode(".png", np.asarray(picture), [cv2.IMWRITE_PNG_COMPRESSION, _PNG_LEVEL])
    write_bytes(path, content.tobytes())


def cutout_picture(frame: Frame, mask: Ids) -> Frame:
    """Return a frame's objects as RGBA, uint8 [H, W, 4], to be encoded as a film.

    Colours reach a little beyond the objects, so that chroma at half size leaves no dark rim.

    Raises:
        InputError: If the sizes differ.
    """
    import cv2

    require_one_size(frame, mask)
    alpha = np.asarray(cv2.inRange(mask, 1, VOID - 1))
    near = cv2.dilate(alpha, np.ones((2 * _RIM + 1, 2 * _RIM + 1), np.uint8))
    return np.dstack([cv2.bitwise_and(frame, frame, mask=near), alpha])


def require_one_size(frame: Frame, mask: Ids) -> None:
    """Make sure that a frame [H, W, 3] and its mask [H, W] belong together.

    Raises:
        InputError: If the sizes differ.
    """
    if frame.shape[:2] != mask.shape:
        raise InputError(
            f"The frame has {_size(frame.shape)} pixels, its mask {_size(mask.shape)}.", "They must be equal."
        )


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}×{shape[0]}"
