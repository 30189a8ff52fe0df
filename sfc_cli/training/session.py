"""From settings to a finished training: data, device, processes, output folder, watchers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from sfc_cli.core.devices import resolve_device
from sfc_cli.core.ranks import Ranks, joined, read_ranks
from sfc_cli.data.frame_index import has_images, index_frames
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.files import is_same_or_below, write_text
from sfc_cli.progress import Progress, Silent
from sfc_cli.settings.locations import find_data
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.checkpoints import NETWORK_NAME, STATE_NAME, clear_leftovers
from sfc_cli.training.data_inspection import inspect_data
from sfc_cli.training.loop import Outcome, Training
from sfc_cli.training.metrics import (
    METRICS_NAME,
    MetricsFile,
    ProgressWatcher,
    TensorBoardFile,
    WandbRun,
    Watcher,
    has_tensorboard,
)
from sfc_cli.training.quick_check import quick_check
from sfc_cli.training.stepping import leader_first, resolve_precision, restarted_by_torchrun
from sfc_cli.version import __version__

SETTINGS_NAME = "settings.json"


class OutOfMemoryError(SfcError):
    """The card's memory does not hold a step."""


def pretrain(
    settings: PretrainingSettings,
    *,
    data: str,
    output: Path,
    progress: Progress,
    device: str = "auto",
    resume: bool = False,
    overwrite: bool = False,
    wandb: bool = False,
) -> Outcome:
    """Train the fine-grained network and save it as ``pretrained_fc.pth`` in ``output``.

    Args:
        settings: The training's settings.
        data: A data set's name or path.
        output: The folder of checkpoints, metrics and settings.
        progress: Receives the data and every step, in the leading process only.
        device: See ``resolve_device``.
        resume: Go on from ``output`` if it has a state, else start.
        overwrite: Start again though ``output`` has a state.
        wandb: Also report to Weights & Biases.

    Raises:
        SfcError: If settings, data, device or checkpoints cannot be used; one of its children.
    """
    ranks = read_ranks()
    if not ranks.leads:
        progress = Silent()
    own_device = resolve_device(device, ranks)
    if own_device.type == "cuda":
        _require_a_card_each(device, ranks)
    resolve_precision(settings, own_device)
    _check_decoder(settings, own_device)
    if own_device.type == "cuda":
        torch.cuda.set_device(own_device)
    with joined(ranks, own_device):
        resume |= restarted_by_torchrun()
        with leader_first(ranks):
            root = find_data(data, next_step=_how_to_get(data))
            if ranks.leads:
                _claim(output, root, resume=resume, overwrite=overwrite)
            index = index_frames(root)
            inspect_data(index, settings, progress)
        training = Training(
            settings, index, output, device=own_device, ranks=ranks, resume=resume, check=quick_check
        )
        watchers: Sequence[Watcher] = ()
        if ranks.leads:
            progress.say(_announcement(training, ranks, own_device))
            if resume:
                progress.say(
                    f"going on after step {training.step:,}"
                    if training.step
                    else "no state to resume: starting"
                )
            _write_settings(training, data, ranks, own_device, output)
            watchers = _watchers(training, output, progress, wandb=wandb)
        try:
            return training.run(watchers)
        except torch.OutOfMemoryError:
            raise OutOfMemoryError(
                f"A step does not fit into the memory of {own_device}.",
                f"Lower `batch_size` (now {settings.batch_size}) and raise `accumulate` by as much.",
            ) from None
        finally:
            for watcher in watchers:
                watcher.close()


def _require_a_card_each(device: str, ranks: Ranks) -> None:
    # NCCL refuses two processes on one card, in words that do not help.
    cards = torch.cuda.device_count()
    if ranks.local_world > (1 if ":" in device else cards):
        raise UsageError(
            f"{ranks.local_world} processes for `device` {device}, and this machine has {cards} cards.",
            "Start one process for each card, with `device` cuda.",
        )


def _check_decoder(settings: PretrainingSettings, device: torch.device) -> None:
    if settings.decode == "nvjpeg" and device.type != "cuda":
        raise UsageError(
            f"`decode` nvjpeg needs a CUDA device; the device is {device}.",
            "Choose auto, opencv or torchvision.",
        )


def _claim(output: Path, data_root: Path, *, resume: bool, overwrite: bool) -> None:
    """Make the output folder ready.

    Raises:
        UsageError: If it has a training already, or a file of the data set would be overwritten.
        InputError: If it cannot be written to.
    """
    state = output / STATE_NAME
    if state.exists() and not resume and not overwrite:
        raise UsageError(
            f"{output} already has a training.",
            "Go on with `resume`, start again with `overwrite`, or choose another `output`.",
        )
    if not state.exists():
        _refuse_files_of_the_data(output, data_root)
    try:
        output.mkdir(parents=True, exist_ok=True)
        clear_leftovers(output)
        if overwrite and not resume:
            state.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write to {output}: {error.strerror or error}.", "Choose another `output`."
        ) from None


def _refuse_files_of_the_data(output: Path, data_root: Path) -> None:
    """Refuse to write over a data set's own files; a new folder, or one without frames, may lie in it.

    Raises:
        UsageError: If ``output`` is a folder of frames of the data set, or above some, and has a file by the
            name of one that a training writes.
    """
    if not is_same_or_below(output, data_root):
        return
    for name in (NETWORK_NAME, METRICS_NAME, SETTINGS_NAME):
        if (output / name).exists() and has_images(output):
            raise UsageError(
                f"{output / name} is in the data set, and a training would write over it.",
                "Choose another `output`.",
            )


def _how_to_get(data: str) -> str:
    if data != "youtube-vos":
        return ""
    return (
        "Get train_all_frames from https://youtube-vos.org and put it into data/youtube-vos, or give the "
        "path of any folder of videos' frames as `data`."
    )


def _announcement(training: Training, ranks: Ranks, device: torch.device) -> str:
    settings, plan = training.settings, training.plan
    return (
        f"{settings.arch} on {ranks.world} × {device.type}, {training.stepper.precision}: effective "
        f"batch {plan.frames_per_step} ({settings.batch_size} × {settings.accumulate} accumulated × "
        f"{ranks.world} processes), learning rate {settings.learning_rate:g}, {plan.steps_per_epoch:,} "
        f"steps an epoch, {plan.total_steps:,} in all, {training.workers} workers a process"
    )


def _write_settings(training: Training, data: str, ranks: Ranks, device: torch.device, output: Path) -> None:
    content = {
        **dataclasses.asdict(training.settings),
        "data": data,
        "device": str(device),
        "precision in use": training.stepper.precision,
        "processes": ranks.world,
        "effective batch": training.plan.frames_per_step,
        "total steps": training.plan.total_steps,
        "sfc": __version__,
        "torch": torch.__version__,
    }
    write_text(output / SETTINGS_NAME, json.dumps(content, indent=2) + "\n")


def _watchers(training: Training, output: Path, progress: Progress, *, wandb: bool) -> Sequence[Watcher]:
    watchers: list[Watcher] = [MetricsFile(output, training.step)]
    if wandb:
        watchers.append(WandbRun(output, dataclasses.asdict(training.settings)))
    if has_tensorboard():
        watchers.append(TensorBoardFile(output, training.step))
    # Last, so that an error above leaves no half-drawn bar.
    return [*watchers, ProgressWatcher(progress, training.step, training.stop_step)]
