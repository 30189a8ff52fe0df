from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from sfc_cli.core.encoders import load_encoder, verify_checkpoint
from sfc_cli.errors import InputError
from tests.core import published


def _with(index: tuple[int, ...], value: float) -> Callable[[Tensor], Tensor]:
    def change(tensor: Tensor) -> Tensor:
        tensor = tensor.clone().contiguous()
        tensor[index] = value
        return tensor

    return change


FAULTS: dict[str, tuple[str, Callable[[Tensor], Tensor], str]] = {
    "NaN": ("layer2.0.conv1.weight", _with((3, 2, 1, 1), float("nan")), r"contains NaN \(1 of"),
    "infinity": ("bn1.bias", _with((5,), float("-inf")), r"contains infinite values \(1 of 64\)"),
    "beyond float32": ("bn1.bias", lambda t: t.double() * 1e300, "contains infinite values"),
    "negative variance": (
        "layer3.1.bn2.running_var",
        _with((7,), -0.25),
        r"has a negative variance \(-0\.25\)",
    ),
    "zero convolution": ("layer1.1.conv2.weight", torch.zeros_like, "is zero throughout"),
    "zero stem": ("bn1.weight", torch.zeros_like, "is zero throughout"),
    "bool": ("conv1.weight", lambda t: t.bool(), "has numbers of type bool instead of"),
    "integers": ("conv1.weight", lambda t: t.int(), "has numbers of type int32 instead of"),
    "complex": ("conv1.weight", lambda t: t.to(torch.complex64), "has numbers of type complex64"),
    "complex counter": ("bn1.num_batches_tracked", lambda t: t.to(torch.complex64), "complex64"),
    "eight bits": ("conv1.weight", lambda t: t.to(torch.float8_e4m3fn), "float8_e4m3fn"),
    "sparse": ("layer2.0.conv2.weight", lambda t: t.contiguous().to_sparse(), "is a sparse tensor"),
    "quantised": (
        "conv1.weight",
        lambda t: torch.quantize_per_tensor(t.contiguous(), 0.1, 0, torch.qint8),
        "is quantised",
    ),
    "meta": ("conv1.weight", lambda t: t.to("meta"), "has no values"),
}


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
@pytest.mark.parametrize("fault", FAULTS)
def test_refuse_unusable__names_the_tensor(tmp_path: Path, fault: str) -> None:
    key, change, said = FAULTS[fault]
    state = published.constants("resnet18", start=1.0)
    state[key] = change(state[key])
    path = published.write(tmp_path, "imagenet18", state)
    for read in (lambda: load_encoder(str(path)), lambda: verify_checkpoint(path)):
        with pytest.raises(InputError, match=said) as caught:
            read()
        assert str(path) in caught.value.message
        assert key in caught.value.message
        assert "\n" not in str(caught.value)


def test_refuse_unusable__what_the_trunk_leaves_out_may_be_anything(tmp_path: Path) -> None:
    state = published.constants("resnet18", start=1.0)
    state["fc.weight"] = state["fc.weight"] * float("nan")
    # A residual block may begin as nothing.
    state["layer1.0.bn2.weight"] = torch.zeros(64)
    load_encoder(str(published.write(tmp_path, "imagenet18", state)))


def test_refuse_unusable__all_zero_trunk(tmp_path: Path) -> None:
    state = {key: torch.zeros_like(value) for key, value in published.constants("resnet18", 1.0).items()}
    path = published.write(tmp_path, "imagenet18", state)
    with pytest.raises(InputError, match=r"conv1\.weight is zero throughout"):
        load_encoder(str(path))
