"""The ResNet trunk at stride 8 that every encoder shares."""

from __future__ import annotations

from typing import Final, Literal

import torch
from torch import Tensor, nn

from sfc_cli.core.network_table import RESNETS, STRIDE
from sfc_cli.core.resnet import ResNet
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import Architecture, LastLayer

Padding = Literal["zeros", "reflect"]

IMAGENET_MEAN: Final = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Final = (0.229, 0.224, 0.225)
LAYERS: Final = ("layer1", "layer2", "layer3", "layer4")
TRUNK_STRIDES: Final = (4, 8, 16, 32)
CHANNELS: Final[dict[tuple[Architecture, LastLayer], int]] = {
    ("resnet18", "layer3"): 256,
    ("resnet18", "layer4"): 512,
    ("resnet50", "layer3"): 1024,
    ("resnet50", "layer4"): 2048,
}


class Trunk(nn.Module):
    """torchvision's ResNet (v1.5) up to one of its layers, with stride 1 once ``stride`` is reached.

    Parameters and buffers have torchvision's names. There is no dilation: with stride 8, a frame of H×W
    pixels gives ceil(H/8) × ceil(W/8) cells.

    Args:
        architecture: The ResNet to build, one of ``RESNETS``.
        padding: How every padding convolution pads; CRW was trained with ``reflect``.
        last_layer: The last residual layer kept, one of ``LAYERS``; pretraining needs ``layer4``.
        stride: Pixels per cell beyond which no layer goes, one of ``TRUNK_STRIDES``.
    """

    mean = IMAGENET_MEAN
    deviation = IMAGENET_DEVIATION

    def __init__(
        self,
        architecture: str = "resnet18",
        *,
        padding: Padding = "zeros",
        last_layer: str = "layer3",
        stride: int = STRIDE,
    ) -> None:
        super().__init__()
        for name, value, choices in (
            ("architecture", architecture, RESNETS),
            ("last_layer", last_layer, LAYERS),
            ("stride", stride, TRUNK_STRIDES),
        ):
            if value not in choices:
                raise ValueError(f"{name} {value!r} is not one of {choices}")
        resnet = ResNet(architecture)
        self.architecture = architecture
        self.padding: Padding = padding
        self.conv1 = resnet.conv1
        self.bn1 = resnet.bn1
        self.relu = resnet.relu
        self.maxpool = resnet.maxpool
        self.stride = 4
        self.layer1: nn.Module
        self.layer2: nn.Module | None
        self.layer3: nn.Module | None
        self.layer4: nn.Module | None
        for name in LAYERS:
            layer = getattr(resnet, name) if name <= last_layer else None
            if layer is not None and name > "layer1":
                if self.stride >= stride:
                    _without_stride(layer)
                else:
                    self.stride *= 2
            setattr(self, name, layer)
        if padding != "zeros":
            _replace_padding(self, padding)

    def forward(self, frames: Tensor) -> Tensor:
        """Map normalised frames to feature maps.

        Args:
            frames: [B, 3, H, W], RGB, normalised with the statistics of the training data.

        Returns:
            [B, C, h, w] with h = ceil(H/stride) and w = ceil(W/stride), not normalised; C as in ``CHANNELS``.

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


def _without_stride(layer: nn.Module) -> None:
    for module in layer.modules():
        if isinstance(module, nn.Conv2d):
            module.stride = (1, 1)


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
