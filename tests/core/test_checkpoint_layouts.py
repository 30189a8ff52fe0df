import argparse
import io
import pickle
import types
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.core.checkpoint_layouts import LAYOUTS, read_checkpoint, recognise_architecture, recognise_layout
from sfc_cli.core.encoders import load_encoder, read_trunk_state
from sfc_cli.errors import InputError
from tests.core import published


class _Executes:
    """Unpickling this writes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return exec, (f"open({str(self.marker)!r}, 'w').close()",)


def _zip(content: object, path: Path) -> None:
    torch.save(content, path)


def _legacy(content: object, path: Path) -> None:
    torch.save(content, path, _use_new_zipfile_serialization=False)


def _plain_pickle(content: object, path: Path) -> None:
    path.write_bytes(pickle.dumps(content, protocol=2))


@pytest.mark.parametrize("hidden_in", ["weights", "arguments", "top"])
@pytest.mark.parametrize("save", [_zip, _legacy, _plain_pickle])
def test_read_checkpoint__malicious_pickle_does_not_execute(
    tmp_path: Path, save: Callable[[object, Path], None], hidden_in: str
) -> None:
    marker, path = tmp_path / "executed", tmp_path / "bad.pth"
    evil = _Executes(marker)
    content: object = {
        "weights": {"model": {"online_encoder.conv1.weight": evil}},
        "arguments": {"model": {}, "args": argparse.Namespace(hook=evil)},
        "top": evil,
    }[hidden_in]
    save(content, path)
    # The file does execute where nothing holds it back.
    if save is _plain_pickle:
        pickle.loads(path.read_bytes())
    else:
        torch.load(path, weights_only=False)
    assert marker.exists()
    marker.unlink()
    with pytest.raises(InputError) as caught:
        read_checkpoint(path)
    assert not marker.exists()
    assert str(path) in caught.value.message
    if save is not _plain_pickle:
        assert "exec" in caught.value.message


def test_read_checkpoint__namespace_is_read(tmp_path: Path) -> None:
    torch.save({"args": argparse.Namespace(lr=0.5, inner=argparse.Namespace(depth=18))}, tmp_path / "a.pth")
    arguments = read_checkpoint(tmp_path / "a.pth")["args"]
    assert (arguments.lr, arguments.inner.depth) == (0.5, 18)
    # The exception is made for one read only.
    assert argparse.Namespace not in torch.serialization.get_safe_globals()


def test_read_checkpoint__any_other_class_is_refused(tmp_path: Path) -> None:
    torch.save({"args": types.SimpleNamespace(lr=0.5)}, tmp_path / "a.pth")
    with pytest.raises(InputError, match="SimpleNamespace"):
        read_checkpoint(tmp_path / "a.pth")


def test_read_checkpoint__saved_on_cuda(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.pth"
    with monkeypatch.context() as patch:
        patch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
        torch.save({"w": torch.arange(3.0)}, path)
    assert b"cuda:0" in path.read_bytes()
    weights = read_checkpoint(path)["w"]
    assert weights.device.type == "cpu"
    assert weights.tolist() == [0, 1, 2]


def _truncated(share: float) -> bytes:
    buffer = io.BytesIO()
    torch.save({"model": {"online_encoder.conv1.weight": torch.rand(64, 3, 7, 7)}}, buffer)
    content = buffer.getvalue()
    return content[: int(len(content) * share)]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"<!DOCTYPE html><html><body>404</body></html>", "HTML", id="html"),
        pytest.param(b"\n  <html>", "HTML", id="html-after-blanks"),
        pytest.param(b"version https://git-lfs.github.com/spec/v1\n", "truncated or not", id="text"),
        pytest.param(bytes(range(256)) * 9, "truncated or not", id="noise"),
        pytest.param(b"\x80\x02", "truncated or not", id="pickle-start"),
        pytest.param(b"PK\x03\x04", "truncated or not", id="zip-start"),
        pytest.param(_truncated(0.99), "truncated or not", id="truncated-late"),
        pytest.param(_truncated(0.5), "truncated or not", id="truncated"),
        pytest.param(_truncated(0.01), "truncated or not", id="truncated-early"),
    ],
)
def test_read_checkpoint__what_is_none(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        read_checkpoint(path)
    assert str(path) in caught.value.message
    assert caught.value.hint


def test_read_checkpoint__truncated_legacy_file(tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    _legacy({"w": torch.rand(100)}, path)
    content = path.read_bytes()
    for length in (len(content) - 1, len(content) // 2, 40):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match="truncated or not"):
            read_checkpoint(path)


def test_read_checkpoint__missing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.pth is missing"):
        read_checkpoint(tmp_path / "none.pth")


def test_read_checkpoint__a_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=str(tmp_path)):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("content", [torch.ones(3), [1, 2], "text"], ids=["tensor", "list", "text"])
def test_read_checkpoint__no_mapping(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match="not a mapping"):
        read_checkpoint(tmp_path / "a.pth")


@pytest.mark.parametrize("name", published.NAMES)
def test_recognise_layout__published(name: str) -> None:
    state = published.constants(published.ARCHITECTURES[name], start=2.0)
    layout = recognise_layout(published.pack(name, state), Path("x"))
    expected = {"fine-grained": "sfc", "mocov1": "moco", "imagenet18": "torchvision"}
    assert layout.name == expected.get(name, "torchvision" if name == "imagenet50" else name)
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


@pytest.mark.parametrize(
    ("network", "said"),
    [
        ("resnet34", "6 basic blocks"),
        ("resnet101", "23 bottleneck blocks"),
    ],
)
def test_recognise_architecture__another_depth(network: str, said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        recognise_architecture(published.constants(network, start=0.0), Path("deep.pth"))
    assert "deep.pth" in caught.value.message


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
