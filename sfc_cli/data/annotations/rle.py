"""COCO's run-length encoding of binary masks, read with care: a damaged one must not pass for a mask."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.errors import require_package

Binary = npt.NDArray[np.bool_]

# How many times the image's longer side a polygon may lead away: a wild coordinate would take all memory.
FARTHEST = 4


def encode_rle(mask: Binary) -> tuple[str, list[float]]:
    """Encode a mask as pycocotools does.

    Args:
        mask: [H, W], not empty.

    Returns:
        The compressed counts, and the box x, y, width, height in pixels.
    """
    from pycocotools import mask as coco

    # pycocotools runs down the columns.
    encoded = coco.encode(np.asfortranarray(mask, dtype=np.uint8))
    return encoded["counts"].decode("ascii"), coco.toBbox(encoded).tolist()


def decode_segmentation(segmentation: Any, height: int, width: int) -> Binary:
    """Decode what COCO allows as a segmentation: polygons, or an RLE with compressed or plain counts.

    Args:
        segmentation: As the JSON holds it.
        height: Of the image in pixels.
        width: Of the image in pixels.

    Returns:
        [height, width].

    Raises:
        ValueError: If it is damaged or not of the image's size.
        UsageError: If polygons need pycocotools and it is not installed.
    """
    if isinstance(segmentation, list):
        return _fill(segmentation, height, width)
    if not isinstance(segmentation, dict) or "counts" not in segmentation:
        raise ValueError("the segmentation is neither polygons nor an RLE")
    size = segmentation.get("size", [height, width])
    if size != [height, width]:
        raise ValueError(f"the RLE's size {size} is not the image's [{height}, {width}]")
    counts = segmentation["counts"]
    return _expand(_unpack(counts) if isinstance(counts, str) else _plain(counts), height, width)


def _unpack(text: str) -> npt.NDArray[np.int64]:
    """Unpack compressed counts: five bits a character, low ones first, as differences to the last but one."""
    codes = np.frombuffer(text.encode("utf-8"), np.uint8).astype(np.int64) - 48
    if codes.size == 0 or codes.min() < 0 or codes.max() > 63 or codes[-1] & 32:
        raise ValueError("the RLE's counts are damaged")
    last = codes & 32 == 0
    starts = np.flatnonzero(np.concatenate([[True], last[:-1]]))
    ends = np.flatnonzero(last)
    lengths = ends - starts + 1
    if lengths.max() > 8:
        raise ValueError("the RLE's counts are damaged")
    within = np.arange(codes.size) - np.repeat(starts, lengths)
    values = np.add.reduceat((codes & 31) << (5 * within), starts)
    # The sign stands in the highest of the bits given.
    values -= np.where(codes[ends] & 16, np.int64(1) << (5 * lengths), 0)
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values


def _plain(counts: Any) -> npt.NDArray[np.int64]:
    if not isinstance(counts, list) or not all(type(count) is int and count >= 0 for count in counts):
        raise ValueError("the RLE's counts are neither text nor whole numbers")
    return np.array(counts, np.int64)


def _expand(counts: npt.NDArray[np.int64], height: int, width: int) -> Binary:
    if (counts < 0).any() or int(counts.sum()) != height * width:
        raise ValueError(f"the RLE's counts are damaged: they do not fill {width}×{height} pixels")
    values = np.arange(counts.size) % 2 == 1
    filled: Binary = np.repeat(values, counts).reshape(width, height).T
    return filled


def _fill(polygons: Sequence[Any], height: int, width: int) -> Binary:
    require_package("pycocotools", "coco", "A polygon")
    from pycocotools import mask as coco

    nested = [polygons] if polygons and not isinstance(polygons[0], list) else polygons
    for polygon in nested:
        _require_polygon(polygon, max(height, width))
    encoded = coco.merge(coco.frPyObjects([[float(value) for value in one] for one in nested], height, width))
    return _expand(_unpack(encoded["counts"].decode("ascii")), height, width)


def _require_polygon(polygon: Any, extent: int) -> None:
    if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
        raise ValueError("a polygon is not a list of three or more points, x and y in turn")
    for value in polygon:
        if type(value) not in {int, float} or not math.isfinite(value):
            raise ValueError(f"a polygon has {value!r} as a coordinate")
        if abs(value) > FARTHEST * extent:
            raise ValueError(f"a polygon leads to {value:g}, far outside the image")
