from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sfc_cli.core import matching_loss as module
from sfc_cli.core.matching_loss import matching_loss, mutual_loss, positive_pairs


def loss_cell_by_cell(
    query: Tensor, key: Tensor, query_boxes: Tensor, key_boxes: Tensor, radius: float
) -> Tensor:
    """The definition, one pair of cells at a time, in double precision."""
    B, _, h, w = query.shape
    losses = []
    for b in range(B):
        sizes, corners = [], []
        for box in (query_boxes[b].tolist(), key_boxes[b].tolist()):
            sizes.append(((box[2] - box[0]) / w, (box[3] - box[1]) / h))
            corners.append((box[0], box[1]))
        diagonal = max(math.hypot(*size) for size in sizes)
        total, count = torch.zeros((), dtype=torch.float64), 0
        for i in range(h * w):
            for j in range(h * w):
                (ax, ay), (bx, by) = (
                    (corner[0] + (cell % w + 0.5) * size[0], corner[1] + (cell // w + 0.5) * size[1])
                    for cell, size, corner in zip((i, j), sizes, corners, strict=True)
                )
                if math.hypot(ax - bx, ay - by) / diagonal < radius:
                    total = total + query[b, :, i // w, i % w].double() @ key[b, :, j // w, j % w].double()
                    count += 1
        losses.append(-2 * total / (count + 1e-6))
    return torch.stack(losses).mean()


def draw(seed: int, shape: tuple[int, int, int, int]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    unit = [torch.nn.functional.normalize(torch.randn(shape, generator=generator), dim=1) for _ in range(2)]
    corners = torch.rand(2, shape[0], 2, generator=generator) * 0.6
    boxes = torch.cat(
        [corners, corners + 0.05 + 0.35 * torch.rand(2, shape[0], 2, generator=generator)], dim=2
    )
    return unit[0], unit[1], boxes[0], boxes[1]


@given(
    seed=st.integers(0, 10_000),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    radius=st.sampled_from([0.1, 0.3, 0.5, 0.9, 2.0]),
)
@settings(max_examples=30, deadline=None)
def test_matching_loss__equals_the_definition(
    seed: int, shape: tuple[int, int, int, int], radius: float
) -> None:
    arguments = draw(seed, shape)
    arguments[0].requires_grad_(True)
    ours = matching_loss(*arguments, radius)
    expected = loss_cell_by_cell(*arguments, radius)
    assert ours.item() == pytest.approx(expected.item(), abs=1e-5)
    (ours_gradient,) = torch.autograd.grad(ours, arguments[0])
    (expected_gradient,) = (
        torch.autograd.grad(expected, arguments[0]) if expected.requires_grad else (torch.zeros(shape),)
    )
    torch.testing.assert_close(ours_gradient, expected_gradient, atol=1e-5, rtol=0)


def test_matching_loss__is_minus_two_for_equal_views() -> None:
    query, _, boxes, _ = draw(0, (2, 8, 4, 4))
    # So short a reach leaves the pairs i = j alone.
    assert matching_loss(query, query, boxes, boxes, 0.1).item() == pytest.approx(-2, abs=1e-5)


def test_matching_loss__is_zero_where_views_share_nothing() -> None:
    query, key, *_ = draw(0, (1, 8, 4, 4))
    left, right = torch.tensor([[0.0, 0.0, 0.2, 0.2]]), torch.tensor([[0.7, 0.7, 0.9, 0.9]])
    assert matching_loss(query, key, left, right).item() == 0


def test_matching_loss__is_a_mean_over_samples_not_over_pairs() -> None:
    query, _, boxes, _ = draw(1, (2, 4, 3, 3))
    apart = torch.tensor([boxes[0].tolist(), [0.9, 0.9, 0.99, 0.99]])
    boxes = torch.tensor([boxes[0].tolist(), [0.0, 0.0, 0.1, 0.1]])
    assert matching_loss(query, query, boxes, apart, 0.1).item() == pytest.approx(-1, abs=1e-5)


def test_matching_loss__does_not_depend_on_slicing(monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = draw(2, (5, 4, 4, 6))
    whole = matching_loss(*arguments)
    monkeypatch.setattr(module, "MASK_BYTES", 1)
    assert matching_loss(*arguments).item() == pytest.approx(whole.item(), abs=1e-6)


def test_matching_loss__gives_the_key_no_gradient() -> None:
    query, key, *boxes = draw(3, (2, 4, 4, 4))
    query.requires_grad_(True)
    key.requires_grad_(True)
    matching_loss(query, key, *boxes).backward()
    assert key.grad is None
    assert query.grad is not None


def test_matching_loss__keeps_no_pairs_for_the_backward_pass() -> None:
    arguments = draw(4, (4, 8, 16, 16))
    arguments[0].requires_grad_(True)
    kept: list[int] = []
    with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
        matching_loss(*arguments)
    assert kept
    assert max(kept) <= arguments[0].numel()


def test_positive_pairs__is_strict_at_the_radius() -> None:
    # One cell a view, a quarter of the image apart; both diagonals are 0.5 · √2.
    one, other = torch.tensor([[0.0, 0.0, 0.5, 0.5]]), torch.tensor([[0.25, 0.0, 0.75, 0.5]])
    distance = 0.25 / math.hypot(0.5, 0.5)
    assert not positive_pairs(one, other, (1, 1), distance - 1e-6).item()
    assert positive_pairs(one, other, (1, 1), distance + 1e-6).item()
    exact_one, exact_other = torch.tensor([[0.0, 0.0, 3.0, 4.0]]), torch.tensor([[2.5, 0.0, 5.5, 4.0]])
    assert not positive_pairs(exact_one, exact_other, (1, 1), 0.5).item()


def test_positive_pairs__has_rows_for_the_query() -> None:
    whole, corner = torch.tensor([[0.0, 0.0, 1.0, 1.0]]), torch.tensor([[0.0, 0.0, 0.25, 0.25]])
    mask = positive_pairs(whole, corner, (4, 4), 0.5)[0]
    assert mask[0].all()  # the first query cell covers the whole key view
    assert not mask[10:].any()


def test_mutual_loss__has_the_gradients_of_the_whole_affinity() -> None:
    torch.manual_seed(0)
    query, key = (
        torch.nn.functional.normalize(torch.randn(2, 2, 4, 4), dim=1).requires_grad_() for _ in range(2)
    )
    boxes = (
        torch.tensor([[0, 0, 1, 1.0], [0.1, 0.2, 0.9, 1]]),
        torch.tensor([[0.1, 0, 0.8, 1.0], [0, 0.1, 0.9, 0.7]]),
    )
    loss = mutual_loss(query, key, *boxes, radius=0.5)
    mask = positive_pairs(*boxes, (4, 4), 0.5).float()
    affinity = torch.einsum("bci,bcj->bij", query.flatten(2), key.flatten(2))
    expected = -2 * ((affinity * mask).sum((1, 2)) / (mask.sum((1, 2)) + 1e-6)).mean()
    torch.testing.assert_close(loss, expected)
    for found, wanted in zip(
        torch.autograd.grad(loss, (query, key)), torch.autograd.grad(expected, (query, key)), strict=True
    ):
        torch.testing.assert_close(found, wanted)
