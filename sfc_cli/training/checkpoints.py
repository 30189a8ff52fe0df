"""The files of a training: the network in the published layout, and everything needed to resume."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import io
import os
import random
import zipfile
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
BEST_NAME = "best_fc.pth"
STATE_NAME = "state.pt"
# The state of the save before, in case that the newest file is damaged.
PREVIOUS_STATE_NAME = "state.previous.pt"
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


@dataclass(frozen=True, kw_only=True)
class Progressed:
    """How far a stored training had come.

    Args:
        step: Steps taken.
        best_score: The best validation so far; None without one.
        remark: What the user should know about its state; empty if the newest was read.
    """

    step: int
    best_score: float | None = None
    remark: str = ""


def save_state(
    path: Path,
    identity: Identity,
    step: int,
    model: Correspondence,
    optimizer: torch.optim.Optimizer,
    *,
    best_score: float | None = None,
    keeps_previous: bool = True,
) -> None:
    """Write everything that a training needs to resume, whole or not at all; the file before is kept.

    Args:
        path: Where to.
        identity: What a resumed training must agree with.
        step: Steps taken.
        model: Both branches.
        optimizer: Its state.
        best_score: The best validation so far.
        keeps_previous: Whether the file that is there is worth keeping; a damaged one is not.

    The workers have no state of their own: the seed and the position, which is the step, decide every frame
    and crop.

    Raises:
        InputError: If the disk is full or the folder cannot be written to; the old file stays.
    """
    content = {
        "format": _FORMAT,
        "step": step,
        "settings": dataclasses.asdict(identity.settings),
        "precision in use": identity.precision,
        "processes": identity.world,
        "data": identity.data,
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "random": _random_states(),
        "best score": best_score,
    }
    previous = path.with_name(PREVIOUS_STATE_NAME)
    try:
        _write(path, content, keep_as=previous if keeps_previous else None)
    except InputError:
        if not previous.exists() or not path.exists():
            raise
        # On a full disk the newest state is worth more than the oldest.
        previous.unlink(missing_ok=True)
        _write(path, content)


def stored_states(folder: Path) -> list[Path]:
    """Return a training's states in a folder, the newest first."""
    return [path for name in (STATE_NAME, PREVIOUS_STATE_NAME) if (path := folder / name).exists()]


def remove_states(folder: Path) -> None:
    """Remove what another training in the same folder would be mistaken for."""
    for name in (STATE_NAME, PREVIOUS_STATE_NAME, BEST_NAME):
        (folder / name).unlink(missing_ok=True)


def load_latest_state(
    folder: Path,
    identity: Identity,
    total_steps: int,
    model: Correspondence,
    optimizer: torch.optim.Optimizer,
) -> Progressed:
    """Put everything back as the newest state has it, or the one before if that is damaged.

    Args:
        folder: The training's output folder.
        identity: What the state must agree with.
        total_steps: Steps of the whole training.
        model: Receives the weights.
        optimizer: Receives its state.

    Returns:
        How far the training had come; step 0 without a state.

    Raises:
        InputError: If no state can be read, or it comes from a training with other settings, frames or
            processes; the message names each.
    """
    problems: list[DamagedStateError] = []
    for path in stored_states(folder):
        try:
            found = _load(path, identity, total_steps, model, optimizer)
        except DamagedStateError as error:
            problems.append(error)
            continue
        remark = f"{problems[0].message} Going on from the one before, {path}." if problems else ""
        return dataclasses.replace(found, remark=remark)
    if not problems:
        return Progressed(step=0)
    raise InputError(
        " ".join(problem.message for problem in problems), "Start again with `overwrite` or another `output`."
    )


class DamagedStateError(InputError):
    """A training state that cannot be used, whatever the settings."""


def load_state(
    path: Path, identity: Identity, model: Correspondence, optimizer: torch.optim.Optimizer
) -> int:
    """Put model, optimizer and random states back as one file has them.

    Returns:
        How many steps had been taken.

    Raises:
        DamagedStateError: If the file is missing, damaged or of another kind.
        InputError: If it comes from a training with other settings, frames or processes; the message names
            each.
    """
    return _load(path, identity, None, model, optimizer).step


def _load(
    path: Path,
    identity: Identity,
    total_steps: int | None,
    model: Correspondence,
    optimizer: torch.optim.Optimizer,
) -> Progressed:
    stored = _read_state(path)
    differences = identity.differences(stored)
    if differences:
        raise InputError(
            f"{path} comes from a training with other settings: {'; '.join(differences)}.",
            "Give the same settings, or start again with another `output`.",
        )
    step, best = stored["step"], stored.get("best score")
    if not isinstance(step, int) or step < 0 or (total_steps is not None and step > total_steps):
        most = "" if total_steps is None else f" of {total_steps:,}"
        raise DamagedStateError(f"The state {path} is damaged: it is of step {step!r}{most}.")
    try:
        model.load_state_dict(stored["model"])
        optimizer.load_state_dict(stored["optimizer"])
        _restore_random_states(stored["random"])
    except (RuntimeError, ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise _damaged(path, error) from None
    return Progressed(step=step, best_score=best if isinstance(best, float) else None)


def _read_state(path: Path) -> Mapping[str, Any]:
    try:
        with contextlib.suppress(zipfile.BadZipFile, OSError), zipfile.ZipFile(path) as archive:
            # torch does not compare the sums of what it reads.
            if (entry := archive.testzip()) is not None:
                raise DamagedStateError(f"The state {path} is damaged: {entry} does not fit its checksum.")
        stored = read_checkpoint(path)
    except DamagedStateError:
        raise
    # The hint of other checkpoints is to download them again.
    except InputError as error:
        raise DamagedStateError(error.message) from None
    except Exception as error:
        raise _damaged(path, error) from None
    if stored.get("format") != _FORMAT:
        raise DamagedStateError(f"{path} is not a training state that this version of sfc reads.")
    kinds = {"settings": Mapping, "model": Mapping, "optimizer": Mapping, "random": Mapping}
    missing = [name for name, kind in kinds.items() if not isinstance(stored.get(name), kind)]
    missing += [name for name in ("step", "precision in use", "processes", "data") if name not in stored]
    if missing:
        raise DamagedStateError(f"The state {path} is damaged: it lacks {', '.join(missing)}.")
    return stored


def _damaged(path: Path, error: Exception) -> DamagedStateError:
    text = " ".join(str(error).split())
    return DamagedStateError(f"The state {path} is damaged: {text[:200] or type(error).__name__}.")


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
    for name in (NETWORK_NAME, BEST_NAME, STATE_NAME):
        for path in folder.glob(f".{name}.*.part"):
            path.unlink(missing_ok=True)


def _write(path: Path, content: Mapping[str, Any], *, keep_as: Path | None = None) -> None:
    # In memory first: when a disk fills up, torch.save's own writer hides the reason.
    buffer = io.BytesIO()
    torch.save(content, buffer)
    with replacing(path) as part, part.open("wb") as file:
        file.write(buffer.getbuffer())
        file.flush()
        # Else a power cut right after the rename could leave an empty file under the final name.
        os.fsync(file.fileno())
        file.close()
        if keep_as is not None and path.exists():
            _keep(path, keep_as)


def _keep(path: Path, name: Path) -> None:
    """Give a file a second name, so that it is still there when the first one is given to another file."""
    link = name.with_name(f".{STATE_NAME}.{os.getpid()}.link.part")
    link.unlink(missing_ok=True)
    try:
        os.link(path, link)
    # Not every file system has links; without one the file is nameless for a moment if a kill comes then.
    except OSError:
        path.replace(name)
    else:
        link.replace(name)


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
