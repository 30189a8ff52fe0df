"""Region similarity (J): how much of two masks' common area they share."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[Any]
Binary = npt.NDArray[np.uint8]


def region_similarity(mask: Mask, truth: Mask, void: Mask | None = None) -> float:
    """Measure J, the intersection over union of two masks.

    J = |mask ∩ truth| / |mask ∪ truth|, and 1 where both are empty.

    Args:
        mask: The result's object, [H, W], bool or numbers; every pixel that is not 0 belongs to it.
        truth: The annotated object, [H, W], read alike.
        void: Pixels that do not count, [H, W]; None where every pixel counts.

    Returns:
        A number from 0 to 1.

    Raises:
        ValueError: If an array is not two-dimensional or the shapes differ.
    """
    result, annotated = as_binary(mask, truth, void)
    return intersection_over_union(result, annotated)


def intersection_over_union(result: Binary, truth: Binary) -> float:
    """Measure J of two masks of zeros and ones, uint8 [H, W]."""
    both = int(np.count_nonzero(result & truth))
    either = int(np.count_nonzero(result)) + int(np.count_nonzero(truth)) - both
    return both / either if either else 1.0


def as_binary(mask: Mask, truth: Mask, void: Mask | None = None) -> tuple[Binary, Binary]:
    """Bring both masks to zeros and ones, uint8 [H, W], with void pixels taken out of both.

    Raises:
        ValueError: If an array is not two-dimensional or the shapes differ.
    """
    arrays = [np.asarray(array) for array in (mask, truth) + (() if void is None else (void,))]
    shapes = [array.shape for array in arrays]
    if len(shapes[0]) != 2 or len(set(shapes)) != 1:
        raise ValueError(
            f"masks must be two-dimensional and of one shape, not {' and '.join(map(str, shapes))}"
        )
    flags = [array != 0 for array in arrays]
    if void is not None:
        counts = ~flags.pop()
        flags = [flag & counts for flag in flags]
    result, annotated = (flag.view(np.uint8) for flag in flags)
    return result, annotated
