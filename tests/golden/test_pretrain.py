"""The published loss, momentum, boxes and first training steps."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch import Tensor

from sfc_cli.core.correspondence import Correspondence, momentum_at
from sfc_cli.core.matching_loss import matching_loss
from sfc_cli.data.views import CropBox, normalise
from tests.conftest import Golden


def test_matching_loss__equals_the_published_values_and_gradients(golden: Golden) -> None:
    cases = np.load(golden / "pretrain/loss.npz")
    numbers = sorted({name.split("_")[0] for name in cases.files})
    assert len(numbers) >= 4
    for number in numbers:
        query, key, query_box, key_box = (
            torch.from_numpy(cases[f"{number}_{name}"]) for name in ("query", "key", "query_box", "key_box")
        )
        query.requires_grad_(True)
        loss = matching_loss(query, key, query_box, key_box, radius=float(cases[f"{number}_radius"]))
        loss.backward()
        assert loss.item() == pytest.approx(float(cases[f"{number}_loss"]), abs=1e-5)
        np.testing.assert_allclose(query.grad, cases[f"{number}_query_grad"], atol=1e-5, rtol=0)


def test_momentum_at__equals_the_published_schedule(golden: Golden) -> None:
    expected = json.loads((golden / "pretrain/schedule_and_boxes.json").read_text())
    total, base = expected["total_steps"], expected["base_momentum"]
    momenta = [momentum_at(step, total, base) for step in range(total)]
    assert momenta == pytest.approx(expected["momentum"], abs=1e-6)


def test_crop_box__equals_the_published_boxes(golden: Golden) -> None:
    crops = json.loads((golden / "pretrain/schedule_and_boxes.json").read_text())["crops"]
    assert crops
    for crop in crops:
        width, height = crop["image"]
        box = CropBox(left=crop["left"], top=crop["top"], width=crop["width"], height=crop["height"])
        assert box.in_image((width, height)) == pytest.approx(crop["box"], abs=1e-6)


def test_correspondence__takes_the_four_published_steps(golden: Golden) -> None:
    """In float64: Adam's first steps follow a gradient's sign, hardly its size, so the last digit of float32,
    which differs from processor to processor, grows to 3 % of a deviation within these four steps."""
    model, losses = _take_steps(golden, 4, torch.float64)
    expected = json.loads((golden / "pretrain/steps.json").read_text())
    assert losses[0] == pytest.approx(expected["losses"][0], abs=1e-4)
    assert losses[1:] == pytest.approx(expected["losses"][1:], abs=0.02)
    state = model.state_dict()
    for name, numbers in expected["final"].items():
        assert state[name].std().item() == pytest.approx(numbers["std"], rel=0.01), name
        assert state[name].mean().item() == pytest.approx(numbers["mean"], abs=0.01 * numbers["std"]), name


def test_correspondence__takes_the_first_published_step_in_float32(golden: Golden) -> None:
    _, losses = _take_steps(golden, 2, torch.float32)
    expected = json.loads((golden / "pretrain/steps.json").read_text())
    assert losses[0] == pytest.approx(expected["losses"][0], abs=1e-4)
    assert losses[1] == pytest.approx(expected["losses"][1], abs=0.02)


def _take_steps(golden: Golden, steps: int, dtype: torch.dtype) -> tuple[Correspondence, list[float]]:
    stored = torch.load(golden / "pretrain/initial_state_fp16.pth", weights_only=True)
    batches = np.load(golden / "pretrain/steps.npz")
    model = Correspondence("resnet18", hidden_channels=64, out_channels=32)
    _start_from(model, {key: value.float() for key, value in stored.items()})
    model.to(dtype)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3)
    losses = []
    for step in range(steps):
        views = [
            normalise(torch.from_numpy(batches[f"{step}_view{i}"]).permute(0, 3, 1, 2).contiguous()).to(dtype)
            for i in (1, 2)
        ]
        boxes = [torch.from_numpy(batches[f"{step}_box{i}"]).to(dtype) for i in (1, 2)]
        loss = model((views[0], views[1]), (boxes[0], boxes[1]), momentum=momentum_at(step, 4, 0.99))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return model, losses


def _start_from(model: Correspondence, online: dict[str, Tensor]) -> None:
    target = {
        key.replace("online_", "target_"): value for key, value in online.items() if key.startswith("online_")
    }
    missing, unexpected = model.load_state_dict({**online, **target}, strict=False)
    assert not unexpected
    assert all("running_" in key or "num_batches" in key for key in missing)
