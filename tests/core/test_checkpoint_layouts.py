from pathlib import Path

import pytest
import torch

from sfc_cli.core.checkpoint_layouts import LAYOUTS, recognise_architecture, recognise_layout
from sfc_cli.core.encoders import load_encoder, read_trunk_state
from sfc_cli.core.network_table import RESNETS
from sfc_cli.errors import InputError
from tests.core import published


@pytest.mark.parametrize("name", published.NAMES)
def test_recognise_layout__published(name: str) -> None:
    state = published.constants(published.ARCHITECTURES[name], start=2.0)
    layout = recognise_layout(published.pack(name, state), Path("x"))
    expected = {"fine-grained": "sfc", "mocov1": "moco", "hvc": "torchvision"}
    assert layout.name == expected.get(name, "torchvision" if name.startswith("imagenet") else name)
    assert layout.padding == ("reflect" if name == "crw" else "zeros")


@pytest.mark.parametrize("name", published.NAMES)
def test_trunk_state__takes_the_right_network(name: str) -> None:
    # Momentum encoders, heads and queues lie beside it under similar names.
    state = published.constants(published.ARCHITECTURES[name], start=2.0)
    checkpoint = published.pack(name, state)
    found = recognise_layout(checkpoint, Path("x")).trunk_state(checkpoint)
    for key, value in published.trunk_part(state).items():
        assert torch.equal(found[key], value), key


def test_trunk_state__older_crw_wraps_padded_convolutions() -> None:
    state = published.trunk_part(published.constants("resnet18", start=3.0))
    older = {
        # 3×3 and 7×7 convolutions pad; 1×1 ones (downsample) do not.
        key.replace("weight", "1.weight") if value.dim() == 4 and value.shape[-1] > 1 else key: value
        for key, value in state.items()
    }
    assert "conv1.1.weight" in older
    assert "layer1.0.conv2.1.weight" in older
    found = LAYOUTS["crw"].trunk_state({"model": {f"encoder.model.{k}": v for k, v in older.items()}})
    assert found.keys() == state.keys()
    assert all(torch.equal(found[key], state[key]) for key in state)


