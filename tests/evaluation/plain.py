"""J and F as their definitions read: whole frames, pixel by pixel, no shortcut. Slow, and easy to trust."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def plain_region(mask: Array, truth: Array) -> float:
    both = sum(1 for a, b in zip(mask.ravel(), truth.ravel(), strict=True) if a and b)
    either = sum(1 for a, b in zip(mask.ravel(), truth.ravel(), strict=True) if a or b)
    return both / either if either else 1.0


def plain_boundary_points(mask: Array) -> list[tuple[int, int]]:
    height, width = mask.shape
    points = []
    for y in range(height):
        for x in range(width):
            right = x + 1 < width and bool(mask[y, x]) != bool(mask[y, x + 1])
            below = y + 1 < height and bool(mask[y, x]) != bool(mask[y + 1, x])
            inside = y + 1 < height and x + 1 < width
            diagonal = inside and bool(mask[y, x]) != bool(mask[y + 1, x + 1])
            if right or below or diagonal:
                points.append((y, x))
    return points


def plain_boundary(mask: Array, truth: Array, radius: int | None = None) -> float:
    if radius is None:
        radius = math.ceil(0.008 * float(np.linalg.norm(mask.shape)))
    found, present = plain_boundary_points(mask), plain_boundary_points(truth)
    if not found and not present:
        return 1.0
    if not found or not present:
        return 0.0
    precision = _share_near(found, present, radius)
    recall = _share_near(present, found, radius)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _share_near(points: list[tuple[int, int]], others: list[tuple[int, int]], radius: int) -> float:
    offsets = np.array(points)[:, None] - np.array(others)[None]  # [P, O, 2]
    return float(((offsets**2).sum(axis=2) <= radius**2).any(axis=1).sum()) / len(points)
