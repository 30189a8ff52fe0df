"""The two views of a frame: random resized crops, and where each lies in its image.

Letters: B batch, H×W pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from torch import Tensor

# method: the published training's statistics, not those of ImageNet.
MEAN = (0.4914, 0.4822, 0.4465)
DEVIATION = (0.2023, 0.1994, 0.2010)

AREA_SHARE = (0.0, 1.0)
ASPECT = (3 / 4, 4 / 3)
_TRIES = 10


@dataclass(frozen=True)
class CropBox:
    """A rectangle of pixels of an image.

    Args:
        left: First column.
        top: First row.
        width: Columns.
        height: Rows.
    """

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


def normalise(views: Tensor) -> Tensor:
    """Turn uint8 views into the network's input.

    Args:
        views: uint8 [B, 3, H, W], RGB.

    Returns:
        float32 [B, 3, H, W]; its memory layout is that of the views.
    """
    import torch

    mean = torch.tensor(MEAN, device=views.device).view(1, 3, 1, 1) * 255
    deviation = torch.tensor(DEVIATION, device=views.device).view(1, 3, 1, 1) * 255
    return (views.float() - mean) / deviation
