"""From an image file to the two views of a frame: random crops, decoding no more than needed, shrinking.

Letters: B batch, S side of a view in pixels, H×W pixels of the image.
"""

from __future__ import annotations

import io
import math
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

from sfc_cli.data.decoder_messages import captured_damage
from sfc_cli.data.frames import why_damaged
from sfc_cli.data.image_formats import add_installed_formats
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import Decode

# method: the published training's statistics, not those of ImageNet.
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2023, 0.1994, 0.2010)

AREA_SHARE = (0.0, 1.0)
ASPECT = (3 / 4, 4 / 3)
_TRIES = 10

# Below this many bytes a look at the header for reduced decoding costs more than it can save.
_LARGE_FILE = 300_000
# A reduced image must still be so many times finer than the view, so that shrinking hides its rounding.
_SPARE_DETAIL = 2
# How OpenCV decodes an image at 1/factor of its size; only JPEGs are decoded faster that way.
_FLAGS = {
    1: cv2.IMREAD_COLOR,
    2: cv2.IMREAD_REDUCED_COLOR_2,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    8: cv2.IMREAD_REDUCED_COLOR_8,
}


@dataclass(frozen=True)
class CropBox:
    """A rectangle of pixels of an image."""

    left: int
    top: int
    width: int
    height: int

    def in_image(self, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """Return left, top, right and bottom as shares of an image of ``size`` (width, height).

        The first pixel of the image lies at 0 and the last at 1.
        """
        columns, rows = size[0] - 1, size[1] - 1
        return (
            self.left / columns,
            self.top / rows,
            (self.left + self.width - 1) / columns,
            (self.top + self.height - 1) / rows,
        )

    def shrunk(self, factor: int) -> CropBox:
        """Return the same rectangle in the image at 1/factor of its size, to the nearest pixel."""
        left, top = round(self.left / factor), round(self.top / factor)
        right, bottom = round((self.left + self.width) / factor), round((self.top + self.height) / factor)
        return CropBox(left=left, top=top, width=right - left, height=bottom - top)


Crops = tuple[CropBox, CropBox]


@dataclass(frozen=True)
class ViewPair:
    """Two views of a frame.

    Args:
        views: uint8 [2, S, S, 3], RGB.
        boxes: float32 [2, 4], left, top, right, bottom of each in its image.
    """

    views: Tensor
    boxes: Tensor


@dataclass(frozen=True)
class EncodedFrame:
    """A frame as read, with its crops already drawn, to be decoded on the device.

    Args:
        encoded: uint8 [bytes] of a JPEG; uint8 [3, H, W] of any other format, decoded.
        crops: Where both views lie.
    """

    encoded: Tensor
    crops: Crops


def draw_crop(
    size: tuple[int, int], rng: np.random.Generator, area_share: tuple[float, float] = AREA_SHARE
) -> CropBox:
    """Draw a random crop: area share uniform, aspect log-uniform, ten tries, else the largest centre crop.

    Args:
        size: Width and height of the image.
        rng: Where the randomness comes from.
        area_share: The bounds of the crop's share of the image's area.
    """
    width, height = size
    for _ in range(_TRIES):
        area = width * height * rng.uniform(*area_share)
        aspect = math.exp(rng.uniform(math.log(ASPECT[0]), math.log(ASPECT[1])))
        columns, rows = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < columns <= width and 0 < rows <= height:
            left = int(rng.integers(0, width - columns + 1))
            top = int(rng.integers(0, height - rows + 1))
            return CropBox(left=left, top=top, width=columns, height=rows)
    return _largest_centre_crop(size)


def _largest_centre_crop(size: tuple[int, int]) -> CropBox:
    width, height = size
    # Never below one pixel, however narrow the image.
    columns = max(1, min(width, round(height * ASPECT[1])))
    rows = max(1, min(height, round(width / ASPECT[0])))
    return CropBox(left=(width - columns) // 2, top=(height - rows) // 2, width=columns, height=rows)


def _draw_pair(size: tuple[int, int], rng: np.random.Generator, area_share: tuple[float, float]) -> Crops:
    return draw_crop(size, rng, area_share), draw_crop(size, rng, area_share)


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
    factor = 1
    if len(content) >= _LARGE_FILE and decode == "auto":
        size = image_size(content, path)
        crops = _draw_pair(size, rng, area_share)
        if is_jpeg(content):
            factor = reduction_factor(crops, crop_size)
        image = _decode_with_opencv(content, path, factor)  # [3, H/factor, W/factor]
    else:
        image = decode_image(content, path, decode)  # [3, H, W]
        size = (image.shape[2], image.shape[1])
        crops = _draw_pair(size, rng, area_share)
    return _cut_views(image, crops, crop_size, size, factor)


def read_encoded(path: Path, rng: np.random.Generator, area_share: tuple[float, float]) -> EncodedFrame:
    """Read a file and draw its crops, leaving a JPEG encoded.

    Raises:
        InputError: If the file is missing or damaged.
    """
    content = read_content(path)
    crops = _draw_pair(image_size(content, path), rng, area_share)
    if is_jpeg(content):
        return EncodedFrame(torch.frombuffer(bytearray(content), dtype=torch.uint8), crops)
    return EncodedFrame(decode_image(content, path), crops)


def cut_on_device(frames: list[EncodedFrame], crop_size: int, device: torch.device) -> list[ViewPair]:
    """Decode all JPEGs of a batch in one call on the device and cut both views out of each frame there.

    Returns:
        A pair for each frame; views on the device, boxes on the CPU.
    """
    jpegs = [frame.encoded for frame in frames if frame.encoded.ndim == 1]
    decoded = iter(_decode_jpegs(jpegs, device) if jpegs else [])
    images = [next(decoded) if frame.encoded.ndim == 1 else frame.encoded.to(device) for frame in frames]
    return [
        _cut_views(image, frame.crops, crop_size, (image.shape[2], image.shape[1]))
        for image, frame in zip(images, frames, strict=True)
    ]


def normalise(views: Tensor) -> Tensor:
    """Turn uint8 views into the network's input.

    Args:
        views: uint8 [B, 3, H, W], RGB.

    Returns:
        float32 [B, 3, H, W]; its memory layout is that of the views.
    """
    mean = torch.tensor(MEAN, device=views.device).view(1, 3, 1, 1) * 255
    deviation = torch.tensor(DEVIATION, device=views.device).view(1, 3, 1, 1) * 255
    return (views.float() - mean) / deviation


def _cut_views(
    image: Tensor, crops: Crops, crop_size: int, size: tuple[int, int], factor: int = 1
) -> ViewPair:
    """Cut both views out of an image [3, H/factor, W/factor] on any device; boxes stay on the CPU."""
    views = [resize_crop(image, crop.shrunk(factor), crop_size) for crop in crops]  # [3, S, S] each
    boxes = torch.tensor([crop.in_image(size) for crop in crops])  # [2, 4]
    return ViewPair(torch.stack([view.permute(1, 2, 0) for view in views]), boxes)


def resize_crop(image: Tensor, crop: CropBox, crop_size: int) -> Tensor:
    """Cut ``crop`` out of a uint8 image [3, H, W] and resize it to uint8 [3, S, S]."""
    part = image[None, :, crop.top : crop.top + crop.height, crop.left : crop.left + crop.width]
    # Only the CPU interpolates bytes; elsewhere floats are rounded as it rounds them.
    exact = part if part.device.type == "cpu" else part.float()
    resized = F.interpolate(exact, (crop_size, crop_size), mode="bilinear", antialias=True)  # [1, 3, S, S]
    return resized[0] if resized.dtype == torch.uint8 else resized[0].round_().clamp_(0, 255).to(torch.uint8)


def reduction_factor(crops: Crops, crop_size: int) -> int:
    """Return by how much a JPEG may shrink while decoding so that both views keep all their detail."""
    finest = min(min(crop.width, crop.height) for crop in crops)
    return max((f for f in _FLAGS if finest >= f * _SPARE_DETAIL * crop_size), default=1)


def read_content(path: Path) -> bytes:
    """Read an image file.

    Raises:
        InputError: If it is missing, empty, or a JPEG whose structure is damaged.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"Cannot read frame {path}: {error.strerror or error}.") from None
    if not content:
        raise InputError(f"Frame {path} is empty.")
    # Decoders fill what a damaged JPEG lacks with grey and say nothing; the markers tell.
    if damage := why_damaged(content):
        raise InputError(f"Frame {path} is a {damage} JPEG.")
    return content


def is_jpeg(content: bytes) -> bool:
    """Return whether the first bytes are those of a JPEG."""
    return content[:2] == b"\xff\xd8"


def image_size(content: bytes, path: Path) -> tuple[int, int]:
    """Return an encoded image's width and height from its header.

    Raises:
        InputError: If it is not an image.
    """
    add_installed_formats()
    try:
        with Image.open(io.BytesIO(content)) as image:
            return image.size
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError(f"Frame {path} cannot be decoded as an image.") from None


def decode_image(content: bytes, path: Path, decode: Decode = "auto") -> Tensor:
    """Decode an image to uint8 [3, H, W], RGB, whatever its orientation tag says.

    Raises:
        InputError: If it cannot be decoded.
    """
    if is_jpeg(content) and decode == "torchvision":
        try:
            return _decode_jpegs([torch.frombuffer(bytearray(content), dtype=torch.uint8)], "cpu")[0]
        # Rare colour spaces; OpenCV reads some of them and the last word is its.
        except RuntimeError:
            pass
    return _decode_with_opencv(content, path)


def _decode_jpegs(encoded: list[Tensor], device: torch.device | str) -> list[Tensor]:
    """Decode JPEGs, uint8 [bytes] each, with torchvision to uint8 [3, H, W] each, RGB, on the device."""
    with warnings.catch_warnings():
        # torchvision 0.29 announces that TorchCodec will replace its decoders; nothing else uses them here.
        warnings.simplefilter("ignore", DeprecationWarning)
        decoded: list[Tensor] = torchvision.io.decode_jpeg(
            encoded, mode=torchvision.io.ImageReadMode.RGB, device=device
        )
    return decoded


def _decode_with_opencv(content: bytes, path: Path, factor: int = 1) -> Tensor:
    flags = _FLAGS[factor] | cv2.IMREAD_IGNORE_ORIENTATION
    with captured_damage() as damage:
        try:
            image = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
        except cv2.error:
            image = None
    if damage:
        raise InputError(f"Frame {path} is a damaged JPEG ({damage[0]}).")
    if image is None:
        return _decode_with_pillow(content, path)
    return torch.from_numpy(cv2.cvtColor(image, cv2.COLOR_BGR2RGB)).permute(2, 0, 1)  # [3, H, W]


def _decode_with_pillow(content: bytes, path: Path) -> Tensor:
    """Decode what OpenCV does not know, such as HEIC; of an animation the first picture."""
    add_installed_formats()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(content)) as image:
                pixels = np.array(image.convert("RGB"))  # [H, W, 3]
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        raise InputError(f"Frame {path} cannot be decoded as an image.") from None
    return torch.from_numpy(pixels).permute(2, 0, 1)  # [3, H, W]
