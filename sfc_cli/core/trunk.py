"""The ResNet trunk at stride 8 that every encoder shares."""

from __future__ import annotations

from typing import Final, Literal, get_args

import torch
from torch import Tensor, nn
from torchvision import models

from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import Architecture, LastLayer

Padding = Literal["zeros", "reflect"]

STRIDE: Final = 8
CHANNELS: Final[dict[tuple[Architecture, LastLayer], int]] = {
    ("resnet18", "layer3"): 256,
    ("resnet18", "layer4"): 512,
    ("resnet50", "layer3"): 1024,
    ("resnet50", "layer4"): 2048,
}


class Trunk(nn.Module):
    """torchvision's ResNet (v1.5) up to ``layer3`` or ``layer4``, with stride 1 from ``layer3`` on.

    Parameters and buffers have torchvision's names. There is no dilation: a frame of H×W pixels gives
    ceil(H/8) × ceil(W/8) cells.

    Args:
        architecture: The ResNet to build.
        padding: How every padding convolution pads; CRW was trained with ``reflect``.
        last_layer: The last residual layer kept; pretraining needs ``layer4``.
    """

    def __init__(
        self,
        architecture: Architecture = "resnet18",
        *,
        padding: Padding = "zeros",
        last_layer: LastLayer = "layer3",
    ) -> None:
        super().__init__()
        if architecture not in get_args(Architecture):
            raise ValueError(f"architecture {architecture!r} is not one of {get_args(Architecture)}")
        resnet = models.get_model(architecture, weights=None)
        self.architecture: Architecture = architecture
        self.padding: Padding = padding
        self.conv1 = resnet.conv1
        self.bn1 = resnet.bn1
        self.relu = resnet.relu
        self.maxpool = resnet.maxpool
        self.layer1 = resnet.layer1
        self.layer2 = resnet.layer2
        self.layer3 = _without_stride(resnet.layer3)
        self.layer4 = _without_stride(resnet.layer4) if last_layer == "layer4" else None
        if padding != "zeros":
            _replace_padding(self, padding)

    def forward(self, frames: Tensor) -> Tensor:
        """Map normalised frames to feature maps.

        Args:
            frames: [B, 3, H, W], RGB, normalised with the statistics of the training data.

        Returns:
            [B, C, h, w] with h = ceil(H/8) and w = ceil(W/8), not normalised; C as in ``CHANNELS``.

        Raises:
            InputError: If the frames are too small to be padded by reflection.
        """
        return self.levels(frames)[-1]

    def levels(self, frames: Tensor) -> list[Tensor]:
        """Return the maps of every residual layer, from ``layer1`` on; the last are those of ``forward``.

        Args:
            frames: See ``forward``.

        Raises:
            InputError: See ``forward``.
        """
        height, width = frames.shape[-2:]
        if self.padding == "reflect" and min(height, width) <= STRIDE:
            raise InputError(
                f"Frames of {width}×{height} pixels are too small for a network that pads by reflection.",
                f"Both sides must be above {STRIDE} pixels.",
            )
        maps = self.maxpool(self.relu(self.bn1(self.conv1(frames))))  # [B, 64, H/4, W/4]
        found = []
        for layer in (self.layer1, self.layer2, self.layer3, self.layer4):
            if layer is not None:
                maps = layer(maps)
                found.append(maps)
        return found


def _without_stride(layer: nn.Module) -> nn.Module:
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)
    return layer


def _replace_padding(root: nn.Module, padding: Padding) -> None:
    """Rebuild each padding convolution, because ``padding_mode`` only takes effect in the constructor."""
    for parent in list(root.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and any(size != 0 for size in child.padding):
                rebuilt = nn.Conv2d(
                    child.in_channels,
                    child.out_channels,
                    child.kernel_size,  # type: ignore[arg-type]
                    stride=child.stride,  # type: ignore[arg-type]
                    padding=child.padding,  # type: ignore[arg-type]
                    bias=child.bias is not None,
                    padding_mode=padding,
                )
                rebuilt.weight = child.weight
                setattr(parent, name, rebuilt)


@torch.no_grad()
def step_batchnorm_on_zeros(trunk: Trunk) -> None:
    """Move every BatchNorm's running statistics once towards those of one all-zero 256×256 image.

    The released code feeds such an image through each network in training mode after loading its weights;
    its published numbers contain the effect.
    """
    was_training = trunk.training
    trunk.train()
    parameter = next(trunk.parameters())
    trunk(torch.zeros(1, 3, 256, 256, device=parameter.device, dtype=parameter.dtype))
    trunk.train(was_training)
