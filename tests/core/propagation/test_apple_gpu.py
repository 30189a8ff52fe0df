"""What Apple's GPU would be asked to do, checked on the CPU against PyTorch's own table of its operators.

Nothing here has run on such a device: operators that it lacks, float64 and strided outputs are what would
break there.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sfc_cli.core import devices, features
from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation import propagate_labels, windowed
from sfc_cli.core.trunk import Trunk
from sfc_cli.inference import propagator as inference
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.settings.propagation import PRESETS, PropagationSettings, improved


@cache
def _table() -> dict[str, dict[str, Any]]:
    spec = find_spec("torchgen")
    assert spec is not None
    assert spec.origin is not None
    path = Path(spec.origin).parent / "packaged/ATen/native/native_functions.yaml"
    entries = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    return {entry["func"].split("(")[0]: entry for entry in entries}


def _is_on_apple(name: str) -> bool:
    entry = _table()[name]
    # Without kernels of its own an operator is made of others.
    keys = ", ".join(entry.get("dispatch", {"CompositeImplicitAutograd": ""})).split(", ")
    delegate = entry.get("structured_delegate")
    return any(key == "MPS" or key.startswith("Composite") for key in keys) or (
        delegate is not None and _is_on_apple(delegate)
    )


class _AppleRules(TorchDispatchMode):
    """Refuses what Apple's GPU would refuse, or has got wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        name = func._schema.name.removeprefix("aten::")
        name = f"{name}.{func._schema.overload_name}" if func._schema.overload_name else name
        self.seen.add(name)
        with self:
            # What is made of other operators is judged by these.
            made = func.decompose(*args, **kwargs)
        if made is not NotImplemented:
            return made
        assert _is_on_apple(name), f"{name} has no kernel for MPS"
        if name.partition(".")[2] == "out" or "out" in kwargs:
            assert kwargs["out"].is_contiguous(), f"{name} writes into a strided view"
        result = func(*args, **kwargs)
        for tensor in tree_leaves((args, kwargs, result)):
            if isinstance(tensor, torch.Tensor):
                assert tensor.dtype not in (torch.float64, torch.complex128), f"{name} uses {tensor.dtype}"
        return result


@contextmanager
def _apple_rules(monkeypatch: pytest.MonkeyPatch) -> Iterator[_AppleRules]:
    apple = torch.device("mps")
    # The rules hold in one thread, and this device has one.
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    monkeypatch.setattr(features, "memory_format_for", lambda _: devices.memory_format_for(apple))
    monkeypatch.setattr(windowed, "writes_into_views", lambda _: devices.writes_into_views(apple))
    with _AppleRules() as rules:
        yield rules


def _clip() -> tuple[list[np.ndarray], np.ndarray]:
    random = np.random.default_rng(0)
    frames = list(random.integers(0, 256, (5, 70, 93, 3), dtype=np.uint8))
    mask = np.zeros((70, 93), np.uint8)
    mask[10:40, 20:60], mask[45:65, 5:30] = 1, 2
    return frames, mask


@pytest.mark.parametrize("is_improved", [False, True])
@pytest.mark.parametrize("padding", ["zeros", "reflect"])
def test_apple_gpu__has_every_operator_of_a_run(
    monkeypatch: pytest.MonkeyPatch, is_improved: bool, padding: str
) -> None:
    settings = improved(PRESETS["single"]) if is_improved else PRESETS["single"]
    frames, mask = _clip()
    network = load_encoder("random18") if padding == "zeros" else Trunk(padding="reflect").eval()
    fitted = []

    def propagate() -> list[np.ndarray]:
        extractor = FeatureExtractor([network], shallow_weight=settings.shallow_weight)
        return [
            one.mask() for one in VideoPropagator(extractor, settings, backend="windowed").run(frames, mask)
        ]

    plain, fit = propagate(), inference.fit_whitening
    monkeypatch.setattr(inference, "fit_whitening", lambda *given: fitted.append(fit(*given)) or fitted[-1])
    propagate()
    # It is fitted on the CPU, in float64, wherever the features are.
    monkeypatch.setattr(inference, "fit_whitening", lambda *_: fitted[0])
    with _apple_rules(monkeypatch) as rules:
        found = propagate()
    assert {"convolution", "topk", "gather", "mm"} <= {name.partition(".")[0] for name in rules.seen}
    # Another memory format may round otherwise.
    equal = np.mean([np.mean(a == b) for a, b in zip(found, plain, strict=True)])
    assert equal > 0.999


@pytest.mark.parametrize("memory", [0, (0, 2), 2])
def test_apple_gpu__products_without_views_give_the_same_labels(
    monkeypatch: pytest.MonkeyPatch, memory: int | tuple[int, ...]
) -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.nn.functional.normalize(torch.randn(9, 16, 11, 13, generator=generator), dim=1)
    labels = torch.rand(3, 11, 13, generator=generator)
    chosen = PropagationSettings(context_frames=3, radius=4, long_memory=memory)
    options = {name: getattr(chosen, name) for name in ("context_frames", "radius", "long_memory")}
    expected = propagate_labels(maps, labels, backend="windowed", **options)
    windowed.plan_window.cache_clear()
    with _apple_rules(monkeypatch):
        found = propagate_labels(maps, labels, backend="windowed", **options)
    # A product into a strided view may round otherwise.
    torch.testing.assert_close(found, expected)


def test_apple_gpu__rules_refuse_what_it_lacks() -> None:
    with _AppleRules():
        scores = torch.rand(4, 6)
        with pytest.raises(AssertionError, match="float64"):
            scores.double()
        with pytest.raises(AssertionError, match="strided"):
            torch.mm(scores[:, :4], scores, out=torch.zeros(4, 12)[:, :6])
        with pytest.raises(AssertionError, match="no kernel"):
            torch.linalg.eig(scores[:, :4])
