import pytest
import torch

from sfc_cli.core.devices import require_device_name, resolve_device
from sfc_cli.core.ranks import Ranks
from sfc_cli.errors import UsageError


def _with_cards(monkeypatch: pytest.MonkeyPatch, count: int, *, mps: bool = False) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: mps)


@pytest.mark.parametrize(
    ("name", "cards", "local_rank", "expected"),
    [
        ("auto", 0, 0, "cpu"),
        ("auto", 2, 0, "cuda:0"),
        ("auto", 2, 1, "cuda:1"),
        ("cuda", 2, 3, "cuda:1"),
        ("cuda:1", 2, 0, "cuda:1"),
        ("cpu", 2, 0, "cpu"),
    ],
)
def test_resolve_device__what_a_name_stands_for(
    monkeypatch: pytest.MonkeyPatch, name: str, cards: int, local_rank: int, expected: str
) -> None:
    _with_cards(monkeypatch, cards)
    assert resolve_device(name, Ranks(local_rank, 4, local_rank, 4)) == torch.device(expected)


@pytest.mark.parametrize("name", ["tpu", "", "cuda:", "cuda:x", "cuda:-1", "cpu:0", "CUDA", "cuda 0"])
def test_resolve_device__unknown_names(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    _with_cards(monkeypatch, 2)
    for resolve in (resolve_device, require_device_name):
        with pytest.raises(UsageError, match="is unknown") as caught:
            resolve(name)
        assert "cuda:N or mps" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "cards", "said"),
    [
        ("cuda", 0, "no CUDA device"),
        ("cuda:0", 0, "no CUDA device"),
        ("cuda:2", 2, "has 2 CUDA devices"),
        ("mps", 2, "no Apple GPU"),
    ],
)
def test_resolve_device__devices_that_are_not_there(
    monkeypatch: pytest.MonkeyPatch, name: str, cards: int, said: str
) -> None:
    _with_cards(monkeypatch, cards)
    with pytest.raises(UsageError, match=said):
        resolve_device(name)


def test_resolve_device__mps(monkeypatch: pytest.MonkeyPatch) -> None:
    _with_cards(monkeypatch, 0, mps=True)
    assert resolve_device("mps") == torch.device("mps")
