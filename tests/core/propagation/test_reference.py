"""The oracle against the method written out cell by cell in plain Python."""

import math

import numpy as np
import pytest
import torch

from sfc_cli.core.propagation import propagate_labels
from sfc_cli.core.propagation.reference import ReferenceMatcher
from sfc_cli.settings.propagation import PropagationSettings
from tests.core.propagation.made import exact_features


def _plain(
    features: np.ndarray, first: np.ndarray, top_k: int, radius: float, temperature: float, context: int
) -> np.ndarray:
    frames, _, height, width = features.shape
    cells = [(y, x) for y in range(height) for x in range(width)]
    soft = [first]
    for t in range(1, frames):
        labels = np.zeros_like(first)
        voters = [(0, False)] + [(max(0, t - context + i), True) for i in range(context)]
        for qy, qx in cells:
            votes = [
                (float(features[t, :, qy, qx] @ features[f, :, py, px]), f, py, px)
                for f, windowed in voters
                for py, px in cells
                if not windowed or math.hypot(py - qy, px - qx) < radius
            ]
            best = sorted(votes, key=lambda vote: -vote[0])[:top_k]
            strengths = np.exp([(vote[0] - best[0][0]) / temperature for vote in best])
            for strength, (_, f, py, px) in zip(strengths / strengths.sum(), best, strict=True):
                labels[:, qy, qx] += strength * soft[f][:, py, px]
        soft.append(labels)
    return np.stack(soft)


@pytest.mark.parametrize(
    ("size", "frames", "top_k", "radius", "context"),
    [
        ((4, 5), 6, 5, 2.0, 3),
        ((1, 9), 5, 3, 3.5, 2),
        ((6, 2), 7, 12, 1.0, 4),
        ((3, 3), 4, 20, 9.0, 5),
        ((2, 2), 5, 2, 0.5, 1),
    ],
)
def test_reference__equals_plain_python(
    size: tuple[int, int], frames: int, top_k: int, radius: float, context: int
) -> None:
    features = exact_features(frames, 6, *size, seed=3)
    first = torch.rand(3, *size, generator=torch.Generator().manual_seed(4))
    first[0] = 0
    soft = propagate_labels(
        features,
        first,
        top_k=top_k,
        radius=radius,
        temperature=0.3,
        context_frames=context,
        backend="reference",
    )
    expected = _plain(features.numpy(), first.numpy(), top_k, radius, 0.3, context)
    np.testing.assert_allclose(soft.numpy(), expected, rtol=0, atol=1e-5)


def test_reference__copies_of_frame_0_take_places() -> None:
    # One cell, so that all candidates of target 1 are copies of frame 0 and of equal affinity: with k = 3
    # of 4 copies the votes still all come from frame 0.
    settings = PropagationSettings(top_k=3, radius=2.0, context_frames=3)
    matcher = ReferenceMatcher(torch.ones(1, 1, 1), settings)
    weights, sources = matcher.advance(torch.ones(1, 1, 1, 1))
    assert sources.tolist() == [[[0, 0, 0]]]
    torch.testing.assert_close(weights, torch.full((1, 1, 3), 1 / 3))


def test_reference__forgets_what_left_the_window() -> None:
    settings = PropagationSettings(top_k=2, radius=2.0, context_frames=4)
    frames = exact_features(30, 4, 3, 3, seed=0)
    matcher = ReferenceMatcher(frames[0], settings)
    for frame in frames[1:]:
        matcher.advance(frame[None])
        assert len(matcher._features) <= 1 + settings.context_frames
