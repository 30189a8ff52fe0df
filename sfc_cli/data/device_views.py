"""Decoding and cropping on the device: workers only read files, the card's JPEG engine does the rest."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from sfc_cli.data.crops import CropBox
from sfc_cli.data.views import (
    ViewPair,
    cut_views,
    decode_image,
    decode_jpegs,
    draw_pair,
    image_size,
    is_jpeg,
    read_content,
)


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as read, with the crops already drawn.

    Args:
        encoded: uint8 [bytes] of a JPEG; uint8 [3, H, W] of any other format, decoded.
        crops: Where both views lie.
    """

    encoded: Tensor
    crops: tuple[CropBox, CropBox]


def read_encoded(path: Path, rng: np.random.Generator, area_share: tuple[float, float]) -> EncodedFrame:
    """Read a file and draw its crops, leaving a JPEG encoded.

    Raises:
        InputError: If the file is missing or damaged.
    """
    content = read_content(path)
    crops = draw_pair(image_size(content, path), rng, area_share)
    if is_jpeg(content):
        return EncodedFrame(torch.frombuffer(bytearray(content), dtype=torch.uint8), crops)
    return EncodedFrame(decode_image(content, path), crops)


def cut_on_device(frames: list[EncodedFrame], crop_size: int, device: torch.device) -> list[ViewPair]:
    """Decode all JPEGs of a batch in one call on the device and cut both views out of each frame there.

    Returns:
        A pair for each frame; views on the device, boxes on the CPU.
    """
    jpegs = [frame.encoded for frame in frames if frame.encoded.ndim == 1]
    decoded = iter(decode_jpegs(jpegs, device) if jpegs else [])
    images = [next(decoded) if frame.encoded.ndim == 1 else frame.encoded.to(device) for frame in frames]
    return [cut_views(image, frame.crops, crop_size) for image, frame in zip(images, frames, strict=True)]
