"""From settings to a finished training: data, device, processes, output folder, watchers."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch

from sfc_cli.core.devices import resolve_device
from sfc_cli.core.ranks import Ranks, joined, read_ranks
from sfc_cli.data.frame_index import index_frames
from sfc_cli.errors import SfcError, UsageError
from sfc_cli.files import is_same_or_below, write_text
from sfc_cli.progress import Progress, Silent
from sfc_cli.settings.locations import find_data
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.checks import Validate
from sfc_cli.training.data_inspection import inspect_data
from sfc_cli.training.initial_weights import start_from
from sfc_cli.training.loop import Outcome, Training
from sfc_cli.training.loss_plot import LossPlot
from sfc_cli.training.metrics import (
    MetricsFile,
    ProgressWatcher,
    TensorBoardFile,
    WandbRun,
    Watcher,
    has_tensorboard,
)
from sfc_cli.training.output_folder import SETTINGS_NAME, claimed
from sfc_cli.training.quick_check import quick_check
from sfc_cli.training.stepping import leader_first, resolve_precision, restarted_by_torchrun
from sfc_cli.training.validation import Validation
from sfc_cli.version import __version__
from sfc_cli.wording import counted


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
    validation: str | None = None,
    validation_split: str = "val",
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
        validation: The name or path of a data set in the DAVIS layout to compute J&F on; None for none.
        validation_split: Its split.

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
    with contextlib.ExitStack() as stack:
        stack.enter_context(joined(ranks, own_device))
        resume |= restarted_by_torchrun()
        with leader_first(ranks):
            root = find_data(data, next_step=_how_to_get(data))
            if ranks.leads:
                stack.enter_context(claimed(output, root, resume=resume, overwrite=overwrite))
            index = index_frames(root, progress)
            inspect_data(index, settings, progress)
        training = Training(
            settings,
            index,
            output,
            device=own_device,
            ranks=ranks,
            resume=resume,
            check=quick_check,
            validate=_validation(validation, validation_split, ranks),
        )
        if not training.step and settings.init is not None:
            progress.say(start_from(settings.init, training.stepper.model))
        watchers: Sequence[Watcher] = ()
        if ranks.leads:
            progress.say(_announcement(training, ranks, own_device))
            if resume:
                progress.say(_resumption(training))
            _write_settings(training, data, ranks, own_device, output)
            watchers = _watchers(training, output, root, progress, wandb=wandb)
        try:
            return training.run(watchers)
        except torch.OutOfMemoryError:
            raise OutOfMemoryError(
                f"A step does not fit into the memory of {own_device}.",
                f"Lower `batch_size` (now {settings.batch_size}) and raise `accumulate` by as much.",
            ) from None
        finally:
            _close(watchers)


def _close(watchers: Sequence[Watcher]) -> None:
    for watcher in watchers:
        # What ended the training, such as a full disk, may end its reports as well; it is told already.
        with contextlib.suppress(OSError):
            watcher.close()


def _validation(name: str | None, split: str, ranks: Ranks) -> Validate | None:
    if name is None or not ranks.leads:
        return None
    return Validation(find_data(name), split).score


def _resumption(training: Training) -> str:
    going_on = f"going on after step {training.step:,}" if training.step else "no state to resume: starting"
    return f"warning: {training.remark}\n{going_on}" if training.remark else going_on


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
        f"{counted(ranks.world, 'process')}), learning rate {settings.learning_rate:g}, "
        f"{plan.steps_per_epoch:,} steps an epoch, {plan.total_steps:,} in all, "
        f"{counted(training.workers, 'worker')} a process"
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


def _watchers(
    training: Training, output: Path, data_root: Path, progress: Progress, *, wandb: bool
) -> Sequence[Watcher]:
    watchers: list[Watcher] = [MetricsFile(output, training.step)]
    # Within the data set, the picture would be a frame of the next training.
    if not is_same_or_below(output, data_root):
        watchers.append(LossPlot(output, training.step))
    if wandb:
        watchers.append(WandbRun(output, dataclasses.asdict(training.settings)))
    if has_tensorboard():
        watchers.append(TensorBoardFile(output, training.step))
    else:
        progress.say("TensorBoard is not installed: no event files (`pip install 'sfc-cli[train]'`)")
    # Last, so that an error above leaves no half-drawn bar.
    return [*watchers, ProgressWatcher(progress, training.step, training.stop_step)]
