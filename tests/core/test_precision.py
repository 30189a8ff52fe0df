"""Which data type a precision stands for, and what the networks give in it."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sfc_cli.core import features, precision
from sfc_cli.core.encoders import NetworkOptions, load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.precision import data_type_for, default_precision, multiplies_bfloat16
from sfc_cli.core.trunk import Trunk

CPU, CARD, APPLE = (torch.device(name) for name in ("cpu", "cuda", "mps"))


@pytest.fixture(autouse=True)
def _remarks_again() -> None:
    precision._remark.cache_clear()


@pytest.fixture
def frames() -> Tensor:
    return torch.randint(
        0, 256, (2, 43, 37, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(1)
    )


def _with(
    monkeypatch: pytest.MonkeyPatch, *, bfloat16: bool = False, capability: tuple[int, int] = (9, 0)
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: capability)


@pytest.mark.parametrize(
    ("word", "device", "expected"),
    [
        ("exact", CPU, "float32"),
        ("exact", CARD, "float32"),
        ("exact", APPLE, "float32"),
        ("tf32", CARD, "tf32"),
        ("fast", CARD, "float16"),
        ("fast", CPU, "bfloat16"),
    ],
)
def test_data_type_for__each_device(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    word: precision.Precision,
    device: torch.device,
    expected: str,
) -> None:
    _with(monkeypatch, bfloat16=True)
    assert data_type_for(word, device) == expected
    assert not caplog.messages


@pytest.mark.parametrize(
    ("word", "device", "capability", "said"),
    [
        ("tf32", CARD, (7, 5), "begins with Ampere: tf32 computes as exact"),
        ("tf32", CPU, (0, 0), "tf32 computes as exact on cpu"),
        ("fast", CPU, (0, 0), "no instructions for bfloat16: fast computes as exact"),
        ("fast", APPLE, (0, 0), "on mps yet: fast computes as exact"),
    ],
)
def test_data_type_for__what_a_device_lacks_is_said_once(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    word: precision.Precision,
    device: torch.device,
    capability: tuple[int, int],
    said: str,
) -> None:
    _with(monkeypatch, capability=capability)
    assert [data_type_for(word, device) for _ in range(2)] == ["float32"] * 2
    assert len(caplog.messages) == 1
    assert said in caplog.text


def test_default_precision__as_pytorch_on_a_card() -> None:
    assert [default_precision(device) for device in (CPU, CARD, APPLE)] == ["exact", "tf32", "exact"]


@pytest.mark.parametrize(
    ("machine", "onednn", "avx512", "amx", "arm", "expected"),
    [
        ("x86_64", True, True, False, False, True),
        ("AMD64", True, False, True, False, True),
        # What PyTorch's operator says on a Skylake, which has AVX-512 and no bfloat16.
        ("x86_64", True, False, False, True, False),
        ("aarch64", True, False, False, True, True),
        ("aarch64", True, False, False, False, False),
        # PyTorch for macOS has no oneDNN.
        ("arm64", False, False, False, True, False),
    ],
)
def test_multiplies_bfloat16__asks_the_processor(
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    onednn: bool,
    avx512: bool,
    amx: bool,
    arm: bool,
    expected: bool,
) -> None:
    monkeypatch.setattr(precision.platform, "machine", lambda: machine)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: onednn)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: arm, raising=False)
    assert multiplies_bfloat16() is expected


@pytest.mark.skipif(not Path("/proc/cpuinfo").is_file(), reason="needs Linux")
def test_multiplies_bfloat16__agrees_with_linux() -> None:
    flags = Path("/proc/cpuinfo").read_text().split()
    has = bool({"avx512_bf16", "amx_bf16", "bf16"} & set(flags))
    assert multiplies_bfloat16() is (has and torch.backends.mkldnn.is_available())


def _extractor(
    monkeypatch: pytest.MonkeyPatch, data_type: str, *networks: nn.Module, shallow: float = 0.0
) -> FeatureExtractor:
    monkeypatch.setattr(features, "data_type_for", lambda *_: data_type)
    return FeatureExtractor(list(networks), precision="fast", shallow_weight=shallow)  # type: ignore[arg-type]


@pytest.mark.parametrize(("data_type", "error"), [("bfloat16", 0.02), ("float16", 0.003)])
@pytest.mark.parametrize("shallow", [0.0, 1.0])
def test_feature_extractor__half_precision_is_near(
    monkeypatch: pytest.MonkeyPatch, frames: Tensor, data_type: str, error: float, shallow: float
) -> None:
    network = load_encoder("random18")
    exact = FeatureExtractor([network], shallow_weight=shallow)(frames)
    extractor = _extractor(monkeypatch, data_type, network, shallow=shallow)
    types: list[torch.dtype] = []
    found = extractor(frames, types)
    assert found.dtype == torch.float32
    assert 0 < float((found - exact).norm(dim=1).mean()) < error
    # Weights are cast once, and not those of the network that was given.
    assert {p.dtype for p in extractor._network(0, types[0]).parameters()} == {getattr(torch, data_type)}
    assert extractor._network(0, types[0]) is extractor._network(0, types[0])
    assert {p.dtype for p in network.parameters()} == {torch.float32}
    assert not extractor.has_fallen_back(types)


def _overflowing() -> Trunk:
    """Return a network whose maps of bright frames are beyond float16, and of dark ones are not."""
    network: Trunk = load_encoder("random18")
    network.bn1.weight.mul_(3e4)
    network.bn1.bias.zero_()
    network.bn1.running_mean.zero_()
    return network


def test_feature_extractor__overflow_falls_back_for_that_video(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    # ImageNet's mean is black to the network: nothing there to overflow.
    grey = torch.tensor([124, 116, 104], dtype=torch.uint8).expand(1, 40, 40, 3)
    bright = torch.randint(
        0, 256, (1, 40, 40, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(2)
    )
    network, other = _overflowing(), load_encoder("random18")
    exact = FeatureExtractor([network, other])
    extractor = _extractor(monkeypatch, "float16", network, other)
    # Two videos take turns: each has a decision of its own.
    first: list[torch.dtype] = []
    second: list[torch.dtype] = []
    found = extractor(bright, first)
    extractor(grey, second)
    assert first == [torch.bfloat16, torch.float16], "only the network that overflows"
    assert second == [torch.float16, torch.float16]
    assert extractor.has_fallen_back(first)
    assert not extractor.has_fallen_back(second)
    assert caplog.messages == ["A layer overflows in float16: bfloat16 is used for this video."]
    assert float((found - exact(bright)).norm(dim=1).mean()) < 0.02
    # The rest of a video computes in the same types, without another look.
    assert bool(extractor(bright, first).isfinite().all())
    assert not bool(extractor(bright, second).isfinite().all())
    assert len(caplog.messages) == 1


@pytest.mark.parametrize("name", ["timm:test_vit", "torchvision:mobilenet_v3_small"])
def test_feature_extractor__other_networks_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch, frames: Tensor, name: str
) -> None:
    _check_bfloat16(monkeypatch, frames, name)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["torchvision:vit_b_32", "torchvision:swin_t", "torchvision:convnext_tiny", "dinov2:s", "dinov3:s"],
)
def test_feature_extractor__large_networks_in_bfloat16(
    monkeypatch: pytest.MonkeyPatch, frames: Tensor, name: str
) -> None:
    _check_bfloat16(monkeypatch, frames, name)


def _check_bfloat16(monkeypatch: pytest.MonkeyPatch, frames: Tensor, name: str) -> None:
    if not name.startswith("torchvision"):
        pytest.importorskip("timm")
    # An uneven grid for transformers: positions are interpolated, frames resized.
    network = load_encoder(f"{name}=random", options=NetworkOptions(stride=16))
    exact = FeatureExtractor([network])(frames)
    found = _extractor(monkeypatch, "bfloat16", network)(frames, [])
    assert float((found - exact).norm(dim=1).mean()) < 0.05
