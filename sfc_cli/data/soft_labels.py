"""Between masks at a frame's size and soft labels on the feature grid, with OpenCV's bilinear resize."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sfc_cli.data.masks import Ids

SoftLabels = npt.NDArray[np.float32]


def shrink_mask(mask: Ids, objects: Ids, height: int, width: int) -> SoftLabels:
    """Shrink a mask's one-hot planes to the feature grid, without anti-aliasing.

    Args:
        mask: Ids, uint8 [H, W]. What is none of the objects, void included, counts as background.
        objects: The K−1 ids, in the order of the planes after the background.
        height: h.
        width: w.

    Returns:
        float32 [K, h, w]; the planes sum to 1.
    """
    import cv2

    planes = [(mask == identity).astype(np.float32) for identity in objects]
    background = (~np.isin(mask, objects)).astype(np.float32)
    shrunken = [
        cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR) for plane in (background, *planes)
    ]
    return np.stack(shrunken).astype(np.float32, copy=False)


class Resolved(NamedTuple):
    """What soft labels say of every pixel of a frame.

    Args:
        mask: Ids, uint8 [H, W].
        confidence: Strength of each pixel's strongest label, float32 [H, W]; 1 where a mask was given.
        labels: The soft labels themselves, float32 [K, h, w], background first.
    """

    mask: Ids
    confidence: SoftLabels
    labels: SoftLabels


def given_mask(mask: Ids, labels: SoftLabels) -> Resolved:
    """Return a mask that somebody painted: nothing is more certain."""
    return Resolved(mask, np.ones(mask.shape, np.float32), labels)


def enlarge_labels(labels: SoftLabels, objects: Ids, height: int, width: int) -> Resolved:
    """Enlarge soft labels to the frame's size and take the strongest label of each pixel.

    Plane by plane with a running maximum: the same pixels as resizing all planes and an argmax, of which the
    first of equal labels wins, at a fraction of the memory and time.

    Args:
        labels: float32 [K, h, w], background first.
        objects: The K−1 ids of the planes after the background.
        height: H.
        width: W.
    """
    import cv2

    best = cv2.resize(labels[0], (width, height), interpolation=cv2.INTER_LINEAR)
    mask = np.zeros((height, width), np.uint8)
    for plane, identity in zip(labels[1:], objects, strict=True):
        enlarged = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        np.copyto(mask, identity, where=enlarged > best)
        cv2.max(enlarged, best, dst=best)
    return Resolved(mask, np.asarray(best, np.float32), labels)


def enlarge_to_mask(labels: SoftLabels, objects: Ids, height: int, width: int) -> Ids:
    """Return the mask of ``enlarge_labels``, uint8 [H, W]."""
    return enlarge_labels(labels, objects, height, width).mask
