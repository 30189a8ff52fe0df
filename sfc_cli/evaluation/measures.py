"""J and F, region similarity and boundary accuracy: of two masks, and of every object of a frame."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
import numpy.typing as npt

from sfc_cli.data.masks import VOID, Ids

Mask = npt.NDArray[Any]
Binary = npt.NDArray[np.uint8]
Curve = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

DEFAULT_BOUND = 0.008
# A share of the image diagonal, pixels from 1 on, or by the object's size.
Bound = float | Literal["object"]
# MOSEv2: a tenth of the square root of the object's area.
_OBJECT_SHARE = 0.1


def region_similarity(mask: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Measure J, the intersection over union of two masks.

    J = |mask ∩ truth| / |mask ∪ truth|, and 1 where both are empty.

    Args:
        mask: The result's object, [H, W], bool or numbers; every non-zero pixel belongs to it.
        truth: The annotated object, [H, W], read in the same way.
        void: Pixels that do not count, [H, W]; None if every pixel counts.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: If an array is not two-dimensional or the shapes differ.
    """
    result, annotated = as_binary(mask, truth, void)
    return intersection_over_union(result, annotated)


def intersection_over_union(result: Binary, truth: Binary, *, smooths: bool = False) -> float:
    """Measure J of two masks of zeros and ones, uint8 [H, W].

    Args:
        result: The result's object.
        truth: The annotated object.
        smooths: Whether to add 1 to both areas, as MOSEv2 does.
    """
    both = int(np.count_nonzero(result & truth))
    either = int(np.count_nonzero(result)) + int(np.count_nonzero(truth)) - both
    if smooths:
        return (both + 1) / (either + 1)
    return both / either if either else 1.0


def as_binary(mask: Mask, truth: Mask, void: Mask | None = None) -> tuple[Binary, Binary]:
    """Convert both masks to zeros and ones, uint8 [H, W], and clear void pixels in both.

    Raises:
        ValueError: If an array is not two-dimensional or the shapes differ.
    """
    arrays = [np.asarray(array) for array in (mask, truth, void) if array is not None]
    shapes = [array.shape for array in arrays]
    if len(shapes[0]) != 2 or len(set(shapes)) != 1:
        raise ValueError(
            f"masks must be two-dimensional and of one shape, not {' and '.join(map(str, shapes))}"
        )
    flags = [array != 0 for array in arrays]
    if void is not None:
        is_void = flags.pop()
        flags = [flag & ~is_void for flag in flags]
    result, annotated = (flag.view(np.uint8) for flag in flags)
    return result, annotated


def boundary_accuracy(
    mask: Mask, truth: Mask, bound: float = DEFAULT_BOUND, void: Mask | None = None
) -> float:
    """Measure F, the harmonic mean of the precision and the recall of a mask's boundary.

    F = 2PR / (P + R), and 0 where P + R = 0. P is the share of the result's boundary pixels within the
    bound of the true boundary, R the reverse. A mask without a boundary (empty, or filling the frame) against
    one with a boundary gives 0, two masks without a boundary give 1.

    Args:
        mask: The result's object, [H, W], bool or numbers; every non-zero pixel belongs to it.
        truth: The annotated object, [H, W], read in the same way.
        bound: The distance still forgiven: below 1 a share of the image diagonal (rounded up to whole
            pixels), from 1 on in pixels.
        void: Pixels that do not count, [H, W]; None if every pixel counts.

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


def boundary_agreement(result: Binary, truth: Binary, radius: float) -> float:
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

    The last row is compared only to the right, and the last column only downwards.

    Args:
        mask: Zeros and ones, uint8 [H, W].

    Returns:
        Zeros and ones, uint8 [H, W].
    """
    edges = np.zeros_like(mask)
    np.bitwise_xor(mask[:, :-1], mask[:, 1:], out=edges[:, :-1])
    below = mask[:-1] ^ mask[1:]
    edges[:-1] |= below
    # A diagonal step is one to the right and one down: it can differ only where one of the two does.
    edges[:-1, :-1] |= below[:, 1:]
    return edges


def dilate(edges: Binary, radius: float) -> Binary:
    """Mark every pixel within ``radius`` of a marked one, uint8 [H, W] to uint8 [H, W].

    A radius that is not whole marks as much as MOSEv2's code does, whose disk is then not quite centred.

    Note:
        Dilating by a core and then by a square takes a third of the time that the whole disk takes, and
        reaches the same pixels, see ``disk_parts``.
    """
    if radius != int(radius):
        return np.asarray(cv2.dilate(edges, disk(radius)), np.uint8)
    parts = disk_parts(int(radius))
    grown = cv2.dilate(cv2.dilate(edges, parts.core), parts.square)
    if parts.rest.any():
        grown = cv2.bitwise_or(grown, cv2.dilate(edges, parts.rest))
    return np.asarray(grown, np.uint8)


class DiskParts(NamedTuple):
    """A disk in parts: (core dilated by the square) ∪ rest, each uint8 with an odd side."""

    core: Binary
    square: Binary
    rest: Binary


