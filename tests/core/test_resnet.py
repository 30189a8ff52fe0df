"""Our ResNets against torchvision's: the same keys, weights from a seed, and maps to the bit."""

import subprocess
import sys

import pytest
import torch
from torch import Tensor, nn
from torchvision import models

from sfc_cli.core.network_table import RESNETS
from sfc_cli.core.resnet import ResNet
from sfc_cli.core.trunk import LAYERS, Trunk


@pytest.mark.parametrize("architecture", RESNETS)
def test_resnet__keys_shapes_and_convolutions_are_torchvisions(architecture: str) -> None:
    with torch.device("meta"):
        ours, theirs = ResNet(architecture), models.get_model(architecture, weights=None)
    expected = [(key, value.shape) for key, value in theirs.state_dict().items()]
    assert [(key, value.shape) for key, value in ours.state_dict().items()] == expected
    # extra_repr tells strides, padding, groups, and the constants of BatchNorm.
    leaves = [
        {name: repr(m) for name, m in net.named_modules() if not list(m.children()) and name != "avgpool"}
        for net in (ours, theirs)
    ]
    assert leaves[0] == leaves[1]


@pytest.mark.parametrize("architecture", ["resnet18", "resnet34", "resnet50", "resnet101", "resnext50_32x4d"])
def test_trunk__weights_of_a_seed_and_maps_equal_torchvisions(architecture: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        ours = Trunk(architecture, last_layer="layer4", stride=32)
        after = torch.rand(1)
        torch.manual_seed(7)
        theirs = models.get_model(architecture, weights=None)
        assert torch.equal(after, torch.rand(1)), "another number of random draws"
    _disturb(theirs)
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing
    assert unexpected == ["fc.weight", "fc.bias"]
    frames = torch.rand(2, 3, 45, 67, generator=torch.Generator().manual_seed(0))
    for is_training in (False, True):  # the released code's step of BatchNorm runs in training mode
        found = ours.train(is_training).levels(frames)
        expected = _levels(theirs.train(is_training), frames)
        assert [torch.equal(a, b) for a, b in zip(found, expected, strict=True)] == [True] * 4


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
def test_resnet__draws_the_weights_that_torchvision_draws(architecture: str) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        ours = ResNet(architecture).state_dict()
        torch.manual_seed(3)
        theirs = models.get_model(architecture, weights=None).state_dict()
    assert all(torch.equal(ours[key], value) for key, value in theirs.items())


def _disturb(network: nn.Module) -> None:
    generator = torch.Generator().manual_seed(1)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.normal_(module.bias, std=0.2, generator=generator)
            module.running_mean.normal_(std=0.2, generator=generator)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5, generator=generator)  # type: ignore[union-attr]


def _levels(network: nn.Module, frames: Tensor) -> list[Tensor]:
    maps, found = network.maxpool(network.relu(network.bn1(network.conv1(frames)))), []  # type: ignore[operator]
    for name in LAYERS:
        maps = getattr(network, name)(maps)
        found.append(maps)
    return found


def test_networks__of_published_names_load_without_torchvision() -> None:
    program = (
        "import sys, sfc_cli.inference.run\n"
        "from sfc_cli.core.encoders import load_encoder\n"
        "for name in ('mini', 'random18', 'random50'): load_encoder(name)\n"
        "sys.exit(','.join(name for name in ('torchvision', 'timm') if name in sys.modules) or 0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
