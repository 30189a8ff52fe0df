import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sfc_cli.core.encoders import ENCODERS, load_encoder, verify_checkpoint
from sfc_cli.core.trunk import CHANNELS, Trunk
from sfc_cli.errors import InputError, UsageError
from tests.core import published


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of all published files."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in published.NAMES:
        published.write(folder, name)
    return folder


@pytest.fixture(scope="session")
def plausible_state() -> dict[str, Tensor]:
    """A ResNet-18 with random weights and statistics."""
    generator = torch.Generator().manual_seed(8)
    state = {}
    for key, shape in published.shapes("resnet18").items():
        if key.startswith(("layer4.", "fc.")):
            continue
        if key.endswith("num_batches_tracked"):
            state[key] = torch.tensor(7)
        elif len(shape) == 4:
            state[key] = torch.randn(shape, generator=generator) * (2 / shape[1:].numel()) ** 0.5
        else:
            state[key] = torch.rand(shape, generator=generator) + 0.5
    return state


@pytest.mark.parametrize("by_path", [False, True], ids=["by-name", "by-path"])
@pytest.mark.parametrize("name", published.NAMES)
def test_load_encoder__every_published_layout(checkpoints: Path, name: str, by_path: bool) -> None:
    file = ENCODERS[name].file
    assert file is not None
    trunk = load_encoder(
        str(checkpoints / file) if by_path else name, checkpoints=checkpoints, batchnorm="checkpoint"
    )
    architecture = published.ARCHITECTURES[name]
    assert trunk.architecture == architecture
    assert CHANNELS[trunk.architecture, "layer3"] == {"resnet18": 256, "resnet50": 1024}[architecture]
    expected = published.trunk_part(published.constants(architecture, start=1.0))
    state = trunk.state_dict()
    assert state.keys() == expected.keys()
    for key, value in state.items():
        # BatchNorm counts in whole numbers.
        wanted = expected[key].to(value.dtype)
        assert torch.equal(value, wanted), key
    assert {m.padding_mode for m in trunk.modules() if isinstance(m, nn.Conv2d) and any(m.padding)} == {
        "reflect" if name == "crw" else "zeros"
    }


def test_load_encoder__is_ready_for_inference(checkpoints: Path) -> None:
    trunk = load_encoder("fine-grained", checkpoints=checkpoints)
    assert not any(module.training for module in trunk.modules())
    assert not any(parameter.requires_grad for parameter in trunk.parameters())


def test_load_encoder__says_what_was_loaded(checkpoints: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="sfc_cli"):
        load_encoder("fine-grained", checkpoints=checkpoints)
    wanted = len(published.trunk_part(published.constants("resnet18", start=0.0)))
    assert f"loaded {wanted} tensors into a resnet18" in caplog.text


def test_load_encoder__float16_weights_become_float32(
    tmp_path: Path, plausible_state: dict[str, Tensor]
) -> None:
    half = {
        key: value.half() if value.is_floating_point() else value for key, value in plausible_state.items()
    }
    published.write(tmp_path, "crw", half)
    trunk = load_encoder("crw", checkpoints=tmp_path, batchnorm="checkpoint")
    for key, value in trunk.state_dict().items():
        assert value.dtype == plausible_state[key].dtype, key
        assert torch.equal(value, half[key].to(value.dtype)), key


def test_load_encoder__file_saved_on_cuda(
    tmp_path: Path, plausible_state: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        published.write(tmp_path, "fine-grained", plausible_state)
    trunk = load_encoder("fine-grained", checkpoints=tmp_path, batchnorm="checkpoint")
    assert torch.equal(trunk.state_dict()["conv1.weight"], plausible_state["conv1.weight"])


class _HandMadeBatchNorm(nn.Module):
    """BatchNorm in training mode, written out: new running = 0.9 · old + 0.1 · batch."""

    def __init__(self, norm: nn.BatchNorm2d) -> None:
        super().__init__()
        self.norm = norm

    def forward(self, maps: Tensor) -> Tensor:
        count = maps.numel() // maps.shape[1]
        mean = maps.sum((0, 2, 3)) / count
        centred = maps - mean[None, :, None, None]
        squares = (centred**2).sum((0, 2, 3))
        self.mean = 0.9 * self.norm.running_mean + 0.1 * mean
        self.var = 0.9 * self.norm.running_var + 0.1 * squares / (count - 1)
        scale = self.norm.weight / (squares / count + 1e-5).sqrt()
        return centred * scale[None, :, None, None] + self.norm.bias[None, :, None, None]


def test_load_encoder__both_batchnorm_modes(tmp_path: Path, plausible_state: dict[str, Tensor]) -> None:
    published.write(tmp_path, "fine-grained", plausible_state)
    stored = load_encoder("fine-grained", checkpoints=tmp_path, batchnorm="checkpoint")
    released = load_encoder("fine-grained", checkpoints=tmp_path, batchnorm="released")
    default = load_encoder("fine-grained", checkpoints=tmp_path)

    by_hand = Trunk("resnet18").requires_grad_(False)
    by_hand.load_state_dict(plausible_state)
    norms = {}
    for path, module in list(by_hand.named_modules()):
        if isinstance(module, nn.BatchNorm2d):
            parent, _, name = path.rpartition(".")
            norms[path] = _HandMadeBatchNorm(module)
            setattr(by_hand.get_submodule(parent), name, norms[path])
    by_hand(torch.zeros(1, 3, 256, 256))

    moved = 0
    for key, value in released.state_dict().items():
        assert torch.equal(default.state_dict()[key], value), key
        assert torch.equal(stored.state_dict()[key], plausible_state[key]), key
        path, _, name = key.rpartition(".")
        if name in ("running_mean", "running_var"):
            expected = norms[path].mean if name == "running_mean" else norms[path].var
            torch.testing.assert_close(value, expected, rtol=1e-4, atol=1e-5, msg=key)
            moved += not torch.allclose(value, plausible_state[key], rtol=1e-3)
        elif name != "num_batches_tracked":
            assert torch.equal(value, plausible_state[key]), key
    assert moved == 2 * len(norms)


def test_load_encoder__unknown_batchnorm_mode() -> None:
    with pytest.raises(UsageError, match="`batchnorm` 'none'"):
        load_encoder("random18", batchnorm="none")  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["random18", "random50"])
