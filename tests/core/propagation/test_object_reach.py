"""Objects stay within reach of where they were, by every backend; what they cannot reach is not matched."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation import LabelPropagator
from sfc_cli.core.propagation.object_reach import ObjectReach
from sfc_cli.core.propagation.windowed import WindowedMatcher
from sfc_cli.settings.propagation import Backend, PropagationSettings

HEIGHT, WIDTH = 20, 40
SETTINGS = PropagationSettings(top_k=1, radius=3.0, context_frames=4, object_reach=3.0)


def _labels(*objects: Tensor) -> Tensor:
    planes = torch.stack([one.float() for one in objects])
    return torch.cat([1 - planes.sum(0, keepdim=True), planes])


def _square(y: int, x: int) -> Tensor:
    shown = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    shown[y : y + 2, x : x + 2] = True
    return shown


def _nearer(shown: Tensor, reach: float) -> Tensor:
    """Return which cells are nearer than a distance to a shown one, pair by pair."""
    cells = torch.stack(torch.meshgrid(torch.arange(HEIGHT), torch.arange(WIDTH), indexing="ij"), -1).float()
    return (torch.cdist(cells.view(-1, 2), cells[shown]) < reach).any(1)


def test_cells__are_nearer_than_the_reach() -> None:
    shown = torch.rand(HEIGHT, WIDTH, generator=torch.Generator().manual_seed(0)) > 0.99
    reach = ObjectReach(_labels(shown), 1, replace(SETTINGS, object_reach=4.5))
    assert shown.any()
    assert torch.equal(reach.cells()[0], _nearer(shown, 4.5))


def test_cells__grow_while_an_object_is_hidden_until_the_window_forgets_it() -> None:
    shown, hidden = _square(5, 5), torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    reach = ObjectReach(_labels(shown, _square(12, 30)), 1, SETTINGS)
    for frames in range(1, SETTINGS.context_frames):
        reach.follow(_labels(hidden, _square(12, 30)))
        assert torch.equal(reach.cells()[0], _nearer(shown, 3.0 * (1 + frames) ** 2))
        assert torch.equal(reach.cells()[1], _nearer(_square(12, 30), 3.0))
    reach.follow(_labels(hidden, _square(12, 30)))
    assert reach.cells()[0].all()
    reach.follow(_labels(_square(2, 2), hidden))
    assert torch.equal(reach.cells()[0], _nearer(_square(2, 2), 3.0))


def test_cells__of_an_object_that_no_cell_shows_are_all() -> None:
    reach = ObjectReach(_labels(0.4 * _square(5, 5)), 1, SETTINGS)
    assert reach.cells().all()


def test_keep__gives_the_rest_to_the_background() -> None:
    reach = ObjectReach(_labels(_square(5, 5), _square(5, 8)), 1, SETTINGS)
    labels = torch.rand(3, HEIGHT * WIDTH, generator=torch.Generator().manual_seed(0))
    labels /= labels.sum(0)
    cells = reach.cells()
    background, *objects = reach.keep(labels.T, cells).T
    for kept, one, near in zip(objects, labels[1:], cells, strict=True):
        assert torch.equal(kept, one * near)
    torch.testing.assert_close(background, 1 - sum(objects))
    assert (background[~cells.any(0)] == 1).all()


def _video(moves: int) -> tuple[Tensor, Tensor]:
    """Return the features of a square that moves right, and of its double far away, and the first labels."""
    generator = torch.Generator().manual_seed(0)
    ground, patch = (
        torch.randn(24, HEIGHT, WIDTH, generator=generator),
        torch.randn(24, 2, 2, generator=generator),
    )
    frames = []
    for number in range(7):
        frame = ground + 0.05 * torch.randn(ground.shape, generator=generator)
        left = 4 + moves * number
        frame[:, 8:10, left : left + 2] = patch
        if number:
            frame[:, 8:10, 36:38] = patch
        frames.append(frame)
    return functional.normalize(torch.stack(frames), dim=1), _labels(_square(8, 4))


@pytest.mark.parametrize("backend", ["reference", "windowed"])
@pytest.mark.parametrize("patch", [1, 4])
def test_step__a_double_beyond_reach_is_not_the_object(backend: Backend, patch: int) -> None:
    features, first = _video(1)
    first = functional.interpolate(first[None], scale_factor=patch)[0]
    there = [
        functional.interpolate(_square(8, x)[None, None].float(), scale_factor=patch)[0, 0] for x in (7, 36)
    ]

    def labels(settings: PropagationSettings) -> Tensor:
        return LabelPropagator(features[0], first, settings, backend=backend).step(features[1:])[:, 1]

    anywhere, near = labels(replace(SETTINGS, object_reach=0.0)), labels(SETTINGS)
    assert (anywhere[2] * there[1]).sum() > 2 * patch**2
    assert (near[2] * there[1]).sum() == 0
    assert (near[2] * there[0]).sum() > 2 * patch**2


def test_step__backends_agree_and_batches_make_no_difference() -> None:
    features, first = _video(1)
    settings = replace(SETTINGS, top_k=5)
    expected = LabelPropagator(features[0], first, settings, backend="reference").step(features[1:])
    propagator = LabelPropagator(features[0], first, settings, backend="windowed")
    torch.testing.assert_close(propagator.step(features[1:]), expected)
    propagator = LabelPropagator(features[0], first, settings, backend="windowed")
    found = torch.cat([propagator.step(part) for part in features[1:].split([1, 3, 2])])
    torch.testing.assert_close(found, expected)


def test_step__follows_what_moves_farther_than_the_reach_after_a_frame() -> None:
    features, first = _video(5)
    labels = LabelPropagator(features[0], first, SETTINGS, backend="windowed").step(features[1:])[:, 1]
    assert labels[0].sum() == 0
    assert (labels[1] * _square(8, 14)).sum() == 4


def test_remember__the_reach_is_that_of_an_unbroken_run() -> None:
    features, first = _video(1)
    whole = LabelPropagator(features[0], first, SETTINGS, backend="windowed")
    labels = whole.step(features[1:])
    again = LabelPropagator(features[0], first, SETTINGS, backend="windowed", skipped=1)
    for number in range(1, 5):
        again.remember(features[1 + number], labels[number])
    torch.testing.assert_close(again.step(features[6:]), labels[5:])


def test_advance__matches_only_tiles_with_wanted_cells() -> None:
    features, _ = _video(1)
    wanted = torch.zeros(HEIGHT, WIDTH, dtype=torch.bool)
    wanted[3, 2] = True
    whole, some = (WindowedMatcher(features[0], SETTINGS) for _ in range(2))
    expected, found = whole.advance(features[1:2]), some.advance(features[1:2], wanted.flatten())
    assert found.weights.sum() < expected.weights.sum()
    for votes in (expected, found):
        votes.weights.squeeze_(0)
        votes.sources.squeeze_(0)
    at = 3 * WIDTH + 2
    assert torch.equal(found.weights[at], expected.weights[at])
    assert torch.equal(found.sources[at], expected.sources[at])
