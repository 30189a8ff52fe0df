from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.errors import UsageError
from sfc_cli.training.loop import Training
from sfc_cli.training.schedule import learning_rate_at


def test_learning_rate_at__rises_and_falls(small: Callable) -> None:
    constant = small(learning_rate=0.1)
    assert [learning_rate_at(step, 10, constant) for step in range(10)] == [0.1] * 10
    warm = small(learning_rate=0.1, warmup=4)
    assert [learning_rate_at(step, 10, warm) for step in range(6)] == pytest.approx(
        [0.025, 0.05, 0.075, 0.1, 0.1, 0.1]
    )
    cosine = small(learning_rate=0.1, warmup=2, schedule="cosine")
    rates = [learning_rate_at(step, 10, cosine) for step in range(11)]
    assert rates[:3] == pytest.approx([0.05, 0.1, 0.1])
    assert rates[6] == pytest.approx(0.05)
    assert rates[10] == pytest.approx(0)
    assert rates[2:] == sorted(rates[2:], reverse=True)


def test_settings__refuse_what_no_schedule_can_be(small: Callable) -> None:
    for wrong in (
        {"schedule": "step"},
        {"warmup": -1},
        {"weight_decay": -0.1},
        {"min_crop_area": 0.5, "max_crop_area": 0.4},
        {"max_crop_area": 1.5},
        {"save_minutes": 0},
        {"recipe": "dino"},
    ):
        with pytest.raises(UsageError):
            small(**wrong)


def test_run__follows_the_schedule_over_a_resume(index: FrameIndex, tmp_path: Path, small: Callable) -> None:
    fields = {"schedule": "cosine", "warmup": 3, "weight_decay": 0.05, "max_crop_area": 0.8}
    cpu = torch.device("cpu")

    def weights(name: str, *bounds: int | None) -> torch.Tensor:
        (tmp_path / name).mkdir()
        for bound in bounds:
            training = Training(small(**fields, steps=bound), index, tmp_path / name, device=cpu, resume=True)
            training.run()
        assert training.stepper.optimizer.param_groups[0]["lr"] == learning_rate_at(7, 8, training.settings)
        return training.stepper.model.predictor.linear1.weight

    assert torch.equal(weights("whole", None), weights("parts", 2, None))


def test_make_optimizer__lets_convolutions_alone_decay(small: Callable) -> None:
    from sfc_cli.training.stepping import build_model, make_optimizer

    model = build_model(small())
    groups = make_optimizer(model, small(weight_decay=0.1)).param_groups
    assert [group["weight_decay"] for group in groups] == [0.1, 0.0]
    assert {one.ndim for one in groups[0]["params"]} == {4}
    assert {one.ndim for one in groups[1]["params"]} == {1}
    assert len(make_optimizer(model, small()).param_groups) == 1
