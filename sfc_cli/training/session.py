"""From options to a finished training: data, device, processes, output folder, watchers."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.text import Text

import sfc_cli
from sfc_cli.core.ranks import Ranks, joined, read_ranks
from sfc_cli.data.frame_folders import FrameIndex, index_frames
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.files import write_text
from sfc_cli.settings.locations import find_data
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.checkpoints import NETWORK_NAME, STATE_NAME, clear_leftovers
from sfc_cli.training.console import ConsoleWatcher, show_preflight
from sfc_cli.training.distribution import leader_first, restarted_by_torchrun
from sfc_cli.training.loop import Outcome, Training
from sfc_cli.training.preflight import inspect
from sfc_cli.training.quick_check import quick_check
from sfc_cli.training.stepping import resolve_device, resolve_precision
from sfc_cli.training.watching import MetricsFile, TensorBoardFile, WandbRun, Watcher, tensorboard_installed

SETTINGS_NAME = "settings.json"


class OutOfMemoryError(SfcError):
    """The card's memory does not hold a step."""


def pretrain(
    settings: PretrainingSettings,
    *,
    data: str,
    output: Path,
    console: Console,
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
        console: Where to report.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        resume: Go on from ``output`` if it holds a state, else start.
        overwrite: Start anew though ``output`` holds a state.
        wandb: Also report to Weights & Biases.

    Raises:
        SfcError: If settings, data, device or checkpoints do not do; one of its children.
    """
    ranks = read_ranks()
    place = resolve_device(device, ranks.local_rank)
    resolve_precision(settings, place)
    _check_decoder(settings, place)
    if place.type == "cuda":
        torch.cuda.set_device(place)
    with joined(ranks, place):
        resume |= restarted_by_torchrun()
        with leader_first(ranks):
            index = _prepare(settings, data, output, ranks, console, resume=resume, overwrite=overwrite)
        training = Training(
            settings, index, output, device=place, ranks=ranks, resume=resume, check=quick_check
        )
        watchers: Sequence[Watcher] = ()
        if ranks.leads:
            _announce(training, ranks, place, console, resume=resume)
            _write_settings(training, data, ranks, place, output)
            watchers = _watchers(settings, output, training.step, console, wandb=wandb)
        try:
            outcome = training.run(watchers)
        except torch.OutOfMemoryError:
            raise OutOfMemoryError(
                f"A step does not fit into the memory of {place}.",
                f"Lower --batch-size (now {settings.batch_size}) and raise --accumulate by as much.",
            ) from None
        finally:
            for watcher in watchers:
                watcher.close()
    if ranks.leads:
        console.print(Text(_farewell(outcome, output)), soft_wrap=True)
    return outcome


def _check_decoder(settings: PretrainingSettings, device: torch.device) -> None:
    if settings.decode == "nvjpeg" and device.type != "cuda":
        raise UsageError(
            f"--decode nvjpeg needs a CUDA device; the device is {device}.",
            "Choose auto, opencv or torchvision.",
        )


def _prepare(
    settings: PretrainingSettings,
    data: str,
    output: Path,
    ranks: Ranks,
    console: Console,
    *,
    resume: bool,
    overwrite: bool,
) -> FrameIndex:
    if ranks.leads:
        _claim(output, resume=resume, overwrite=overwrite)
    index = index_frames(find_data(data, next_step=_how_to_get(data)))
    preflight = inspect(index, settings)
    if ranks.leads:
        show_preflight(console, preflight)
    return index


def _claim(output: Path, *, resume: bool, overwrite: bool) -> None:
    state = output / STATE_NAME
    if state.exists() and not resume and not overwrite:
        raise UsageError(
            f"{output} holds a training already.",
            "Go on with --resume, start anew with --overwrite, or choose another --output.",
        )
    try:
        output.mkdir(parents=True, exist_ok=True)
        clear_leftovers(output)
        if overwrite and not resume:
            state.unlink(missing_ok=True)
    except OSError as error:
        raise InputError(
            f"Cannot write to {output}: {error.strerror or error}.", "Choose another --output."
        ) from None


def _how_to_get(data: str) -> str:
    if data != "youtube-vos":
        return ""
    return (
        "Get train_all_frames from https://youtube-vos.org and put it into data/youtube-vos, or give any "
        "folder of videos' frames with --data PATH."
    )


def _announce(
    training: Training, ranks: Ranks, device: torch.device, console: Console, *, resume: bool
) -> None:
    settings, plan = training.settings, training.plan
    console.print(
        Text(
            f"{settings.arch} on {ranks.world} × {device.type}, {training.stepper.precision}: effective "
            f"batch {plan.frames_per_step} ({settings.batch_size} × {settings.accumulate} accumulated × "
            f"{ranks.world} processes), learning rate {settings.learning_rate:g}, {plan.steps_per_epoch:,} "
            f"steps an epoch, {plan.total_steps:,} in all, {training.workers} workers a process"
        ),
        soft_wrap=True,
    )
    if resume:
        where = f"going on after step {training.step:,}" if training.step else "no state to resume: starting"
        console.print(Text(where), soft_wrap=True)


def _write_settings(training: Training, data: str, ranks: Ranks, device: torch.device, output: Path) -> None:
    content = {
        **dataclasses.asdict(training.settings),
        "data": data,
        "device": str(device),
        "precision in use": training.stepper.precision,
        "processes": ranks.world,
        "effective batch": training.plan.frames_per_step,
        "total steps": training.plan.total_steps,
        "sfc": sfc_cli.__version__,
        "torch": torch.__version__,
    }
    write_text(output / SETTINGS_NAME, json.dumps(content, indent=2) + "\n")


def _watchers(
    settings: PretrainingSettings, output: Path, step: int, console: Console, *, wandb: bool
) -> Sequence[Watcher]:
    watchers: list[Watcher] = [MetricsFile(output, step)]
    if wandb:
        watchers.append(WandbRun(output, dataclasses.asdict(settings)))
    if tensorboard_installed():
        watchers.append(TensorBoardFile(output, step))
    # Last, so that an error above leaves no half-drawn bar.
    return [*watchers, ConsoleWatcher(console)]


def _farewell(outcome: Outcome, output: Path) -> str:
    network = output / NETWORK_NAME
    if outcome.ending == "finished":
        return f"finished after {outcome.step:,} steps: {network}; try `sfc propagate --fc {network}`"
    why = "stopped by a signal" if outcome.ending == "signal" else "stopped at --steps"
    taken = f"{outcome.step:,} of {outcome.total_steps:,} steps"
    return f"{why} after {taken}; saved: {network}; go on with --resume"
