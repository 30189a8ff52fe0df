"""Makes masks and their files for the tests of this room."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sfc_cli.data.masks import Ids

# None of the DAVIS palette.
COLOURS = np.array(
    [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (255, 0, 255), (0, 255, 255)], np.uint8
)


def blocks(*values: int, side: int = 6) -> Ids:
    """Return a mask with a square block of each value in a row."""
    return np.repeat(np.repeat(np.array([values], np.uint8), side, axis=0), side, axis=1)


def save(path: Path, values: np.ndarray, mode: str | None = None, **options: object) -> Path:
    image = Image.fromarray(values)
    (image.convert(mode) if mode else image).save(path, **options)  # type: ignore[arg-type]
    return path


def scene(side: int = 240) -> Ids:
    """Return three objects of falling area that touch each other, 1, 2 and 3."""
    ids = np.zeros((side, side), np.uint8)
    ids[side // 6 : side // 2, side // 6 : side * 5 // 6] = 1
    cv2.circle(ids, (side * 3 // 8, side * 5 // 8), side // 6, 2, -1)
    cv2.ellipse(ids, (side * 2 // 3, side * 3 // 5), (side // 8, side // 6), 20, 0, 360, 3, -1)
    return ids


def distance_to_edges(ids: Ids) -> np.ndarray:
    square = np.ones((3, 3), np.uint8)
    inside = (cv2.dilate(ids, square) == cv2.erode(ids, square)).astype(np.uint8)
    return cv2.distanceTransform(inside, cv2.DIST_L2, 5)


def save_indexed(path: Path, ids: Ids, table: list[tuple[int, int, int]], **options: object) -> Path:
    image = Image.fromarray(ids)
    image.putpalette(np.array(table, np.uint8).tobytes())
    image.save(path, **options)  # type: ignore[arg-type]
    return path


def with_alpha(colours: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return np.concatenate([colours, alpha[..., None]], axis=2)
