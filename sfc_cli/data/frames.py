"""Reading of video frames with OpenCV, whose decoder and resizer the published numbers depend on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.errors import InputError

Frame = npt.NDArray[np.uint8]


def read_frame(path: Path) -> Frame:
    """Decode an image file.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        InputError: If the file is missing, damaged, truncated or not an image.
    """
    import cv2

    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read frame {path}: {error.strerror or error}.") from None
    # OpenCV fills what a truncated JPEG lacks with grey and says nothing; the end marker tells.
    if content[:2] == b"\xff\xd8" and b"\xff\xd9" not in content[-4096:]:
        raise InputError(f"Frame {path} is a truncated JPEG.", "Extract or download it again.")
    frame = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR) if content else None
    if frame is None:
        raise InputError(f"Frame {path} cannot be decoded as an image.", "Extract or download it again.")
    return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
