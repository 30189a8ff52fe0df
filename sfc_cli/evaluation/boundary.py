"""Boundary accuracy (F): how well two masks' outlines agree within a small distance."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import cv2
import numpy as np

from sfc_cli.evaluation.region import Binary, Mask, as_binary

DEFAULT_BOUND = 0.008


def boundary_accuracy(
    mask: Mask, truth: Mask, bound: float = DEFAULT_BOUND, void: Mask | None = None
) -> float:
    """Measure F, the harmonic mean of the precision and the recall of a mask's boundary.

    F = 2PR / (P + R), and 0 where P + R = 0. P is the share of the result's boundary pixels that lie within
    the bound of the true boundary, R the reverse. A mask without boundary (empty, or filling the frame)
    against one with a boundary gives 0, two masks without boundary give 1.

    Args:
        mask: The result's object, [H, W], bool or numbers; every pixel that is not 0 belongs to it.
        truth: The annotated object, [H, W], read alike.
        bound: The distance still forgiven: below 1 as a share of the image diagonal (rounded up to whole
            pixels), from 1 on in pixels.
        void: Pixels that do not count, [H, W]; None where every pixel counts.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: If an array is not two-dimensional, the shapes differ or the bound is negative.
    """
    if bound < 0:
        raise ValueError(f"bound must not be negative, but is {bound}")
    result, annotated = as_binary(mask, truth, void)
    height, width = result.shape
    return boundary_agreement(result, annotated, bound_in_pixels(height, width, bound))


def boundary_agreement(result: Binary, truth: Binary, radius: int) -> float:
    """Measure F of two masks of zeros and ones, uint8 [H, W], with a bound in pixels."""
    result_boundary, true_boundary = boundary_map(result), boundary_map(truth)
    found, present = int(np.count_nonzero(result_boundary)), int(np.count_nonzero(true_boundary))
    if not found or not present:
        return float(found == present)
    precision = int(np.count_nonzero(result_boundary & dilate(true_boundary, radius))) / found
    recall = int(np.count_nonzero(true_boundary & dilate(result_boundary, radius))) / present
    return harmonic_mean(precision, recall)


def harmonic_mean(precision: float, recall: float) -> float:
    """Return F of a precision and a recall, 0 where both are 0."""
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary_map(mask: Binary) -> Binary:
    """Mark the pixels that differ from their right, lower or lower-right neighbour.

    The last row is compared to the right alone and the last column downwards alone.

    Args:
        mask: Zeros and ones, uint8 [H, W].

    Returns:
        Zeros and ones, uint8 [H, W].
    """
    edges = np.zeros_like(mask)
    np.bitwise_xor(mask[:, :-1], mask[:, 1:], out=edges[:, :-1])
    below = mask[:-1] ^ mask[1:]
    edges[:-1] |= below
    # A diagonal step is a step to the right and one down: it differs only where one of the two does.
    edges[:-1, :-1] |= below[:, 1:]
    return edges


def dilate(edges: Binary, radius: int) -> Binary:
    """Mark every pixel within ``radius`` of a marked one, uint8 [H, W] to uint8 [H, W].

    Note:
        Growing by a core and then by a square costs a third of growing by the whole disk, and reaches the
        same pixels: see ``disk_parts``.
    """
    parts = disk_parts(radius)
    grown = cv2.dilate(cv2.dilate(edges, parts.core), parts.square)
    if parts.rest.any():
        grown = cv2.bitwise_or(grown, cv2.dilate(edges, parts.rest))
    return np.asarray(grown, np.uint8)


class DiskParts(NamedTuple):
    """A disk in pieces: (core grown by the square) ∪ rest, each uint8 with an odd side."""

    core: Binary
    square: Binary
    rest: Binary


@functools.lru_cache(maxsize=16)
def disk_parts(radius: int) -> DiskParts:
    """Take a disk apart into the pieces with the fewest points to visit.

    The core is the disk worn off by the square. Growing by one after the other loses nothing at the border
    of the image: the core holds, with any step, all shorter steps in the same direction, so that a way
    exists which stays between the two pixels that it joins.
    """
    whole = disk(radius)
    candidates = []
    for half in range(radius + 1):
        square = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
        core = np.asarray(cv2.erode(whole, square, borderType=cv2.BORDER_CONSTANT, borderValue=0), np.uint8)
        rest = whole & ~np.asarray(cv2.dilate(core, square), np.uint8)
        # A square is grown along its rows first and then along its columns.
        visits = int(core.sum()) + 2 * len(square) + int(rest.sum())
        candidates.append((visits, half, DiskParts(core, square, rest)))
    return min(candidates, key=lambda candidate: candidate[:2])[2]


@functools.lru_cache(maxsize=16)
def disk(radius: int) -> Binary:
    """Return a disk of ones: all (x, y) with x² + y² ≤ radius², uint8 [2·radius + 1, 2·radius + 1]."""
    squares = np.arange(-radius, radius + 1) ** 2
    shape: Binary = (squares[:, None] + squares[None, :] <= radius**2).astype(np.uint8)
    shape.setflags(write=False)
    return shape


def bound_in_pixels(height: int, width: int, bound: float = DEFAULT_BOUND) -> int:
    """Return the distance that F forgives in an image of this size, in whole pixels."""
    share = bound if bound >= 1 else bound * float(np.linalg.norm((height, width)))
    return math.ceil(share)
