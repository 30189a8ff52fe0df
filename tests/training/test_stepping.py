from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from sfc_cli.core.ranks import Ranks
from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Plan, load_batches
from sfc_cli.training.stepping import JointBatchNorm2d, Stepper, join_batchnorm

CPU = torch.device("cpu")


def torchrun(*arguments: str) -> str:
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        # docs/clusters.md: else a restarted process may find the addresses of the ones that died.
        "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
    }
    result = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout + result.stderr


def one_process(
    index: FrameIndex, settings: PretrainingSettings
) -> tuple[Tensor, dict[str, Tensor], dict[str, Tensor]]:
    stepper = Stepper(settings, CPU, Ranks())
    stepper.optimizer.step = lambda: None  # type: ignore[method-assign, assignment]
    plan = Plan(index, settings)
    batches = list(load_batches(plan, settings, rank=0, steps=(0, 1), device=CPU, workers=0))
    loss = stepper.step(batches, 0.99)
    gradients = {key: value.grad for key, value in stepper.model.named_parameters() if value.grad is not None}
    return loss, gradients, dict(stepper.model.named_buffers())


@pytest.mark.slow
def test_two_processes__have_the_gradients_of_one(index: FrameIndex, tmp_path: Path, small: Callable) -> None:
    settings = small(batch_size=2)
    fields = {**dataclasses.asdict(settings)}
    del fields["sync_batchnorm"]
    output = tmp_path / "two"
    output.mkdir()
    script = Path(__file__).with_name("two_processes.py")
    torchrun(str(script), str(index.root), str(output), json.dumps(fields))

    shares = [set(json.loads((output / f"paths-{rank}.json").read_text())) for rank in (0, 1)]
    assert not shares[0] & shares[1]
    assert len(shares[0] | shares[1]) == 4
    # Joint statistics: one process with the doubled batch. Separate ones: one that accumulates both parts.
    cases = {"on": small(batch_size=4), "off": small(batch_size=2, accumulate=2)}
    found = {}
    for name, alone in cases.items():
        loss, gradients, buffers = one_process(index, alone)
        two_loss, two_gradients, two_buffers = torch.load(output / f"{name}.pt")
        torch.testing.assert_close(two_loss, loss, atol=1e-5, rtol=1e-5)
        assert two_gradients.keys() == gradients.keys()
        for key, value in gradients.items():
            torch.testing.assert_close(
                two_gradients[key], value, atol=2e-5, rtol=2e-3, msg=lambda m, k=key: f"{k}: {m}"
            )
        if name == "on":
            for key, value in buffers.items():
                if "num_batches" not in key:
                    torch.testing.assert_close(two_buffers[key], value, atol=1e-5, rtol=1e-4)
        found[name] = gradients["online_encoder.conv1.weight"]
    # Were both cases alike, this test would not tell them apart.
    assert (found["on"] - found["off"]).abs().max() > 1e-3 * found["on"].abs().max()


@pytest.mark.slow
def test_pretrain__resumes_when_torchrun_restarts_it(index: FrameIndex, tmp_path: Path) -> None:
    script = Path(__file__).with_name("crashing.py")
    output = torchrun("--max-restarts", "1", str(script), str(index.root), str(tmp_path / "out"))
    assert "going on after step 2" in output
    lines = [json.loads(line) for line in (tmp_path / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    assert all(-4 <= line["loss"] <= 4 for line in lines)
    settings = json.loads((tmp_path / "out" / "settings.json").read_text())
    assert (settings["processes"], settings["effective batch"]) == (2, 4)


def test_join_batchnorm__shares_tensors_and_names() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    weight, before = model[1].weight, model.state_dict()
    joined_model = join_batchnorm(model)
    assert isinstance(joined_model[1], JointBatchNorm2d)
    assert joined_model[1].weight is weight
    assert joined_model.state_dict().keys() == before.keys()
    evaluated = joined_model.eval()(torch.ones(1, 3, 2, 2))
    assert evaluated.shape == (1, 4, 2, 2)


def test_stepper__sums_accumulated_gradients_to_their_mean(index: FrameIndex, small: Callable) -> None:
    settings = small(batch_size=2, accumulate=2)
    plan = Plan(index, settings)
    batches = list(load_batches(plan, settings, rank=0, steps=(0, 1), device=CPU, workers=0))
    stepper = Stepper(settings, CPU, Ranks())
    stepper.optimizer.step = lambda: None  # type: ignore[method-assign, assignment]
    weight = stepper.model.online_encoder.conv1.weight
    gradients, losses = [], []
    for part in batches:
        # Momentum 1 leaves the target as it is, so that both parts meet the same target.
        losses.append(stepper.step([part], 1.0))
        gradients.append(weight.grad.clone())
    loss = stepper.step(batches, 1.0)
    torch.testing.assert_close(loss, sum(losses) / 2)
    torch.testing.assert_close(weight.grad, sum(gradients) / 2)
