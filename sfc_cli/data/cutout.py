"""Objects alone on a transparent ground, ready to be laid over something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.overlay import require_one_size
from sfc_cli.files import write_bytes

_PNG_LEVEL = 1


def write_cutout(path: Path, frame: Frame, mask: Ids) -> None:
    """Write a frame's objects as an RGBA PNG of the frame's size, whole or not at all.

    Args:
        path: The file.
        frame: uint8 [H, W, 3], RGB.
        mask: Ids, uint8 [H, W]; background and void become transparent, and black, which takes less room.

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
