from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.training import quick_check as module
from sfc_cli.training.loop import Training
from sfc_cli.training.quick_check import copy_trunk, quick_check
from sfc_cli.training.stepping import build_model


@pytest.fixture
def tiny_sample(make_davis: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    root = make_davis({"moving": 4}, size=(96, 128))
    monkeypatch.setattr(module, "find_data", lambda _: root)
    return root


@pytest.mark.usefixtures("tiny_sample")
def test_quick_check__scores_the_sample_and_leaves_the_model(small: Callable) -> None:
    model = build_model(small())
    before = {key: value.clone() for key, value in model.state_dict().items()}
    line = quick_check(model)
    match = re.search(
        r"J&F (\d+\.\d) on the bundled sample \(moving\) only, which is not the benchmark", line
    )
    assert match
    # Slow rectangles on a still background: even random features find most of them.
    assert 30 < float(match[1]) <= 100
    assert model.training
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@pytest.mark.usefixtures("tiny_sample")
def test_quick_check__is_worse_for_a_network_that_tells_nothing_apart(
    small: Callable,
) -> None:
    model = build_model(small())
    good = quick_check(model)
    with torch.no_grad():
        model.online_encoder.layer3[1].bn2.bias.fill_(1e6)
    assert float(quick_check(model).split()[3]) < float(good.split()[3])


def test_copy_trunk__stops_before_layer4(small: Callable) -> None:
    trunk = copy_trunk(build_model(small(last_layer="layer4")))
    assert trunk.layer4 is None
    assert not trunk.training


def test_run__checks_every_so_many_epochs_and_at_the_end(
    index: FrameIndex, tmp_path: Path, small: Callable
) -> None:
    checked: list[int] = []
    training = Training(
        small(epochs=3, check_every=2), index, tmp_path, device=torch.device("cpu"),
        check=lambda _: checked.append(training.step) or "checked",
    )  # fmt: skip
    training.run()
    assert checked == [8, 12]
