"""The fused backend on a GPU, at the sizes of 480p, against the oracle on the same GPU."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation.fused import FusedMatcher, Precision, why_not_fused
from sfc_cli.settings.propagation import PropagationSettings
from tests.core.propagation.made import mixed, oracle_labels

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device"),
    pytest.mark.skipif(importlib.util.find_spec("triton") is None, reason="Triton is not installed"),
]

CASES = [
    pytest.param((28, 256, 60, 107), 20, 12.0, 10, id="480p-one-network"),
    pytest.param((25, 1280, 60, 107), 20, 15.0, 15, id="480p-both-networks"),
    pytest.param((8, 1024, 60, 107), 4, 12.0, 10, id="480p-semantic"),
    pytest.param((30, 256, 31, 55), 25, 7.5, 32, id="odd-size-most-votes"),
    pytest.param((6, 2048, 23, 41), 3, 5.0, 32, id="most-channels-most-votes"),
    pytest.param((9, 8, 13, 9), 3, 3.0, 5, id="fewest-channels"),
    pytest.param((7, 300, 1, 200), 4, 9.0, 10, id="one-row"),
    pytest.param((7, 64, 150, 1), 4, 0.5, 10, id="one-column-tiny-radius"),
    pytest.param((6, 96, 17, 19), 3, 1e6, 10, id="radius-beyond-the-map"),
    pytest.param((5, 16, 3, 3), 25, 1.0, 30, id="fewer-cells-than-votes"),
]


def smooth_features(frames: int, channels: int, height: int, width: int) -> Tensor:
    """Return unit features [T, C, h, w] of a drifting map, near-ties between frames and cells included."""
    generator = torch.Generator("cuda").manual_seed(0)

    def noise(*shape: int) -> Tensor:
        return torch.randn(*shape, device="cuda", generator=generator)

    coarse = noise(1, channels, height // 4 + 2, width // 4 + 2)
    still = functional.interpolate(coarse, (height, width), mode="bilinear")
    features = [still + 0.3 * noise(1, channels, height, width) for _ in range(frames)]
    return functional.normalize(torch.cat(features) + 0.5, dim=1)


@pytest.mark.parametrize("precision", ["exact", "fast"])
@pytest.mark.parametrize(("shape", "context_frames", "radius", "top_k"), CASES)
def test_advance__mixes_as_the_oracle(
    shape: tuple[int, int, int, int],
    context_frames: int,
    radius: float,
    top_k: int,
    precision: Precision,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = PropagationSettings(top_k=top_k, radius=radius, context_frames=context_frames)
    features = smooth_features(*shape)
    assert why_not_fused(features[0], settings) is None
    cells = shape[2] * shape[3]
    memory = torch.rand((1 + context_frames) * cells, 4, device="cuda")
    allocate = torch.empty

    def poisoned(*args: object, **options: object) -> Tensor:
        tensor: Tensor = allocate(*args, **options)  # type: ignore[call-overload]
        return tensor.fill_(float("nan")) if tensor.is_floating_point() else tensor.fill_(-(2**30))

    with monkeypatch.context() as patch:
        patch.setattr(torch, "empty", poisoned)
        votes = FusedMatcher(features[0], settings, precision).advance(features[1:])
    assert votes.sources.min() >= 0
    assert votes.sources.max() < len(memory)
    labels = mixed(*votes, memory)  # [T−1, N, K]

    for frame, found in enumerate(labels, 1):
        error = (found - oracle_labels(features, frame, memory, settings)).abs().amax(1)  # [N]
        if precision == "exact":
            # Two float32 sums of the same products may disagree on which of two near-ties is the last vote.
            assert (error > 1e-4).double().mean() < 2e-3
            assert error.median() < 1e-5
        else:
            assert error.mean() < 5e-3


@pytest.mark.parametrize(("shape", "context_frames", "radius", "top_k"), CASES)
def test_advance__the_same_labels_from_boxes_and_from_lists(
    shape: tuple[int, int, int, int], context_frames: int, radius: float, top_k: int
) -> None:
    if torch.cuda.get_device_capability() < (9, 0):
        pytest.skip("the card has no tensor descriptors")
    settings = PropagationSettings(top_k=top_k, radius=radius, context_frames=context_frames)
    features = smooth_features(*shape)
    listed = FusedMatcher(features[0], settings)
    queries = listed.blocks.tile_height * listed.blocks.tile_width
    if listed.blocks.keys != queries:
        pytest.skip("boxes would not fit into the registers")
    boxed = FusedMatcher(features[0], settings, blocks=replace(listed.blocks, boxes=True))
    memory = torch.rand((1 + context_frames) * shape[2] * shape[3], 4, device="cuda")
    expected, found = (mixed(*matcher.advance(features[1:]), memory) for matcher in (listed, boxed))
    assert ((found - expected).abs().amax(2) > 1e-4).double().mean() < 2e-3


def test_advance__any_number_of_frames_at_once() -> None:
    settings = PropagationSettings(top_k=10, radius=12, context_frames=20)
    features = smooth_features(34, 256, 60, 107)
    together = FusedMatcher(features[0], settings).advance(features[1:])
    matcher = FusedMatcher(features[0], settings)
    for number, frame in enumerate(features[1:]):
        alone = matcher.advance(frame[None])
        torch.testing.assert_close(alone.weights[0], together.weights[number], rtol=0, atol=0)
        torch.testing.assert_close(alone.sources[0], together.sources[number], rtol=0, atol=0)


def test_fused_matcher__memory_at_480p_is_bounded() -> None:
    settings = PropagationSettings(top_k=15, radius=15, temperature=0.1, context_frames=20)
    frame = functional.normalize(torch.randn(1280, 60, 107, device="cuda"), dim=0)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    matcher = FusedMatcher(frame, settings)
    for _ in range(4):
        matcher.advance(frame.expand(matcher.frames_at_once, -1, -1, -1))
    assert torch.cuda.max_memory_allocated() - before < 3e9