@functools.lru_cache(maxsize=16)
def disk_parts(radius: int) -> DiskParts:
    """Split a disk into the parts with the fewest points to visit.

    The core is the disk eroded by the square. Dilating by one after the other loses nothing at the border of
    the image: with any step, the core has all shorter steps in the same direction, so there is always a way
    that stays between the two pixels.
    """
    whole = disk(radius)
    candidates = []
    for half in range(radius + 1):
        square = np.ones((2 * half + 1, 2 * half + 1), np.uint8)
        core = np.asarray(cv2.erode(whole, square, borderType=cv2.BORDER_CONSTANT, borderValue=0), np.uint8)
        rest = whole & ~np.asarray(cv2.dilate(core, square), np.uint8)
        # OpenCV dilates by a square along its rows first, and then along its columns.
        visits = int(core.sum()) + 2 * len(square) + int(rest.sum())
        candidates.append((visits, half, DiskParts(core, square, rest)))
    return min(candidates, key=lambda candidate: candidate[:2])[2]


@functools.lru_cache(maxsize=16)
def disk(radius: float) -> Binary:
    """Return a disk of ones: all (x, y) with x² + y² ≤ radius², uint8 [2·radius + 1, 2·radius + 1].

    The coordinates begin at −radius and go on in steps of 1.
    """
    squares = np.arange(-radius, radius + 1) ** 2
    shape: Binary = (squares[:, None] + squares[None, :] <= radius**2).astype(np.uint8)
    shape.setflags(write=False)
    return shape


def bound_in_pixels(height: int, width: int, bound: float = DEFAULT_BOUND) -> int:
    """Return the distance that F forgives in an image of this size, in whole pixels."""
    share = bound if bound >= 1 else bound * float(np.linalg.norm((height, width)))
    return math.ceil(share)


def object_bound_in_pixels(height: int, width: int, area: int) -> float:
    """Return the distance that F forgives of an object by its size, as MOSEv2 computes it.

    It is a tenth of the square root of the area, rounded up, and at most 0.008 of the image diagonal, which
    MOSEv2's code does not round.

    Args:
        height: Of the image, in pixels.
        width: Of the image.
        area: Of the annotated object, in pixels; 0 where it is not there.
    """
    most = DEFAULT_BOUND * float(np.linalg.norm((height, width)))
    return min(most, math.ceil(_OBJECT_SHARE * math.sqrt(area))) if area else most


@dataclass(frozen=True, kw_only=True)
class FrameScores:
    """One frame's scores and what was noticed in its result, [K] in the order of the objects.

    Args:
        region: J of every object, [K]; with proposals [P, K].
        boundary: F of every object, [K]; with proposals [P, K].
        predicted: Whether the result has any pixel of the object, or of the proposal.
        present: Whether the truth has any pixel of the object.
        strangers: Ids in the result that are neither an object, background nor void.
        has_void: Whether the result has void pixels.
        equal: Whether the result equals the truth in every pixel.
    """

    region: Curve
    boundary: Curve
    predicted: Flags
    present: Flags
    strangers: tuple[int, ...]
    has_void: bool
    equal: bool


def score_frame(
    result: Ids,
    truth: Ids,
    objects: Sequence[int],
    bound: Bound = DEFAULT_BOUND,
    *,
    smooths_region: bool = False,
) -> FrameScores:
    """Measure J and F of every object in one frame.

    Both masks are cropped to the box around everything in them and then, object by object, to the box around
    that object. One more row and column on each side keeps the outline whole, so the numbers are those of the
    full frame.

    Args:
        result: Ids, uint8 [H, W].
        truth: Ids, uint8 [H, W].
        objects: The K ids to score; void (255) counts as background unless it is among them.
        bound: The distance that F forgives, see ``boundary_accuracy`` and ``object_bound_in_pixels``.
        smooths_region: See ``intersection_over_union``.
    """
    height, width = truth.shape
    radius: float = 0 if bound == "object" else bound_in_pixels(height, width, bound)
    count = len(objects)
    region, boundary = np.ones(count), np.ones(count)
    predicted, present = np.zeros(count, np.bool_), np.zeros(count, np.bool_)
    result, truth = crop_to_content(result, truth)
    explained = 0
    for index, identity in enumerate(objects):
        mine, true = (result == identity).view(np.uint8), (truth == identity).view(np.uint8)
        if count > 1:
            mine, true = crop_to_content(mine, true)
        pixels = int(np.count_nonzero(mine))
        explained += pixels
        predicted[index], present[index] = pixels > 0, true.any()
        if predicted[index] or present[index]:
            if bound == "object":
                radius = object_bound_in_pixels(height, width, int(np.count_nonzero(true)))
            region[index] = intersection_over_union(mine, true, smooths=smooths_region)
            boundary[index] = boundary_agreement(mine, true, radius)
    # Looking for other ids takes long, and there are none if the objects explain every pixel.
    has_others = explained != np.count_nonzero(result)
    others = set(np.unique(result).tolist()) - {0, *objects} if has_others else set()
    return FrameScores(
        region=region,
        boundary=boundary,
        predicted=predicted,
        present=present,
        strangers=tuple(sorted(others - {VOID})),
        has_void=VOID in others,
        equal=bool(np.array_equal(result, truth)),
    )


def crop_to_content(result: Ids, truth: Ids) -> tuple[Ids, Ids]:
    """Crop both masks to the box around their non-zero pixels plus one row and column on each side."""
    left, top, width, height = cv2.boundingRect(cv2.bitwise_or(result, truth))
    rows = slice(max(top - 1, 0), top + height + 1)
    columns = slice(max(left - 1, 0), left + width + 1)
    return result[rows, columns], truth[rows, columns]
