import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from sfc_cli.core.features import (
    FeatureExtractor,
    fold_batchnorm,
    fuse_features,
    normalise_frames,
    stack_levels,
)
from sfc_cli.core.trunk import Padding, Trunk
from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import Precision


@pytest.fixture(scope="module")
def frames() -> Tensor:
    return torch.randint(
        0, 256, (2, 43, 37, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def _trunk(seed: int, padding: Padding = "zeros") -> Trunk:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = Trunk("resnet18", padding=padding)
        for module in trunk.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 1.5)
                nn.init.normal_(module.bias, std=0.2)
                nn.init.normal_(module.running_mean, std=0.2)  # type: ignore[arg-type]
                nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return trunk.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def fine_grained() -> Trunk:
    return _trunk(2)


@pytest.fixture(scope="module")
def semantic() -> Trunk:
    return _trunk(3)


def test_normalise_frames__plain_arithmetic(frames: Tensor) -> None:
    mean, deviation = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    found = normalise_frames(frames)
    assert found.shape == (2, 3, 43, 37)
    assert found.dtype == torch.float32
    for channel in range(3):
        expected = (frames[..., channel].numpy() / 255.0 - mean[channel]) / deviation[channel]
        np.testing.assert_allclose(found[:, channel].numpy(), expected, rtol=0, atol=1e-6)


def test_normalise_frames__leaves_the_frames_alone(frames: Tensor) -> None:
    copy = frames.clone()
    normalise_frames(copy)
    assert torch.equal(copy, frames)


@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_fold_batchnorm__changes_features_by_rounding_only(frames: Tensor, padding: Padding) -> None:
    trunk = _trunk(4, padding)
    inputs = normalise_frames(frames)
    folded = fold_batchnorm(trunk)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in folded.modules())
    expected, found = (functional.normalize(network(inputs), dim=1) for network in (trunk, folded))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    # It was a copy that was folded.
    assert sum(isinstance(module, nn.BatchNorm2d) for module in trunk.modules()) == 15


def test_fuse_features__formula() -> None:
    generator = torch.Generator().manual_seed(5)
    a, b = (functional.normalize(torch.randn(2, c, 3, 4, generator=generator), dim=1) for c in (5, 7))
    found = fuse_features(a, b, 1.75)
    # Both are unit, so the concatenation has the length sqrt(1.75² + 1) in every cell.
    expected = torch.cat([1.75 * a, b], dim=1) / (1.75**2 + 1) ** 0.5
    torch.testing.assert_close(found, expected)


def test_feature_extractor__one_network(frames: Tensor, fine_grained: Trunk) -> None:
    found = FeatureExtractor([fine_grained])(frames)
    maps = fine_grained(normalise_frames(frames))
    assert found.shape == (2, 256, 6, 5)
    torch.testing.assert_close(found, maps / maps.norm(dim=1, keepdim=True), rtol=0, atol=1e-5)


def test_feature_extractor__two_networks(frames: Tensor, fine_grained: Trunk, semantic: Trunk) -> None:
    found = FeatureExtractor([fine_grained, semantic], fusion_weight=0.6)(frames)
    a, b = (functional.normalize(t(normalise_frames(frames)), dim=1) for t in (fine_grained, semantic))
    expected = torch.cat([0.6 * a, b], dim=1) / (0.36 + 1) ** 0.5
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, 6, 5))


def test_stack_levels__weights_and_grids() -> None:
    generator = torch.Generator().manual_seed(6)
    fine, before, last = (
        torch.randn(2, channels, *size, generator=generator)
        for channels, size in ((3, (9, 11)), (4, (5, 6)), (5, (5, 6)))
    )
    found = stack_levels([fine, before, last], 0.8)
    assert found.shape == (2, 12, 5, 6)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(2, 5, 6))
    # Every part is unit times its weight, and all are scaled together.
    length = (1 + 0.8**2 + 0.4**2) ** 0.5
    torch.testing.assert_close(found[:, :5] * length, functional.normalize(last, dim=1))
    torch.testing.assert_close(found[:, 5:9] * length, 0.8 * functional.normalize(before, dim=1))
    # A cell of the coarse grid takes the fine ones in it, at the far border those that there are.
    inner, corner = fine[:, :, 4:6, 6:8].mean((2, 3)), fine[:, :, 8, 10]
    for mean, cell in ((inner, found[:, 9:, 2, 3]), (corner, found[:, 9:, 4, 5])):
        torch.testing.assert_close(cell * length, 0.4 * functional.normalize(mean, dim=1))


def test_feature_extractor__earlier_layers_of_the_first_network(
    frames: Tensor, fine_grained: Trunk, semantic: Trunk
) -> None:
    found = FeatureExtractor([fine_grained, semantic], fusion_weight=0.6, shallow_weight=1.0)(frames)
    inputs = normalise_frames(frames)
    stacked = stack_levels(fine_grained.levels(inputs), 1.0)
    expected = fuse_features(stacked, functional.normalize(semantic(inputs), dim=1), 0.6)
    assert found.shape == (2, 64 + 128 + 256 + 256, 6, 5)
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_feature_extractor__frames_do_not_see_each_other(frames: Tensor, fine_grained: Trunk) -> None:
    extract = FeatureExtractor([fine_grained])
    torch.testing.assert_close(extract(frames)[1:], extract(frames[1:]), rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [0, 3])
def test_feature_extractor__one_or_two_networks(fine_grained: Trunk, count: int) -> None:
    with pytest.raises(UsageError, match="network"):
        FeatureExtractor([fine_grained] * count)


def test_feature_extractor__unknown_precision(fine_grained: Trunk) -> None:
    with pytest.raises(UsageError, match="`precision` 'half'"):
        FeatureExtractor([fine_grained], precision="half")  # type: ignore[arg-type]


@pytest.mark.parametrize("precision", ["tf32", "fast"])
def test_feature_extractor__a_cpu_without_bfloat16_is_exact(
    monkeypatch: pytest.MonkeyPatch, frames: Tensor, fine_grained: Trunk, precision: Precision
) -> None:
    monkeypatch.setattr("sfc_cli.core.precision.multiplies_bfloat16", lambda: False)
    exact, other = (FeatureExtractor([fine_grained], precision=p)(frames) for p in ("exact", precision))  # type: ignore[arg-type]
    assert torch.equal(exact, other)


@pytest.mark.parametrize(("precision", "allowed"), [("exact", False), ("tf32", True)])
def test_feature_extractor__cudnn_rounds_to_tf32_only_if_asked(
    frames: Tensor, fine_grained: Trunk, precision: Precision, allowed: bool
) -> None:
    extractor = FeatureExtractor([fine_grained], precision=precision)
    seen = []
    convolution = extractor._network(0, torch.float32).get_submodule("conv1")
    convolution.register_forward_pre_hook(lambda *_: seen.append(torch.backends.cudnn.allow_tf32))
    before = torch.backends.cudnn.allow_tf32
    extractor(frames)
    assert seen == [allowed]
    assert torch.backends.cudnn.allow_tf32 is before
