from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional
from torchvision import models

from sfc_cli.core.trunk import CHANNELS, STRIDE, Padding, Trunk, step_batchnorm_on_zeros
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import Architecture

ARCHITECTURES: tuple[Architecture, ...] = ("resnet18", "resnet50")


@pytest.fixture(scope="module")
def small() -> Trunk:
    return Trunk("resnet18").eval().requires_grad_(False)


def _convolutions(trunk: Trunk) -> Iterator[tuple[str, nn.Conv2d]]:
    return ((name, m) for name, m in trunk.named_modules() if isinstance(m, nn.Conv2d))


@pytest.mark.parametrize(
    ("height", "width"), [(64, 64), (63, 65), (57, 41), (8, 8), (1, 9), (33, 17), (480 // 4, 854 // 4)]
)
def test_forward__ceil_of_an_eighth(small: Trunk, height: int, width: int) -> None:
    maps = small(torch.zeros(1, 3, height, width))
    assert maps.shape == (1, 256, -(-height // STRIDE), -(-width // STRIDE))


def test_forward__480p_is_60_by_107() -> None:
    with torch.device("meta"):
        assert Trunk("resnet50")(torch.zeros(1, 3, 480, 854)).shape == (1, 1024, 60, 107)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("last_layer", ["layer3", "layer4"])
def test_trunk__keys_and_shapes_are_torchvisions(architecture: Architecture, last_layer: str) -> None:
    with torch.device("meta"):
        trunk = Trunk(architecture, last_layer=last_layer)  # type: ignore[arg-type]
        theirs = models.get_model(architecture).state_dict()
    dropped = ("fc.",) if last_layer == "layer4" else ("fc.", "layer4.")
    expected = {key: value.shape for key, value in theirs.items() if not key.startswith(dropped)}
    assert {key: value.shape for key, value in trunk.state_dict().items()} == expected


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_trunk__no_stride_from_layer3_on_and_no_dilation(architecture: Architecture) -> None:
    with torch.device("meta"):
        ours = Trunk(architecture, last_layer="layer4")
        theirs = dict(models.get_model(architecture).named_modules())
    for name, convolution in _convolutions(ours):
        late = name.startswith(("layer3.", "layer4."))
        assert convolution.stride == ((1, 1) if late else theirs[name].stride), name
        assert convolution.dilation == (1, 1), name
        assert convolution.padding == theirs[name].padding, name


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_forward__layer4_variant(architecture: Architecture) -> None:
    with torch.device("meta"):
        maps = Trunk(architecture, last_layer="layer4")(torch.zeros(2, 3, 70, 50))
    assert maps.shape == (2, CHANNELS[architecture, "layer4"], 9, 7)


def test_forward__equals_torchvision_up_to_layer2(small: Trunk) -> None:
    theirs = models.resnet18().eval()
    theirs.load_state_dict(small.state_dict(), strict=False)
    frames = torch.rand(1, 3, 40, 56, generator=torch.Generator().manual_seed(0))
    captured: list[Tensor] = []
    theirs.layer2.register_forward_hook(lambda _module, _inputs, output: captured.append(output))
    handle = small.layer2.register_forward_hook(lambda _module, _inputs, output: captured.append(output))
    theirs(frames)
    small(frames)
    handle.remove()
    torch.testing.assert_close(captured[1], captured[0])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_trunk__every_padding_convolution_pads_alike(architecture: Architecture, padding: Padding) -> None:
    with torch.device("meta"):
        trunk = Trunk(architecture, padding=padding, last_layer="layer4")
    padding_ones = [m for _, m in _convolutions(trunk) if m.padding != (0, 0)]
    assert len(padding_ones) == {"resnet18": 17, "resnet50": 17}[architecture]
    assert {m.padding_mode for m in padding_ones} == {padding}
    assert {m.padding_mode for _, m in _convolutions(trunk) if m.padding == (0, 0)} == {"zeros"}


def test_forward__reflect_padding_takes_effect() -> None:
    trunk = Trunk("resnet18", padding="reflect").eval()
    frames = torch.rand(1, 3, 24, 31, generator=torch.Generator().manual_seed(0))
    expected = functional.conv2d(
        functional.pad(frames, (3, 3, 3, 3), mode="reflect"), trunk.conv1.weight, stride=2
    )
    torch.testing.assert_close(trunk.conv1(frames), expected)


@pytest.mark.parametrize("size", [(1, 1), (8, 40), (40, 8)])
def test_forward__too_small_for_reflect_padding(size: tuple[int, int]) -> None:
    trunk = Trunk("resnet18", padding="reflect").eval()
    with pytest.raises(InputError, match=f"{size[1]}×{size[0]} pixels are too small"):
        trunk(torch.zeros(1, 3, *size))
    assert trunk(torch.zeros(1, 3, 9, 9)).shape == (1, 256, 2, 2)


def test_trunk__unknown_architecture() -> None:
    with pytest.raises(ValueError, match="resnet20"):
        Trunk("resnet20")


@pytest.mark.parametrize("training", [True, False])
def test_step_batchnorm_on_zeros__keeps_the_mode_and_the_parameters(training: bool) -> None:
    trunk = Trunk("resnet18").train(training)
    before = {key: value.clone() for key, value in trunk.state_dict().items()}
    step_batchnorm_on_zeros(trunk)
    assert trunk.training is training
    for key, value in trunk.state_dict().items():
        if key.endswith("num_batches_tracked"):
            assert value == before[key] + 1, key
        elif not key.endswith(("running_mean", "running_var")):
            assert torch.equal(value, before[key]), key
    # The first convolution of zeros is zero: a tenth of the way towards mean 0 and variance 0.
    torch.testing.assert_close(trunk.bn1.running_var, torch.full((64,), 0.9))
    assert all(parameter.grad is None for parameter in trunk.parameters())
