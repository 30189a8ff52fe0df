"""The README's pictures, made of what the program wrote.

    make demo && python docs/pictures.py
    sfc propagate CLIP --mask MASK -o RESULTS --overlay frames --cutout
    python docs/pictures.py MASK RESULTS

The first makes docs/sample.jpg: four frames of the sample with their masks, by the improved protocol above
and the published one below. The second makes docs/footage.jpg: a painted mask, frames of the overlay, and
cut-outs.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import read_ids
from sfc_cli.data.overlay import blend
from sfc_cli.settings.locations import assets_folder

MOMENTS = (0, 8, 16, 24)
WIDTH = 420
# In pixels, between tiles and of the ground's squares.
GAP, SQUARE = 4, 8
SEQUENCE = "car-shadow"


def main() -> None:
    """Write docs/sample.jpg, or docs/footage.jpg of the mask and results that are named."""
    if sys.argv[1:]:
        _write("footage.jpg", _footage(*map(Path, sys.argv[1:])))
        return
    rows = [_row(Path("results", name), name == "demo") for name in ("demo", "demo-published")]
    _write("sample.jpg", np.concatenate(rows))


def _write(name: str, picture: Frame) -> None:
    path = Path(__file__).with_name(name)
    cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 88])


def _footage(mask: Path, results: Path) -> Frame:
    overlays, cutouts = (sorted((results / name).glob("*/*")) for name in ("overlay", "cutout"))
    moments = [round(share * (len(overlays) - 1)) for share in (0, 0.25, 0.5, 0.75, 1)]
    tiles = [("painted mask", read_frame(mask))]
    tiles += [(f"frame {moment}", read_frame(overlays[moment])) for moment in moments]
    tiles += [(f"cut-out {moment}", _on_squares(cutouts[moment])) for moment in moments[1:4]]
    height, width = tiles[0][1].shape[:2]
    picture = np.full((3 * (height + GAP) - GAP, 3 * (width + GAP) - GAP, 3), 255, np.uint8)
    for number, (name, tile) in enumerate(tiles):
        top, left = number // 3 * (height + GAP), number % 3 * (width + GAP)
        picture[top : top + height, left : left + width] = _named(tile.copy(), name)
    return picture


def _on_squares(path: Path) -> Frame:
    """Lay a cut-out over the chequered ground that stands for transparency."""
    stored = np.asarray(cv2.imread(str(path), cv2.IMREAD_UNCHANGED))
    rows, columns = np.indices(stored.shape[:2]) // SQUARE
    ground = np.where((rows + columns) % 2, 255, 215)[..., None]
    share = stored[..., 3:] / 255
    return np.asarray(np.rint(share * stored[..., 2::-1] + (1 - share) * ground), np.uint8)


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
    return _named(row, name)


def _named(picture: Frame, name: str) -> Frame:
    (width, height), _ = cv2.getTextSize(name, cv2.FONT_HERSHEY_SIMPLEX, 0.6, 1)
    picture[: height + 12, : width + 12] = 0
    cv2.putText(
        picture, name, (6, height + 5), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (255, 255, 255), 1, cv2.LINE_AA
    )
    return picture


if __name__ == "__main__":
    main()
