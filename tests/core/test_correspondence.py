from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from sfc_cli.core.correspondence import Correspondence, momentum_at
from sfc_cli.settings.pretraining import Recipe


@pytest.fixture
def model() -> Correspondence:
    torch.manual_seed(0)
    return Correspondence(hidden_channels=8, out_channels=4, last_layer="layer3")


def views() -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    boxes = torch.tensor([[0.1, 0.1, 0.8, 0.8], [0.2, 0.0, 0.9, 0.7]])
    return (torch.randn(2, 3, 32, 32), torch.randn(2, 3, 32, 32)), (boxes, boxes)


def test_momentum_at__rises_from_base_to_one() -> None:
    assert momentum_at(0, 10) == pytest.approx(0.99)
    assert momentum_at(5, 10, base=0.9) == pytest.approx(0.95)
    assert momentum_at(10, 10) == pytest.approx(1)


def test_correspondence__trains_the_online_branch_alone(model: Correspondence) -> None:
    pair, boxes = views()
    model(pair, boxes, momentum=0.9).backward()
    for name, parameter in model.named_parameters():
        assert (parameter.grad is not None) == (not name.startswith("target_")), name


def test_correspondence__starts_with_equal_branches_and_residual_blocks_at_zero() -> None:
    for architecture, last, blocks in (("resnet18", "bn2", 8), ("resnet50", "bn3", 16)):
        model = Correspondence(architecture, hidden_channels=4, out_channels=4)
        ends = [m for n, m in model.online_encoder.named_modules() if n.endswith(f".{last}")]
        assert len(ends) == blocks
        assert all(isinstance(end, nn.BatchNorm2d) and not end.weight.any() for end in ends)
        state = model.state_dict()
        for name in [name for name in state if name.startswith("target_")]:
            assert torch.equal(state[name], state[name.replace("target_", "online_")])


def test_follow__moves_parameters_and_leaves_statistics(model: Correspondence) -> None:
    with torch.no_grad():
        model.online_encoder.conv1.weight.fill_(1.0)
        model.target_encoder.conv1.weight.fill_(0.0)
        model.online_encoder.bn1.running_mean.fill_(5.0)
    model.follow(0.75)
    assert model.target_encoder.conv1.weight.unique().item() == pytest.approx(0.25)
    assert not model.target_encoder.bn1.running_mean.any()
    assert model.online_encoder.conv1.weight.unique().item() == 1.0


def test_correspondence__moves_the_target_once_and_only_when_told(model: Correspondence) -> None:
    pair, boxes = views()
    with torch.no_grad():
        model.online_encoder.conv1.weight.add_(1.0)
    before = model.target_encoder.conv1.weight.clone()
    model(pair, boxes, momentum=None)
    assert torch.equal(model.target_encoder.conv1.weight, before)
    model(pair, boxes, momentum=0.9)
    torch.testing.assert_close(model.target_encoder.conv1.weight, before + 0.1)


def test_correspondence__runs_the_target_after_its_step(model: Correspondence) -> None:
    pair, boxes = views()
    with torch.no_grad():
        model.target_encoder.conv1.weight.zero_()
        model.target_encoder.bn1.momentum = 1.0
    model(pair, boxes, momentum=0.0)
    # A target that still had its zero weights would have seen zeros only.
    assert model.target_encoder.bn1.running_mean.abs().max() > 0


def test_correspondence__keeps_the_statistics_of_the_views_apart(model: Correspondence) -> None:
    pair, boxes = views()
    model(pair, boxes, momentum=0.9)
    for trunk in (model.online_encoder, model.target_encoder):
        assert trunk.bn1.num_batches_tracked.item() == 2
    mean_of_view = nn.functional.conv2d(pair[0], model.online_encoder.conv1.weight, stride=2, padding=3).mean(
        (0, 2, 3)
    )
    fresh = Correspondence(hidden_channels=8, out_channels=4, last_layer="layer3")
    fresh.load_state_dict(model.state_dict())
    fresh.online_encoder.bn1.reset_running_stats()
    fresh.online_encoder.bn1.momentum = 1.0
    fresh.predict(pair[0])
    torch.testing.assert_close(fresh.online_encoder.bn1.running_mean, mean_of_view)


def test_correspondence__compares_unit_vectors(model: Correspondence) -> None:
    pair, boxes = views()
    for maps in (model.predict(pair[0]), model.project(pair[1])):
        assert maps.shape == (2, 4, 4, 4)
        torch.testing.assert_close(maps.norm(dim=1), torch.ones(2, 4, 4))
    assert not model.project(pair[0]).requires_grad
    assert -4 <= model(pair, boxes, momentum=0.99).item() <= 4


def test_correspondence__hvc_adds_a_term_that_its_flow_head_learns_from() -> None:
    def loss_of(recipe: Recipe) -> tuple[float, Correspondence]:
        torch.manual_seed(3)
        model = Correspondence(last_layer="layer3", hidden_channels=16, out_channels=8, recipe=recipe)
        views = torch.randn(2, 2, 3, 32, 32)
        boxes = torch.tensor([[0, 0, 1, 1.0], [0.1, 0.2, 0.9, 1]])
        loss = model((views[0], views[1]), (boxes, boxes), momentum=0.9, radius=0.1)
        loss.backward()
        return loss.item(), model

    loss, model = loss_of("hvc")
    assert -8 <= loss <= 8
    assert model.flow is not None
    assert model.flow.linear1.weight.grad.abs().sum() > 0
    assert model.predictor.linear3.weight.grad.abs().sum() > 0
    assert model.target_projector.linear1.weight.grad is None
    # Published checkpoints have no such tensors.
    assert not any("flow" in key or "linear3" in key for key in loss_of("sfc")[1].state_dict())
