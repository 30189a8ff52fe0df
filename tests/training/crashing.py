"""A training in which one process dies in its third step, the first time; run by ``torchrun``."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch

from sfc_cli.commands.displays import Lines
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training import session
from sfc_cli.training.loop import Training
from sfc_cli.training.stepping import restarted_by_torchrun


class CrashingTraining(Training):
    def _take_step(self, *arguments):
        if self.step == 2 and self._ranks.rank == 1 and not restarted_by_torchrun():
            os._exit(1)
        return super()._take_step(*arguments)


def main(frames: str, output: str, save_every: str = "1") -> None:
    torch.set_num_threads(1)
    session.Training = CrashingTraining
    settings = PretrainingSettings(
        epochs=2, batch_size=2, crop_size=32, last_layer="layer3", hidden_channels=8, out_channels=4,
        workers=0, check_every=0, save_every=int(save_every), precision="fp32",
    )  # fmt: skip
    session.pretrain(settings, data=frames, output=Path(output), progress=Lines(), device="cpu")


if __name__ == "__main__":
    main(*sys.argv[1:])
