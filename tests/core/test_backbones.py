"""Networks of torchvision and timm with random weights: shapes, strides, layers, and files for them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch.nn import functional

from sfc_cli.core.backbone_weights import fill_model
from sfc_cli.core.encoders import NetworkOptions, find_encoder, load_encoder, verify_checkpoint
from sfc_cli.core.features import FeatureExtractor, normalise_frames, onto_grid
from sfc_cli.core.network_table import find_spec
from sfc_cli.core.trunk import Trunk
from sfc_cli.errors import InputError, UsageError
from tests.core import published

pytest.importorskip("timm")
FRAME = torch.randint(0, 256, (1, 75, 101, 3), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def load(name: str, **options: Any) -> Any:
    return load_encoder(f"{name}=random", options=NetworkOptions(**options))


def features(*names: str, **options: Any) -> torch.Tensor:
    return FeatureExtractor([load(name, **options) for name in names])(FRAME)


@pytest.mark.parametrize(
    ("name", "options", "shape"),
    [
        ("torchvision:resnet18", {}, (256, 10, 13)),
        ("torchvision:resnet18", {"layer": "layer2", "stride": 4}, (128, 19, 26)),
        ("torchvision:resnet18", {"layer": "4", "stride": 32}, (512, 3, 4)),
        ("torchvision:mobilenet_v3_small", {}, (48, 10, 13)),
        ("torchvision:mobilenet_v3_small", {"layer": "features.3", "stride": 16}, (24, 5, 7)),
        ("timm:mobilenetv3_small_050", {}, (24, 10, 13)),
        ("timm:resnet10t", {}, (256, 10, 13)),
        ("timm:efficientnet_lite0", {"layer": "blocks.2", "stride": 4}, (40, 19, 26)),
        ("timm:test_vit", {"stride": 16}, (64, 5, 7)),
        ("timm:test_vit", {"layer": "2"}, (64, 10, 13)),
    ],
)
def test_features__shape_follows_layer_and_stride(name: str, options: Any, shape: tuple[int, ...]) -> None:
    found = features(name, **options)
    assert found.shape == (1, *shape)
    assert torch.allclose(found.norm(dim=1), torch.ones(1, *shape[1:]), atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("torchvision:resnet34", 256),
        ("torchvision:resnext50_32x4d", 1024),
        ("torchvision:vgg11", 512),
        ("torchvision:densenet121", 1024),
        ("torchvision:convnext_tiny", 384),
        ("torchvision:swin_t", 384),
        ("torchvision:regnet_x_400mf", 160),
        ("torchvision:shufflenet_v2_x0_5", 96),
        ("torchvision:googlenet", 832),
        ("torchvision:inception_v3", 768),
        ("torchvision:vit_b_32", 768),
        ("timm:convnext_atto", 160),
        ("timm:swin_tiny_patch4_window7_224", 384),
        ("timm:xcit_nano_12_p8_224", 128),
        ("timm:hrnet_w18_small", 512),
        ("timm:pvt_v2_b0", 160),
        ("dinov2:s", 384),
        ("dinov3:s", 384),
    ],
)
def test_features__families(name: str, channels: int) -> None:
    assert features(name).shape == (1, channels, 10, 13)


def test_features__patches_that_do_not_divide_the_frame() -> None:
    # 75×101 pixels at a stride of 8 are 10×13 cells: what the transformer sees has 10×13 patches of 16.
    seen = []
    encoder = load("timm:test_vit")
    encoder.maps.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    FeatureExtractor([encoder])(FRAME)
    assert seen == [(1, 3, 160, 208)]


def test_features__position_embeddings_are_interpolated() -> None:
    encoder = load("timm:test_vit")
    with torch.no_grad():
        model = encoder.maps.model
        side = model.patch_embed.grid_size[0]
        ramp = torch.linspace(-1, 1, side)[:, None, None].expand(side, side, 64).reshape(1, side * side, 64)
        model.pos_embed[:, -side * side :] = ramp
    seen = []
    model.blocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    model.patch_embed.proj.weight.zero_()
    model.patch_embed.proj.bias.zero_()
    encoder(torch.zeros(1, 3, 75, 101))
    tokens = seen[0][0, -130:, 0].reshape(10, 13)
    assert torch.allclose(tokens, tokens[:, :1].expand(10, 13), atol=1e-4), "rows alone differ"
    assert (tokens[1:, 0] > tokens[:-1, 0]).all(), "and they rise from top to bottom"


def test_features__two_strides_meet_on_the_finer_grid() -> None:
    coarse = load("timm:mobilenetv3_small_050", stride=16)
    fine = load_encoder("random18")
    both = FeatureExtractor([fine, coarse], fusion_weight=2.0)
    found = both(FRAME)
    assert (both.stride, found.shape) == (8, (1, 256 + 24, 10, 13))
    alone = FeatureExtractor([fine])(FRAME)
    fused = functional.normalize(found[:, :256], dim=1)
    assert torch.allclose(fused, alone, atol=1e-6)
    maps = coarse(normalise_frames(FRAME, coarse.mean, coarse.deviation))
    assert maps.shape[-2:] == (5, 7)
    expected = functional.normalize(onto_grid(maps, (10, 13)), dim=1)
    assert torch.allclose(functional.normalize(found[:, 256:], dim=1), expected, atol=1e-6)


def test_features__each_network_has_its_own_normalisation() -> None:
    encoder = load("timm:test_vit")
    assert encoder.mean == (0.5, 0.5, 0.5)
    seen = []
    encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    both = FeatureExtractor([load_encoder("random18"), encoder])
    both(torch.full((1, 64, 64, 3), 255, dtype=torch.uint8))
    assert torch.equal(seen[0], torch.ones(1, 3, 64, 64))


def test_features__blind_networks_are_refused_at_the_first_frame() -> None:
    trunk = load_encoder("random18")
    trunk.layer3[1].bn2.bias.fill_(float("nan"))
    with pytest.raises(InputError, match="The network gives NaN or infinite features"):
        FeatureExtractor([trunk])(FRAME)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("timm:nope", {}, r"timm has no model 'nope'"),
        ("timm:resnet10t.nope", {}, r"no weights 'nope' for resnet10t. Weights: c3_in1k"),
        ("torchvision:resnet51", {}, r"no model 'resnet51'. Models: resnet50"),
        ("torchvision:resnet50.IMAGENET1K_V9", {}, r"Weights: IMAGENET1K_V1, IMAGENET1K_V2"),
        ("dinov3:huge", {}, r"No network 'dinov3:huge'. Did you mean dinov3:s\? Names: dinov3:s"),
        (
            "timm:test_vit",
            {"layer": "99"},
            r"has no layer '99'. Layers: blocks.0, .* or their number, 1 to 6",
        ),
        ("torchvision:mobilenet_v3_small", {"layer": "x"}, r"has no layer 'x'. Layers: features.0, "),
        ("torchvision:resnet18", {"layer": "5"}, r"no `layer` '5'. Layers: layer1"),
        ("torchvision:resnet18", {"stride": 7}, r"`stride` is 7. A ResNet's strides: 4, 8, 16, 32"),
        ("timm:mixer_s32_224", {}, r"mixer_s32_224 cannot be used: it does not take frames of any size"),
    ],
)
def test_load_encoder__what_cannot_be_used(name: str, options: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        load(name, **options)


def test_network_options__range() -> None:
    with pytest.raises(UsageError, match="`stride` is 0"):
        NetworkOptions(stride=0)


@pytest.fixture
def vit_file(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    state = load_encoder("timm:test_vit=random", seed=5).maps.model.state_dict()
    save_file(state, tmp_path / "test_vit.r160_in1k.safetensors")
    return tmp_path / "test_vit.r160_in1k.safetensors"


def test_load_encoder__weights_of_timm(vit_file: Path) -> None:
    wanted = load_encoder("timm:test_vit=random", seed=5).maps.model.state_dict()
    for name in (f"timm:test_vit={vit_file}", "timm:test_vit", "timm:test_vit.r160_in1k"):
        found = load_encoder(name, checkpoints=vit_file.parent).maps.model.state_dict()
        assert all(torch.equal(found[key], wanted[key]) for key in wanted)
    verify_checkpoint(vit_file, network="timm:test_vit")


@pytest.mark.parametrize("prefix", ["", "module.backbone.", "student/"])
def test_fill_model__wrapped_files(vit_file: Path, prefix: str) -> None:
    state = load_encoder("timm:test_vit=random", seed=5).maps.model.state_dict()
    content: dict[str, Any] = {f"{prefix}{key}": value for key, value in state.items()}
    if prefix == "student/":
        lagging = {key: value + 1 for key, value in state.items()}
        content = {"student": lagging, "teacher": dict(state)}
    torch.save({"model": content, "args": None}, vit_file.with_suffix(".pth"))
    model = load_encoder("timm:test_vit=random").maps.model
    fill_model(model, vit_file.with_suffix(".pth"))
    assert all(torch.equal(model.state_dict()[key], state[key]) for key in state)


def test_fill_model__refuses_by_name(tmp_path: Path) -> None:
    model = load_encoder("timm:test_vit=random").maps.model
    for key, change, said in (
        ("blocks.1.attn.qkv.weight", None, r"lacks 1 of \d+ tensors .*: blocks.1.attn.qkv.weight"),
        ("blocks.1.attn.qkv.weight", float("nan"), r"blocks.1.attn.qkv.weight contains NaN"),
        ("blocks.6.attn.qkv.weight", 1.0, r"is of another network: it has blocks.6.attn.qkv.weight"),
    ):
        state = model.state_dict()
        if change is None:
            del state[key]
        else:
            state[key] = torch.full((192, 64), change)
        torch.save(state, tmp_path / "a.pth")
        with pytest.raises(InputError, match=said):
            fill_model(model, tmp_path / "a.pth")


def test_load_encoder__missing_weights_name_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(InputError, match=r"test_vit.r160_in1k.safetensors, .*`sfc download timm:test_vit`"):
        load_encoder("timm:test_vit", checkpoints=tmp_path)
    with pytest.raises(InputError, match=r"Fetch it from https://ai.meta.com/.*dinov3:s=FILE"):
        load_encoder("dinov3:s", checkpoints=tmp_path)
    with pytest.raises(InputError, match=r"resnet34-b627a593.pth, which is missing"):
        load_encoder("torchvision:resnet34", checkpoints=tmp_path)


def test_find_encoder__files_in_the_caches_of_others(
    tmp_path: Path, vit_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    snapshot = tmp_path / "hf/hub/models--timm--test_vit.r160_in1k/snapshots/0123"
    snapshot.mkdir(parents=True)
    vit_file.rename(snapshot / "model.safetensors")
    assert find_encoder("timm:test_vit", tmp_path).path == snapshot / "model.safetensors"


def test_load_encoder__torch_hub_cache_is_compared_with_the_sum_in_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    cache = tmp_path / "torch/hub/checkpoints"
    path = published.write(cache, "imagenet18")
    with pytest.raises(InputError, match="its SHA-256 does not begin with f37072fd"):
        load_encoder("imagenet18", checkpoints=tmp_path)
    digits = hashlib.sha256(path.read_bytes()).hexdigest()[:8]
    monkeypatch.setattr("sfc_cli.core.encoders.hash_in_name", lambda _: digits)
    assert isinstance(load_encoder("imagenet18", checkpoints=tmp_path), Trunk)


def test_find_encoder__the_released_code_s_file_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    published.write(tmp_path / "torch/hub/checkpoints", "imagenet50-19c8e357")
    with pytest.raises(
        InputError, match=r"The older resnet50-19c8e357.pth is here: choose imagenet50-19c8e357"
    ):
        find_encoder("imagenet50", tmp_path)
    found = find_encoder("imagenet50-19c8e357", tmp_path)
    assert (found.path or Path()).name == "resnet50-19c8e357.pth"
    assert found.sha256 == "19c8e357"


def test_find_spec__names_of_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("sfc.yaml").write_text(
        "networks: {mine: {is: timm:test_vit, stride: 16, mean: [0, 0, 0], layer: 2}}"
    )
    spec = find_spec("mine=a.pth")
    assert spec is not None
    assert (spec.model, spec.stride, spec.mean, spec.layer, spec.given) == (
        "test_vit",
        16,
        (0, 0, 0),
        "2",
        "a.pth",
    )
    Path("sfc.yaml").write_text("networks: {mine: {is: timm:test_vit, stride: fine}}")
    with pytest.raises(InputError, match="`stride` of network 'mine' is 'fine'"):
        find_spec("mine")
