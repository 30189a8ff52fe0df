"""The README's picture of the sample, `python docs/pictures.py` after `make demo`.

Four frames with their masks, by the improved protocol above and the published one below.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import read_ids
from sfc_cli.data.overlay import blend
from sfc_cli.settings.locations import assets_folder

MOMENTS = (0, 8, 16, 24)
WIDTH = 420
SEQUENCE = "car-shadow"


def main() -> None:
    """Write docs/sample.jpg."""
    rows = [_row(Path("results", name), name == "demo") for name in ("demo", "demo-published")]
    picture = cv2.cvtColor(np.concatenate(rows), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(Path(__file__).with_name("sample.jpg")), picture, [cv2.IMWRITE_JPEG_QUALITY, 88])


def _row(results: Path, is_improved: bool) -> Frame:
    frames = sorted((assets_folder() / "sample/JPEGImages/480p" / SEQUENCE).glob("*.jpg"))
    shown = []
    for moment in MOMENTS:
        frame = frames[moment]
        blended = blend(read_frame(frame), read_ids(results / SEQUENCE / f"{frame.stem}.png"))
        size = WIDTH, round(blended.shape[0] * WIDTH / blended.shape[1])
        shown.append(np.asarray(cv2.resize(blended, size, interpolation=cv2.INTER_AREA)))
    row = np.concatenate(shown, axis=1)
    name = "improved" if is_improved else "published"
    for colour, width in (((0, 0, 0), 4), ((255, 255, 255), 1)):
        cv2.putText(row, name, (10, 26), cv2.FONT_HERSHEY_SIMPLEX, 0.7, colour, width, cv2.LINE_AA)
    return row


if __name__ == "__main__":
    main()
