"""torchvision's ResNets, key for key and to the bit: importing all of torchvision takes over a second."""

from __future__ import annotations

from typing import Final, NamedTuple

from torch import Tensor, nn


class _Plan(NamedTuple):
    blocks: tuple[int, int, int, int]
    has_bottlenecks: bool = True
    groups: int = 1
    width: int = 64


_PLANS: Final = {
    "resnet18": _Plan((2, 2, 2, 2), has_bottlenecks=False),
    "resnet34": _Plan((3, 4, 6, 3), has_bottlenecks=False),
    "resnet50": _Plan((3, 4, 6, 3)),
    "resnet101": _Plan((3, 4, 23, 3)),
    "resnet152": _Plan((3, 8, 36, 3)),
    "resnext50_32x4d": _Plan((3, 4, 6, 3), groups=32, width=4),
    "resnext101_32x8d": _Plan((3, 4, 23, 3), groups=32, width=8),
    "resnext101_64x4d": _Plan((3, 4, 23, 3), groups=64, width=4),
    "wide_resnet50_2": _Plan((3, 4, 6, 3), width=128),
    "wide_resnet101_2": _Plan((3, 4, 23, 3), width=128),
}


class _Block(nn.Module):
    """Two convolutions of 3×3, or one between two of 1×1, beside the identity; the 3×3 one has the stride."""

    def __init__(self, inputs: int, channels: int, stride: int, plan: _Plan) -> None:
        super().__init__()
        outputs = channels * (4 if plan.has_bottlenecks else 1)
        downsample = None
        # Drawn before the others, as torchvision does, so that a seed gives the same weights.
        if stride != 1 or inputs != outputs:
            downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )
        if plan.has_bottlenecks:
            inner = channels * plan.width // 64 * plan.groups
            self.conv1 = nn.Conv2d(inputs, inner, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(inner)
            self.conv2 = nn.Conv2d(inner, inner, 3, stride, 1, groups=plan.groups, bias=False)
            self.bn2 = nn.BatchNorm2d(inner)
            self.conv3 = nn.Conv2d(inner, outputs, 1, bias=False)
            self.bn3 = nn.BatchNorm2d(outputs)
        else:
            self.conv1 = nn.Conv2d(inputs, channels, 3, stride, 1, bias=False)
            self.bn1 = nn.BatchNorm2d(channels)
            self.conv2 = nn.Conv2d(channels, channels, 3, 1, 1, bias=False)
            self.bn2 = nn.BatchNorm2d(channels)
            self.conv3 = self.bn3 = None  # type: ignore[assignment]
        self.relu = nn.ReLU(inplace=True)
        self.downsample = downsample

    def forward(self, maps: Tensor) -> Tensor:
        identity = maps if self.downsample is None else self.downsample(maps)
        maps = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(maps)))))
        if self.conv3 is not None:
            maps = self.bn3(self.conv3(self.relu(maps)))
        maps += identity
        return self.relu(maps)  # type: ignore[no-any-return]


class ResNet(nn.Module):
    """The layers of a ResNet (v1.5) with random weights, by torchvision's names; ``Trunk`` runs them.

    Args:
        architecture: One of ``RESNETS``.
    """

    def __init__(self, architecture: str) -> None:
        super().__init__()
        plan = _PLANS[architecture]
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        inputs = 64
        for number, blocks in enumerate(plan.blocks):
            layer = nn.Sequential()
            for index in range(blocks):
                stride = 2 if number > 0 and index == 0 else 1
                layer.append(_Block(inputs, 64 << number, stride, plan))
                inputs = (64 << number) * (4 if plan.has_bottlenecks else 1)
            setattr(self, f"layer{number + 1}", layer)
        # Nobody classifies here, but its weights are drawn: a seed then gives the others torchvision's.
        self.fc = nn.Linear(inputs, 1000)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
