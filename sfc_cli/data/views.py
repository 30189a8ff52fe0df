"""From a file to the two views of a frame: decoding no more than needed, cropping, shrinking.

Letters: S side of a view in pixels, H×W pixels of the image.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torchvision
from PIL import Image
from torch import Tensor
from torch.nn import functional as F  # noqa: N812 - the name that PyTorch's own code uses

from sfc_cli.data.crops import CropBox, draw_crop
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import Decode

# Below this many bytes a look at the header for reduced decoding costs more than it can save.
_LARGE_FILE = 300_000
# A reduced image must still be so many times finer than the view, so that shrinking hides its rounding.
_SPARE_DETAIL = 2
_REDUCED = {
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@dataclass(frozen=True)
class ViewPair:
    """Two views of a frame.

    Args:
        views: uint8 [2, S, S, 3], RGB.
        boxes: float32 [2, 4], left, top, right, bottom of each in its image.
    """

    views: Tensor
    boxes: Tensor


def make_views(
    path: Path,
    rng: np.random.Generator,
    *,
    crop_size: int,
    area_share: tuple[float, float],
    decode: Decode = "auto",
) -> ViewPair:
    """Cut two random views out of an image file.

    Views are resized by bilinear interpolation over the whole footprint of a target pixel (antialiased), as
    Pillow does, within one grey level of it.

    Args:
        path: The image.
        rng: Draws both crops.
        crop_size: S.
        area_share: Bounds of a crop's share of the image.
        decode: What decodes a JPEG: torchvision, or OpenCV by default, which also reads other formats.

    Raises:
        InputError: If the file is missing or damaged.
    """
    content = read_content(path)
    if len(content) >= _LARGE_FILE and decode == "auto":
        crops = draw_pair(image_size(content, path), rng, area_share)
        factor = reduction_factor(crops, crop_size)
        if factor > 1:
            return _reduced_views(content, path, crops, factor, crop_size)
        image = decode_image(content, path, decode)  # [3, H, W]
    else:
        image = decode_image(content, path, decode)  # [3, H, W]
        crops = draw_pair((image.shape[2], image.shape[1]), rng, area_share)
    return cut_views(image, crops, crop_size)


def draw_pair(
    size: tuple[int, int], rng: np.random.Generator, area_share: tuple[float, float]
) -> tuple[CropBox, CropBox]:
    """Draw the crops of both views of an image of ``size`` (width, height)."""
    return draw_crop(size, rng, area_share), draw_crop(size, rng, area_share)


def cut_views(image: Tensor, crops: tuple[CropBox, CropBox], crop_size: int) -> ViewPair:
    """Cut both views out of an image [3, H, W] on any device; boxes stay on the CPU."""
    size = (image.shape[2], image.shape[1])
    views = [resize_crop(image, crop, crop_size) for crop in crops]  # [3, S, S] each
    boxes = torch.tensor([crop.in_image(size) for crop in crops])  # [2, 4]
    return ViewPair(torch.stack([view.permute(1, 2, 0) for view in views]), boxes)


def resize_crop(image: Tensor, crop: CropBox, crop_size: int) -> Tensor:
    """Cut ``crop`` out of a uint8 image [3, H, W] and resize it to uint8 [3, S, S]."""
    part = image[None, :, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    exact = part if part.device.type == "cpu" else part.float()
    resized = F.interpolate(exact, (crop_size, crop_size), mode="bilinear", antialias=True)  # [1, 3, S, S]
    return resized[0] if resized.dtype == torch.uint8 else resized[0].round_().clamp_(0, 255).to(torch.uint8)


def read_content(path: Path) -> bytes:
    """Read an image file.

    Raises:
        InputError: If it is missing, empty or a truncated JPEG.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read frame {path}: {error.strerror or error}.") from None
    if not content:
        raise InputError(f"Frame {path} is empty.")
    # Decoders fill what a truncated JPEG lacks with grey and say nothing; the end marker tells.
    if is_jpeg(content) and b"\xff\xd9" not in content[-4096:]:
        raise InputError(f"Frame {path} is a truncated JPEG.")
    return content


def is_jpeg(content: bytes) -> bool:
    """Tell a JPEG by its first bytes."""
    return content[:2] == b"\xff\xd8"


def decode_image(content: bytes, path: Path, decode: Decode = "auto") -> Tensor:
    """Decode an image to uint8 [3, H, W], RGB, whatever its orientation tag says.

    Raises:
        InputError: If it cannot be decoded.
    """
    if is_jpeg(content) and decode == "torchvision":
        try:
            return decode_jpegs([torch.frombuffer(bytearray(content), dtype=torch.uint8)], "cpu")[0]
        # Rare colour spaces; OpenCV reads some of them and the last word is its.
        except RuntimeError:
            pass
    return _decode_with_opencv(content, path, cv2.IMREAD_COLOR)


def decode_jpegs(encoded: list[Tensor], device: torch.device | str) -> list[Tensor]:
    """Decode JPEGs, uint8 [bytes] each, with torchvision to uint8 [3, H, W] each, RGB, on the device."""
    with warnings.catch_warnings():
        # torchvision 0.29 announces that TorchCodec will replace its decoders; nothing else uses them here.
        warnings.simplefilter("ignore", DeprecationWarning)
        decoded: list[Tensor] = torchvision.io.decode_jpeg(
            encoded, mode=torchvision.io.ImageReadMode.RGB, device=device
        )
    return decoded


def _decode_with_opencv(content: bytes, path: Path, flags: int) -> Tensor:
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), flags | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:
        image = None
    if image is None:
        raise InputError(f"Frame {path} cannot be decoded as an image.")
    return torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)  # [3, H, W]


def image_size(content: bytes, path: Path) -> tuple[int, int]:
    """Return an encoded image's width and height from its header.

    Raises:
        InputError: If it is not an image.
    """
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError(f"Frame {path} cannot be decoded as an image.") from None


def reduction_factor(crops: tuple[CropBox, CropBox], crop_size: int) -> int:
    """Return by how much a JPEG may shrink while decoding so that both views keep all their detail."""
    finest = min(min(crop.width, crop.height) for crop in crops)
    return max((f for f in _REDUCED if finest >= f * _SPARE_DETAIL * crop_size), default=1)


def _reduced_views(
    content: bytes, path: Path, crops: tuple[CropBox, CropBox], factor: int, crop_size: int
) -> ViewPair:
    if not is_jpeg(content):
        return cut_views(_decode_with_opencv(content, path, cv2.IMREAD_COLOR), crops, crop_size)
    size = image_size(content, path)
    image = _decode_with_opencv(content, path, _REDUCED[factor])  # [3, H/f, W/f]
    views = [resize_crop(image, _shrunk(crop, factor), crop_size) for crop in crops]
    boxes = torch.tensor([crop.in_image(size) for crop in crops])  # [2, 4]
    return ViewPair(torch.stack([view.permute(1, 2, 0) for view in views]), boxes)


def _shrunk(crop: CropBox, factor: int) -> CropBox:
    left, top = round(crop.left / factor), round(crop.top / factor)
    right, bottom = round((crop.left + crop.width) / factor), round((crop.top + crop.height) / factor)
    return CropBox(left=left, top=top, width=right - left, height=bottom - top)
