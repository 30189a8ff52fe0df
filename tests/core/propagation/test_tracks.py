import pytest
import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation import propagate_labels
from sfc_cli.core.propagation.tracks import Tracks, blend, repaint
from sfc_cli.settings.propagation import PropagationSettings

SETTINGS = PropagationSettings(top_k=4, radius=3.0, temperature=0.1, context_frames=3)
OPTIONS = {"top_k": 4, "radius": 3.0, "temperature": 0.1, "context_frames": 3}
HEIGHT, WIDTH = 6, 9


def _features(frames: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return functional.normalize(torch.randn(frames, 16, HEIGHT, WIDTH, generator=generator), dim=1)


def _one_hot(*boxes: tuple[slice, slice]) -> Tensor:
    labels = torch.zeros(1 + len(boxes), HEIGHT, WIDTH)
    for plane, box in enumerate(boxes, 1):
        labels[(plane, *box)] = 1
    labels[0] = 1 - labels[1:].sum(0)
    return labels


LEFT, RIGHT = (slice(0, 4), slice(0, 3)), (slice(2, 6), slice(5, 9))


def test_step__one_anchor_with_all_objects_is_plain_propagation() -> None:
    features, first = _features(7), _one_hot(LEFT, RIGHT)
    tracks = Tracks(3, SETTINGS)
    assert tracks.is_empty
    tracks.paint(features[0], [1, 2], first)
    found = torch.cat([tracks.combine(tracks.step(part)) for part in (features[1:4], features[4:])])
    assert torch.equal(found, propagate_labels(features, first, **OPTIONS)[1:])  # type: ignore[arg-type]


def test_step__objects_keep_their_planes_in_whatever_order_they_are_painted() -> None:
    features, first = _features(4), _one_hot(LEFT, RIGHT)
    tracks = Tracks(3, SETTINGS)
    tracks.paint(features[0], [2, 1], first[[0, 2, 1]])
    torch.testing.assert_close(
        tracks.combine(tracks.step(features[1:])), propagate_labels(features, first, **OPTIONS)[1:]
    )  # type: ignore[arg-type]


def test_step__an_object_that_enters_later_follows_from_its_own_frame() -> None:
    features = _features(8)
    tracks = Tracks(3, SETTINGS)
    tracks.paint(features[0], [1], _one_hot(LEFT))
    before = tracks.combine(tracks.step(features[1:4]))
    assert not before[:, 2].any(), "nobody has painted the second object yet"
    assert torch.allclose(before.sum(1), torch.ones(()), atol=1e-6)
    tracks.paint(features[3], [2], _one_hot(RIGHT))
    found = tracks.combine(tracks.step(features[4:]))
    first = propagate_labels(features, _one_hot(LEFT), **OPTIONS)[4:]  # type: ignore[arg-type]
    second = propagate_labels(features[3:], _one_hot(RIGHT), **OPTIONS)[1:]  # type: ignore[arg-type]
    whole = torch.stack([first[:, 0] * second[:, 0], first[:, 1], second[:, 1]], dim=1)
    torch.testing.assert_close(found, whole / whole.sum(1, keepdim=True))


def test_paint__a_correction_of_everything_starts_again() -> None:
    features = _features(8)
    tracks = Tracks(2, SETTINGS)
    tracks.paint(features[0], [1], _one_hot(LEFT))
    tracks.combine(tracks.step(features[1:5]))
    tracks.paint(features[4], [1], _one_hot(RIGHT))
    again = propagate_labels(features[4:], _one_hot(RIGHT), **OPTIONS)[1:]  # type: ignore[arg-type]
    assert torch.equal(tracks.combine(tracks.step(features[5:])), again)


def test_paint__one_corrected_object_leaves_the_other_to_its_mask() -> None:
    features = _features(6)
    tracks = Tracks(3, SETTINGS)
    tracks.paint(features[0], [1, 2], _one_hot(LEFT, RIGHT))
    tracks.combine(tracks.step(features[1:3]))
    tracks.paint(features[2], [2], _one_hot(LEFT))
    found = tracks.combine(tracks.step(features[3:]))
    both = propagate_labels(features, _one_hot(LEFT, RIGHT), **OPTIONS)[3:]  # type: ignore[arg-type]
    corrected = propagate_labels(features[2:], _one_hot(LEFT), **OPTIONS)[1:]  # type: ignore[arg-type]
    whole = torch.stack([(1 - both[:, 1]) * corrected[:, 0], both[:, 1], corrected[:, 1]], dim=1)
    torch.testing.assert_close(found, whole / whole.sum(1, keepdim=True))


def test_repaint__painted_objects_are_as_painted_and_the_others_give_way() -> None:
    arrived = torch.tensor([0.1, 0.6, 0.3])[:, None, None].expand(3, 1, 2)
    painted = torch.tensor([[[0.0, 1.0]], [[1.0, 0.0]]])
    found = repaint(arrived, [2], painted)
    torch.testing.assert_close(found[:, 0, 0], torch.tensor([0.0, 0.0, 1.0]))
    # Where the painter left it out, the old label of the object is gone; the other one stays.
    torch.testing.assert_close(found[:, 0, 1], torch.tensor([0.4, 0.6, 0.0]))
    assert arrived[2, 0, 1] == pytest.approx(0.3), "the argument stays as it was"


def test_blend__weights_act_object_by_object() -> None:
    forward = torch.tensor([0.2, 0.8, 0.0])[:, None, None]
    backward = torch.tensor([0.0, 0.4, 0.6])[:, None, None]
    found = blend(forward, backward, torch.tensor([0.75, 0.0]))
    objects = torch.tensor([0.75 * 0.8 + 0.25 * 0.4, 0.6])
    torch.testing.assert_close(found[1:, 0, 0], objects / objects.sum())
    assert found[0].item() == 0
    torch.testing.assert_close(blend(forward, backward, torch.ones(2)), forward)
    torch.testing.assert_close(blend(forward, backward, torch.zeros(2)), backward)
