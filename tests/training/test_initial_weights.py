from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.errors import InputError, UsageError
from sfc_cli.settings.locations import assets_folder
from sfc_cli.training.initial_weights import start_from
from sfc_cli.training.loop import Training
from sfc_cli.training.stepping import build_model


def test_start_from__fills_both_trunks_with_a_named_network(small: Callable) -> None:
    model = build_model(small())
    projector = model.online_projector.linear1.weight.clone()
    line = start_from("mini", model)
    stored = torch.load(assets_folder() / "mini.pth")
    for key, value in stored.items():
        for trunk in (model.online_encoder, model.target_encoder):
            assert torch.equal(trunk.state_dict()[key], value.to(trunk.state_dict()[key].dtype)), key
    assert torch.equal(model.online_projector.linear1.weight, projector)
    assert "starting from mini" in line
    assert "starts at random" in line


def test_start_from__takes_all_that_a_training_left(
    index: FrameIndex, tmp_path: Path, small: Callable
) -> None:
    Training(small(steps=2), index, tmp_path, device=torch.device("cpu")).run()
    model = build_model(small(seed=5))
    start_from(str(tmp_path / "pretrained_fc.pth"), model)
    stored = read_checkpoint(tmp_path / "pretrained_fc.pth")["model"]
    assert all(torch.equal(value, stored[key]) for key, value in model.state_dict().items())
    # Heads of another size stay at random.
    wider = build_model(small(hidden_channels=16))
    before = wider.predictor.linear1.weight.clone()
    start_from(str(tmp_path / "pretrained_fc.pth"), wider)
    assert torch.equal(wider.predictor.linear1.weight, before)
    assert torch.equal(wider.online_encoder.conv1.weight, stored["online_encoder.conv1.weight"])


def test_start_from__names_what_does_not_fit(tmp_path: Path, small: Callable) -> None:
    with pytest.raises(UsageError, match=r"`init` mini is a resnet18, but .* is a resnet50"):
        start_from("mini", build_model(small(arch="resnet50")))
    with pytest.raises(InputError, match=r"gone\.pth"):
        start_from(str(tmp_path / "gone.pth"), build_model(small()))
