"""The two files of a training: the network in the published layout, and everything needed to resume."""

from __future__ import annotations

import argparse
import dataclasses
import io
import os
import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.core.correspondence import Correspondence
from sfc_cli.errors import InputError
from sfc_cli.files import replacing
from sfc_cli.settings.pretraining import PretrainingSettings

NETWORK_NAME = "pretrained_fc.pth"
STATE_NAME = "state.pt"
_FORMAT = 1


@dataclass(frozen=True, kw_only=True)
class Identity:
    """What a state must agree with before a training resumes from it.

    Args:
        settings: The training's settings.
        precision: The arithmetic in use.
        data: The fingerprint of the frames.
        world: The number of processes.
    """

    settings: PretrainingSettings
    precision: str
    data: str
    world: int

    def differences(self, stored: Mapping[str, Any]) -> list[str]:
        """Name everything in which a stored state differs."""
        found = self.settings.differences(stored["settings"])
        for name, now in (("precision in use", self.precision), ("processes", self.world)):
            if stored[name] != now:
                found.append(f"{name} was {stored[name]}, now {now}")
        if stored["data"] != self.data:
            found.append("the data set has other frames")
        return found


def save_state(
    path: Path, identity: Identity, step: int, model: Correspondence, optimizer: torch.optim.Optimizer
) -> None:
    """Write everything that a training needs to resume, whole or not at all.

    The workers have no state of their own: the seed and the position, which is the step, decide every frame
    and crop.

    Raises:
        InputError: If the disk is full or the folder cannot be written to; the old file stays.
    """
    _write(
        path,
        {
            "format": _FORMAT,
            "step": step,
            "settings": dataclasses.asdict(identity.settings),
            "precision in use": identity.precision,
            "processes": identity.world,
            "data": identity.data,
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "random": _random_states(),
        },
    )


def load_state(
    path: Path, identity: Identity, model: Correspondence, optimizer: torch.optim.Optimizer
) -> int:
    """Put model, optimizer and random states back as they were.

    Returns:
        How many steps had been taken.

    Raises:
        InputError: If the file is missing, damaged or of another kind, or comes from a training with
            other settings, frames or processes; the message names each.
    """
    stored = read_checkpoint(path)
    if stored.get("format") != _FORMAT:
        raise InputError(
            f"{path} is not a training state that this version of sfc reads.",
            f"Give the folder of a training by sfc, with its {STATE_NAME}.",
        )
    differences = identity.differences(stored)
    if differences:
        raise InputError(
            f"{path} comes from a training with other settings: {'; '.join(differences)}.",
            "Give the same settings, or start again with another `output`.",
        )
    model.load_state_dict(stored["model"])
    optimizer.load_state_dict(stored["optimizer"])
    _restore_random_states(stored["random"])
    return int(stored["step"])


def save_network(
    path: Path,
    settings: PretrainingSettings,
    epoch: int,
    model: Correspondence,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Write the network in the layout of the published ``pretrained_fc.pth``, whole or not at all.

    Args:
        path: Where to.
        settings: Kept in ``args``.
        epoch: The epoch that the last step belonged to, from 0.
        model: Both branches.
        optimizer: Its state is part of the layout.

    Raises:
        InputError: If the disk is full or the folder cannot be written to; the old file stays.
    """
    layers = ("layer3", "layer4") if settings.last_layer == "layer4" else ("layer3",)
    arguments = argparse.Namespace(
        **dataclasses.asdict(settings), lr=settings.learning_rate, remove_stride_layers=layers
    )
    _write(
        path,
        {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "epoch": epoch,
            "args": arguments,
        },
    )


def clear_leftovers(folder: Path) -> None:
    """Remove the unfinished files of saves that were killed; each is as large as a checkpoint."""
    for name in (NETWORK_NAME, STATE_NAME):
        for path in folder.glob(f".{name}.*.part"):
            path.unlink(missing_ok=True)


def _write(path: Path, content: Mapping[str, Any]) -> None:
    # In memory first: when a disk fills up, torch.save's own writer hides the reason.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        # Else a power cut right after the rename could leave an empty file under the final name.
        os.fsync(file.fileno())


def _random_states() -> dict[str, Any]:
    version, numbers, gauss = random.getstate()
    numpy_state: Any = np.random.get_state()
    name, keys, position, has_gauss, cached = numpy_state
    return {
        "python": (version, numbers, gauss),
        "numpy": (name, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all(),
    }


def _restore_random_states(states: Mapping[str, Any]) -> None:
    random.setstate(states["python"])
    name, keys, position, has_gauss, cached = states["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), position, has_gauss, cached))
    torch.set_rng_state(states["torch"])
    if len(states["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states["cuda"])