def test_load_encoder__random_trunks_are_seeded(name: str) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = load_encoder(name, batchnorm="checkpoint")
    assert torch.equal(torch.rand(3), expected), "the global random numbers were disturbed"
    again = load_encoder(name, batchnorm="checkpoint")
    assert first.architecture == {"random18": "resnet18", "random50": "resnet50"}[name]
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))


def test_load_encoder__another_seed() -> None:
    first, other = (load_encoder("random18", batchnorm="checkpoint", seed=seed) for seed in (0, 1))
    assert not torch.equal(first.conv1.weight, other.conv1.weight)


@pytest.mark.parametrize("name", published.NAMES)
def test_load_encoder__missing_file_names_the_download(tmp_path: Path, name: str) -> None:
    entry = ENCODERS[name]
    with pytest.raises(InputError) as caught:
        load_encoder(name, checkpoints=tmp_path)
    assert str(tmp_path / str(entry.file)) in caught.value.message
    assert f"sfc download {entry.download}" in caught.value.hint


def test_load_encoder__fine_grained_is_downloaded_as_fc(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="sfc download fc"):
        load_encoder("fine-grained", checkpoints=tmp_path)


def test_load_encoder__unknown_name_lists_the_names(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'fine'") as caught:
        load_encoder("fine", checkpoints=tmp_path)
    assert all(name in caught.value.hint for name in ENCODERS)


@pytest.mark.parametrize("given", ["folder/mine", "mine.pth", "mine.pth.tar", "./mine"])
def test_load_encoder__missing_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"mine.* is missing"):
        load_encoder(given)


@pytest.mark.parametrize(
    "lacking", ["conv1.weight", "layer3.1.bn2.running_var", "layer2.0.downsample.0.weight"]
)
@pytest.mark.parametrize("name", ["fine-grained", "crw"])
def test_load_encoder__names_what_is_missing(tmp_path: Path, name: str, lacking: str) -> None:
    state = published.constants("resnet18", start=1.0)
    del state[lacking]
    path = published.write(tmp_path, name, state)
    with pytest.raises(InputError) as caught:
        load_encoder(name, checkpoints=tmp_path)
    assert str(path) in caught.value.message
    assert lacking in caught.value.message
    assert "lacks 1 of" in caught.value.message


def test_load_encoder__lost_layer(tmp_path: Path) -> None:
    state = {
        key: value
        for key, value in published.constants("resnet50", 1.0).items()
        if not key.startswith("layer2.")
    }
    published.write(tmp_path, "vfs", state)
    with pytest.raises(
        InputError, match=r"lacks 78 of 258 tensors.*: layer2\.0\.conv1\.weight.* and 75 more"
    ):
        load_encoder("vfs", checkpoints=tmp_path)


def test_load_encoder__batch_counters_are_needed_except_by_torchvision_files(tmp_path: Path) -> None:
    # torchvision's files go back to a time before the counters; nothing that is computed depends on them.
    state = {
        key: value
        for key, value in published.constants("resnet18", start=1.0).items()
        if not key.endswith("num_batches_tracked")
    }
    published.write(tmp_path, "imagenet18", state)
    trunk = load_encoder("imagenet18", checkpoints=tmp_path, batchnorm="checkpoint")
    assert torch.equal(trunk.state_dict()["layer3.1.bn2.bias"], state["layer3.1.bn2.bias"])
    published.write(tmp_path, "crw", state)
    with pytest.raises(InputError, match="num_batches_tracked"):
        load_encoder("crw", checkpoints=tmp_path)


def test_load_encoder__wrong_shape(tmp_path: Path) -> None:
    state = published.constants("resnet18", start=1.0)
    state["layer1.0.conv1.weight"] = torch.tensor(1.0).expand(64, 64, 5, 5)
    published.write(tmp_path, "fine-grained", state)
    with pytest.raises(
        InputError, match=r"layer1\.0\.conv1\.weight has the shape \(64, 64, 5, 5\) instead of"
    ):
        load_encoder("fine-grained", checkpoints=tmp_path)


def test_verify_checkpoint__accepts_and_refuses(checkpoints: Path, tmp_path: Path) -> None:
    verify_checkpoint(checkpoints / "pretrained_fc.pth", architecture="resnet18", layout="sfc")
    state = published.constants("resnet18", start=1.0)
    del state["layer3.0.bn1.weight"]
    path = published.write(tmp_path, "fine-grained", state)
    with pytest.raises(InputError, match=r"layer3\.0\.bn1\.weight"):
        verify_checkpoint(path)
