"""The long memory at named frames and a window of no frames: both as the released functions have them."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation import LabelPropagator, propagate_labels
from sfc_cli.core.propagation.fused import why_not_fused
from sfc_cli.core.propagation.reference import long_memory_of
from sfc_cli.settings.propagation import PropagationSettings
from tests.core.propagation.made import exact_features

BACKENDS = ("reference", "windowed")


def _index_bank(context_frames: int, named: tuple[int, ...], target: int) -> list[int]:
    """The frames from any distance and those of the window, as the released code's table has them.

    Its frames lie behind ``context_frames`` copies of frame 0; a named frame n is its row
    n + 1 + context_frames, from that target on, and the first copy before.
    """
    bank = []
    for frame in named:
        behind = frame + context_frames + 1
        bank.append(behind if frame and target >= behind else 0)
    bank += range(target, target + context_frames)
    return [max(0, index - context_frames) for index in bank]


def _dense(features: Tensor, first: Tensor, settings: PropagationSettings) -> Tensor:
    """Propagate as the definition says; copies of frame 0 are frames like any other."""
    frames, _, height, width = features.shape
    named = (settings.long_memory,) if isinstance(settings.long_memory, int) else settings.long_memory
    cells = torch.stack(torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij"), -1).flatten(
        0, 1
    )
    labels = [first]
    for target in range(1, frames):
        context = _index_bank(settings.context_frames, named, target)
        affinity = torch.einsum("fcp,cq->qfp", features[context].flatten(2), features[target].flatten(1))
        far = torch.cdist(cells.double(), cells.double()) >= settings.radius
        affinity[:, len(named) :].masked_fill_(far[:, None], -1e10)
        best, index = affinity.flatten(1).topk(settings.top_k, dim=1)
        rows = torch.stack([labels[frame] for frame in context]).flatten(2).transpose(1, 2).flatten(0, 1)
        weights = torch.softmax(best / settings.temperature, 1)
        labels.append((weights[..., None] * rows[index]).sum(1).T.reshape(first.shape))
    return torch.stack(labels)


def _scene(frames: int, seed: int) -> tuple[Tensor, Tensor]:
    features = functional.normalize(exact_features(frames, 6, 5, 7, seed=seed), dim=1)
    first = torch.rand(3, 5, 7, generator=torch.Generator().manual_seed(seed))
    return features, first / first.sum(0)


@pytest.mark.parametrize(
    ("named", "target", "expected"),
    [((20,), 40, [0, 0]), ((20,), 41, [0, 21]), ((3, 20), 30, [0, 4, 0]), ((0,), 99, [0, 0])],
)
def test_long_memory_of__as_the_released_table(
    named: tuple[int, ...], target: int, expected: list[int]
) -> None:
    settings = PropagationSettings(long_memory=(0, *named))
    assert long_memory_of(target, settings) == expected
    assert _index_bank(20, (0, *named), target)[: 1 + len(named)] == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("context_frames", "long_memory", "top_k", "radius"),
    [
        (3, (0, 2), 6, 2.0),
        (2, (0, 1, 5), 9, 1.5),
        (4, (6, 0), 4, 3.0),
        (1, (0, 3, 3, 0), 5, 2.0),
        (3, (0, 50), 7, 2.0),
        (5, (0, 1), 20, 1.0),
        (0, 0, 5, 2.0),
    ],
)
def test_propagate_labels__votes_of_named_frames(
    backend: str, context_frames: int, long_memory: int | tuple[int, ...], top_k: int, radius: float
) -> None:
    features, first = _scene(14, seed=top_k)
    settings = PropagationSettings(
        top_k=top_k, radius=radius, temperature=0.1, context_frames=context_frames, long_memory=long_memory
    )
    found = propagate_labels(
        features,
        first,
        top_k=top_k,
        radius=radius,
        temperature=0.1,
        context_frames=context_frames,
        long_memory=long_memory,
        backend=backend,  # type: ignore[arg-type]
    )
    torch.testing.assert_close(found, _dense(features, first, settings), rtol=0, atol=1e-5)


def test_propagate_labels__without_a_window_frame_0_alone_votes() -> None:
    features, first = _scene(6, seed=1)
    whole = propagate_labels(features, first, context_frames=0, top_k=5)
    for t in range(1, 6):
        pair = propagate_labels(features[[0, t]], first, context_frames=0, top_k=5)
        torch.testing.assert_close(whole[t], pair[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("context_frames", [0, 2])
def test_label_propagator__patches_of_named_frames(context_frames: int) -> None:
    features, _ = _scene(10, seed=3)
    first = torch.rand(2, 20, 28, generator=torch.Generator().manual_seed(4))
    settings = PropagationSettings(
        top_k=4, radius=2.0, temperature=0.1, context_frames=context_frames, label_patch=4, long_memory=(0, 2)
    )
    found = [
        LabelPropagator(features[0], first / first.sum(0), settings, backend=backend).step(features[1:])  # type: ignore[arg-type]
        for backend in BACKENDS
    ]
    torch.testing.assert_close(found[1], found[0], rtol=0, atol=5e-3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (PropagationSettings(long_memory=(0, 2)), "long memory"),
        (PropagationSettings(context_frames=0), "window"),
    ],
)
def test_why_not_fused__what_the_kernels_lack(settings: PropagationSettings, said: str) -> None:
    assert said in str(why_not_fused(torch.zeros(4, 5, 6), settings))
