"""The oracle against the method written out cell by cell in plain Python."""

import math

import numpy as np
import pytest
import torch

from sfc_cli.core.propagation import propagate_labels
from sfc_cli.core.propagation.reference import propagate_frame
from sfc_cli.settings.propagation import PropagationSettings
from tests.core.propagation.made import exact_features, oracle_labels


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


def test_reference__copies_of_frame_0_count() -> None:
    # One cell with k = 3: frame 0 and two copies of it have the three largest affinities, and frame 1,
    # though it is in the window, has none of the votes.
    settings = PropagationSettings(top_k=3, radius=2.0, context_frames=3)
    features = torch.tensor([1.0, 0.5, 1.0])[:, None, None, None]
    memory = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    assert oracle_labels(features, 2, memory, settings).tolist() == [[1.0, 0.0]]


def test_propagate_frame__radius_binds_the_window_alone() -> None:
    # The query's look-alike is three cells away in every frame; only frame 0's votes from there.
    settings = PropagationSettings(top_k=1, radius=2.0, context_frames=1)
    context = torch.tensor([[0.1, 0.0, 0.0, 0.9], [0.5, 0.0, 0.0, 1.0]])[:, None, None]  # [2, 1, 1, 4]
    labels = torch.eye(8).view(8, 2, 1, 4).transpose(0, 1)  # [2, 8, 1, 4], a plane for each cell
    soft = propagate_frame(torch.ones(1, 1, 4), context, labels, settings)  # [8, 1, 4]
    assert soft.argmax(0).tolist() == [[3, 3, 7, 7]]
