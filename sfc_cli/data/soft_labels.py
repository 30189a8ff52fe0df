"""Soft labels: from masks to the feature grid and back with OpenCV's bilinear resize, and their files.

A file of soft labels keeps what a mask's argmax throws away: one compressed NumPy archive a frame.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sfc_cli.data.masks import Ids
from sfc_cli.errors import InputError
from sfc_cli.files import replacing

SoftLabels = npt.NDArray[np.float32]

_REPLACE = "Propagate the sequence again with `soft`, or remove the file."


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


def write_soft_labels(path: Path, labels: SoftLabels, objects: Ids, size: tuple[int, int]) -> None:
    """Write a frame's soft labels as ``.npz``, whole or not at all.

    Args:
        path: The file.
        labels: float32 [K, h, w], background first; stored as float16.
        objects: The K−1 ids of the planes after the background.
        size: Height and width of the frame.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    with replacing(path) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            labels=labels.astype(np.float16),
            objects=objects.astype(np.uint8),
            size=np.array(size, np.int32),
        )


def read_soft_labels(path: Path) -> tuple[SoftLabels, Ids, tuple[int, int]]:
    """Read what ``write_soft_labels`` wrote.

    Returns:
        The labels, float32 [K, h, w]; the K−1 ids; height and width of the frame.

    Raises:
        InputError: If the file is missing, damaged or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            labels, objects, size = stored["labels"], stored["objects"], stored["size"]
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except KeyError as error:
        raise InputError(f"{path} is not a file of soft labels: {error.args[0]}.", _REPLACE) from None
    except Exception as error:
        # Damage shows anywhere between zip, deflate and NumPy's header, each with errors of its own.
        raise InputError(f"{path} cannot be read as soft labels: {error}.", _REPLACE) from None
    if problem := _problem(labels, objects, size):
        raise InputError(f"{path} is not a file of soft labels: {problem}.", _REPLACE)
    height, width = (int(side) for side in size)
    return labels.astype(np.float32), objects, (height, width)


def _problem(
    labels: npt.NDArray[np.generic],
    objects: npt.NDArray[np.generic],
    size: npt.NDArray[np.generic],
) -> str:
    """Return what keeps arrays from being a frame's soft labels; empty if nothing does."""
    if labels.dtype != np.float16 or labels.ndim != 3 or 0 in labels.shape:
        return f"`labels` is {labels.dtype} {list(labels.shape)}, not float16 [K, h, w]"
    if objects.dtype != np.uint8 or objects.shape != (len(labels) - 1,):
        return f"{len(labels)} planes need {len(labels) - 1} uint8 `objects`"
    if size.dtype != np.int32 or size.shape != (2,) or not (np.asarray(size, np.int64) > 0).all():
        return "`size` is not a height and a width"
    return ""
