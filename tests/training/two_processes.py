"""One step without its update in each of two processes; run by ``torchrun`` from test_stepping.py."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
import torch.distributed as dist

from sfc_cli.core.ranks import joined, read_ranks
from sfc_cli.data.frame_index import index_frames
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Plan, load_batches
from sfc_cli.training.stepping import Stepper


def main(frames: Path, output: Path, fields: dict) -> None:
    torch.set_num_threads(1)
    device, ranks = torch.device("cpu"), read_ranks()
    index = index_frames(frames)
    with joined(ranks, device):
        for name, synchronised in (("on", True), ("off", False)):
            settings = PretrainingSettings(**fields, sync_batchnorm=synchronised)
            stepper = Stepper(settings, device, ranks)
            stepper.optimizer.step = lambda: None
            plan = Plan(index, settings, ranks.world)
            batches = list(
                load_batches(plan, settings, rank=ranks.rank, steps=(0, 1), device=device, workers=0)
            )
            loss = stepper.step(batches, 0.99)
            dist.all_reduce(loss)
            (output / f"paths-{ranks.rank}.json").write_text(json.dumps(batches[0].paths))
            if ranks.leads:
                gradients = {
                    key: value.grad
                    for key, value in stepper.model.named_parameters()
                    if value.grad is not None
                }
                buffers = dict(stepper.model.named_buffers())
                torch.save((loss / ranks.world, gradients, buffers), output / f"{name}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3]))