@pytest.mark.parametrize(
    "checkpoint",
    [
        {},
        {"model": {}},
        {"model": [1]},
        {"state_dict": {"head.weight": torch.ones(1)}},
        {"model": {"online_encoder.conv1.weight": "text"}},
        {3: torch.ones(1)},
    ],
    ids=str,
)
def test_recognise_layout__none_fits(checkpoint: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no known checkpoint layout") as caught:
        recognise_layout(checkpoint, Path("some.pth"))
    assert "some.pth" in caught.value.message
    assert all(name in caught.value.hint for name in LAYOUTS)


@pytest.mark.parametrize("network", RESNETS)
def test_recognise_architecture__every_resnet(network: str) -> None:
    assert recognise_architecture(published.constants(network, start=0.0), Path("deep.pth")) == network


@pytest.mark.parametrize("start", ["layer3.5.", "layer3.99999999999999."])
def test_recognise_architecture__no_resnet(start: str) -> None:
    state = published.constants("resnet50", start=0.0)
    state = {key: value for key, value in state.items() if not key.startswith("layer3.5.")}
    state[f"{start}conv1.weight"] = torch.ones(1)
    if start == "layer3.5.":
        state["layer3.6.conv1.weight"] = torch.ones(1)
    else:
        assert recognise_architecture(published.constants("resnet50", 0.0), Path("x")) == "resnet50"
    with pytest.raises(InputError, match=r"deep\.pth has \d+ bottleneck blocks"):
        recognise_architecture(state, Path("deep.pth"))


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50"])
@pytest.mark.parametrize("lacking", ["conv1.weight", "layer1.0.conv3.weight", "layer3.0.conv1.weight"])
def test_recognise_architecture__one_missing_tensor_misleads_nothing(architecture: str, lacking: str) -> None:
    state = published.constants(architecture, start=0.0)
    state.pop(lacking, None)
    assert recognise_layout(state, Path("x")).name == "torchvision"
    assert recognise_architecture(state, Path("x")) == architecture


@pytest.mark.parametrize("name", published.NAMES)
def test_read_trunk_state__wrong_layout_under_a_name(tmp_path: Path, name: str) -> None:
    layout = published.ENCODERS[name].layout
    other = "pixpro" if name != "pixpro" else "simsiam"
    path = published.write(tmp_path, other)
    with pytest.raises(InputError, match=f"has the layout of {other}, not of {layout}"):
        read_trunk_state(path, layout=layout)


def test_read_trunk_state__wrong_depth_under_a_name(tmp_path: Path) -> None:
    published.write(tmp_path, "fine-grained", published.constants("resnet50", start=1.0))
    with pytest.raises(InputError, match=r"pretrained_fc\.pth has a resnet50, but a resnet18 is needed"):
        load_encoder("fine-grained", checkpoints=tmp_path)


def _under(prefix: str, state: published.State) -> published.State:
    return {f"{prefix}{key}": value for key, value in state.items()}


def _lagging(state: published.State) -> published.State:
    return {key: torch.full_like(value, -7.0) for key, value in state.items()}


def _head() -> published.State:
    return {"projection_head.0.weight": torch.ones(2, 2), "prototypes.weight": torch.ones(2, 2)}


WRAPPED = {
    "bare": lambda s: s,
    "state_dict": lambda s: {"state_dict": s, "epoch": 3},
    "DataParallel": lambda s: _under("module.", s),
    "torch.compile": lambda s: {"model": _under("_orig_mod.", s)},
    "both": lambda s: {"state_dict": _under("_orig_mod.module.", s)},
    "backbone": lambda s: _under("backbone.", s),
    "encoder": lambda s: {"net": _under("encoder.", s)},
    "Lightning": lambda s: {
        "state_dict": {**_under("model.backbone.", s), "model.head.weight": torch.ones(1)},
        "pytorch-lightning_version": "2.4.0",
        "hyper_parameters": {"lr": 0.1},
    },
    "MoCo v2": lambda s: {
        "state_dict": {
            **_under("module.encoder_q.", s),
            **_under("module.encoder_k.", _lagging(s)),
            "module.encoder_q.fc.0.weight": torch.ones(1),
        }
    },
    "MoCo v3": lambda s: {
        "arch": "resnet50",
        "state_dict": {
            **_under("module.momentum_encoder.", _lagging(s)),
            **_under("module.base_encoder.", s),
            "module.predictor.0.weight": torch.ones(1),
        },
    },
    "SwAV": lambda s: {"state_dict": _under("module.", {**s, **_head()}), "optimizer": {"state": {}}},
    "DINO": lambda s: {
        "student": {**_under("module.backbone.", _lagging(s)), "module.head.mlp.0.weight": torch.ones(1)},
        "teacher": {**_under("backbone.", s), "head.mlp.0.weight": torch.ones(1)},
        "args": None,
    },
    "BYOL": lambda s: {
        "state_dict": {**_under("target_net.", _lagging(s)), **_under("online_net.", s)},
    },
    "deep": lambda s: {"checkpoint": {"networks": {"query": s}}},
}


@pytest.mark.parametrize("wrapper", WRAPPED)
def test_recognise_layout__wrappers(wrapper: str) -> None:
    state = published.constants("resnet18", start=2.0)
    checkpoint = WRAPPED[wrapper](state)
    layout = recognise_layout(checkpoint, Path("x"))
    found = layout.trunk_state(checkpoint)
    assert layout.padding == "zeros"
    for key, value in published.trunk_part(state).items():
        assert torch.equal(found[key], value), key


@pytest.mark.parametrize("prefix", ["encoder.model.", "module.encoder.model.", ""])
def test_read_trunk_state__crw_without_its_wrapper(tmp_path: Path, prefix: str) -> None:
    state = published.constants("resnet18", start=2.0)
    torch.save({**_under(prefix, state), "selfsim_fc.0.weight": torch.ones(2, 2)}, tmp_path / "a.pth")
    found, _, padding = read_trunk_state(tmp_path / "a.pth")
    # The root with torchvision's own names is torchvision's layout, whatever lies beside it.
    assert padding == ("reflect" if prefix else "zeros")
    assert torch.equal(found["conv1.weight"], state["conv1.weight"])


def test_read_trunk_state__two_networks_need_a_prefix(tmp_path: Path) -> None:
    left, right = (published.constants("resnet18", start=start) for start in (2.0, 300.0))
    torch.save({"state_dict": {**_under("left.", left), **_under("right.", right)}}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=r"'state_dict/left\.', 'state_dict/right\.'") as caught:
        read_trunk_state(tmp_path / "a.pth")
    assert "`key_prefix`" in caught.value.hint
    for prefix in ("right.", "state_dict/right."):
        found, _, _ = read_trunk_state(tmp_path / "a.pth", key_prefix=prefix)
        assert torch.equal(found["conv1.weight"], right["conv1.weight"])
    with pytest.raises(InputError, match=r"whose keys begin with 'up\.'; its first keys: state_dict/left\."):
        read_trunk_state(tmp_path / "a.pth", key_prefix="up.")


def test_recognise_layout__shows_the_inner_keys() -> None:
    inner = {"stem.weight": torch.ones(1), "body.weight": torch.ones(1)}
    with pytest.raises(InputError, match=r"state_dict/net/stem\.weight, state_dict/net/body\.weight"):
        recognise_layout({"epoch": 3, "state_dict": {"net": inner}}, Path("x.pth"))


def test_recognise_layout__a_lagging_copy_never_stands_in_for_the_network() -> None:
    state = published.trunk_part(published.constants("resnet18", start=2.0))
    online = {key: value for key, value in state.items() if not key.startswith("layer1.")}
    layout = recognise_layout(
        {"model": {**_under("online_encoder.", online), **_under("target_encoder.", state)}}, Path("x")
    )
    assert layout.name == "sfc"
