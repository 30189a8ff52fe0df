"""``sfc pretrain``: train the fine-grained network on any folder of frames."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sfc_cli.commands.completion import complete_data, complete_networks
from sfc_cli.commands.help_screens import MACHINE, NETWORKS, OUTPUT, PROCEDURE, WHAT
from sfc_cli.commands.options import Debug
from sfc_cli.settings.pretraining import (
    RECIPES,
    Architecture,
    Decode,
    LastLayer,
    Precision,
    PretrainingSettings,
    Recipe,
    Schedule,
)

if TYPE_CHECKING:
    from sfc_cli.training.loop import Outcome

_DEFAULT = PretrainingSettings()
_DATA = (
    "youtube-vos, another name from sfc.yaml, $SFC_DATA or ./data, or the path of a YouTube-VOS root, a "
    "DAVIS root, or any tree of folders with images, each of which is a video, and of video files."
)


def pretrain(
    ctx: typer.Context,
    data: Annotated[
        str, typer.Option(help=_DATA, metavar="NAME", autocompletion=complete_data, rich_help_panel=WHAT)
    ] = "youtube-vos",
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="The folder of checkpoints and metrics.",
            metavar="FOLDER",
            rich_help_panel=OUTPUT,
        ),
    ] = Path("runs/pretrain"),
    recipe: Annotated[
        Recipe,
        typer.Option(
            help="sfc, or its successor hvc: residual heads, a pseudo-dynamic term, and, unless given, "
            + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in RECIPES["hvc"].items())
            + ".",
            rich_help_panel=PROCEDURE,
        ),
    ] = _DEFAULT.recipe,
    epochs: Annotated[
        int, typer.Option(help="Passes over the data.", metavar="N", rich_help_panel=PROCEDURE)
    ] = _DEFAULT.epochs,
    batch_size: Annotated[
        int,
        typer.Option(help="Frames in a batch of one process.", metavar="FRAMES", rich_help_panel=PROCEDURE),
    ] = _DEFAULT.batch_size,
    learning_rate: Annotated[
        float,
        typer.Option(help="Adam's learning rate, at its highest.", metavar="RATE", rich_help_panel=PROCEDURE),
    ] = _DEFAULT.learning_rate,
    schedule: Annotated[
        Schedule,
        typer.Option(
            help="Keep the learning rate, or let it fall along half a cosine to 0.",
            rich_help_panel=PROCEDURE,
        ),
    ] = _DEFAULT.schedule,
    warmup: Annotated[
        int,
        typer.Option(
            help="Steps over which the learning rate rises at the start.",
            metavar="STEPS",
            rich_help_panel=PROCEDURE,
        ),
    ] = _DEFAULT.warmup,
    weight_decay: Annotated[
        float,
        typer.Option(
            help="Weight decay of the convolutions, as in AdamW.", metavar="DECAY", rich_help_panel=PROCEDURE
        ),
    ] = _DEFAULT.weight_decay,
    init: Annotated[
        str | None,
        typer.Option(
            help="Start from a network: mini, imagenet18 or another name, or a checkpoint's path. "
            "[default: random weights]",
            metavar="NETWORK",
            autocompletion=complete_networks,
            rich_help_panel=NETWORKS,
        ),
    ] = _DEFAULT.init,
    crop_size: Annotated[
        int, typer.Option(help="The side of a view, in pixels.", metavar="PIXELS", rich_help_panel=PROCEDURE)
    ] = _DEFAULT.crop_size,
    min_crop_area: Annotated[
        float,
        typer.Option(
            help="The smallest share of an image's area in a view.",
            metavar="SHARE",
            rich_help_panel=PROCEDURE,
        ),
    ] = _DEFAULT.min_crop_area,
    max_crop_area: Annotated[
        float,
        typer.Option(
            help="The largest share of an image's area in a view.", metavar="SHARE", rich_help_panel=PROCEDURE
        ),
    ] = _DEFAULT.max_crop_area,
    frames_per_video: Annotated[
        int,
        # The second name is an earlier one, still accepted.
        typer.Option(
            "--frames-per-video",
            "--clips-per-video",
            help="At most so many frames of each video in an epoch.",
            metavar="FRAMES",
            rich_help_panel=PROCEDURE,
        ),
    ] = _DEFAULT.frames_per_video,
    pos_radius: Annotated[
        float,
        typer.Option(
            help="How far apart cells of a positive pair may be, in cell diagonals.",
            metavar="DIAGONALS",
            rich_help_panel=PROCEDURE,
        ),
    ] = _DEFAULT.pos_radius,
    momentum: Annotated[
        float,
        typer.Option(
            help="The target network's momentum at the start.", metavar="M", rich_help_panel=PROCEDURE
        ),
    ] = _DEFAULT.momentum,
    seed: Annotated[
        int,
        typer.Option(help="The seed of weights, frames and crops.", metavar="N", rich_help_panel=PROCEDURE),
    ] = _DEFAULT.seed,
    arch: Annotated[Architecture, typer.Option(help="The trunk.", rich_help_panel=NETWORKS)] = _DEFAULT.arch,
    last_layer: Annotated[
        LastLayer,
        typer.Option(help="The trunk's last layer while training.", rich_help_panel=NETWORKS),
    ] = _DEFAULT.last_layer,
    hidden_channels: Annotated[
        int,
        typer.Option(
            help="Channels inside projector and predictor.", metavar="CHANNELS", rich_help_panel=NETWORKS
        ),
    ] = _DEFAULT.hidden_channels,
    out_channels: Annotated[
        int,
        typer.Option(help="Channels of the vectors compared.", metavar="CHANNELS", rich_help_panel=NETWORKS),
    ] = _DEFAULT.out_channels,
    precision: Annotated[
        Precision,
        typer.Option(
            help="auto is bf16 on a CUDA device that has it, fp32 elsewhere.",
            rich_help_panel=MACHINE,
        ),
    ] = _DEFAULT.precision,
    device: Annotated[
        str,
        typer.Option(
            help="auto (a CUDA device if there is one), cpu, cuda, cuda:N or mps.",
            metavar="NAME",
            rich_help_panel=MACHINE,
        ),
    ] = "auto",
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Use torch.compile.", rich_help_panel=MACHINE)
    ] = _DEFAULT.compile,
    accumulate: Annotated[
        int,
        typer.Option(
            help="How many batches make a step of the optimizer.",
            metavar="BATCHES",
            rich_help_panel=PROCEDURE,
        ),
    ] = _DEFAULT.accumulate,
    sync_batchnorm: Annotated[
        bool,
        typer.Option(
            "--sync-batchnorm/--no-sync-batchnorm",
            help="Compute BatchNorm over all processes together.",
            rich_help_panel=MACHINE,
        ),
    ] = _DEFAULT.sync_batchnorm,
    steps: Annotated[
        int | None,
        typer.Option(
            help="Stop after so many steps; the schedule stays.", metavar="STEPS", rich_help_panel=PROCEDURE
        ),
    ] = _DEFAULT.steps,
    workers: Annotated[
        int | None,
        typer.Option(
            help="Processes that decode images. [default: the cores, shared by the cards; 1 on a CPU]",
            metavar="N",
            rich_help_panel=MACHINE,
        ),
    ] = _DEFAULT.workers,
    decode: Annotated[
        Decode, typer.Option(help="What decodes JPEGs.", rich_help_panel=MACHINE)
    ] = _DEFAULT.decode,
    save_every: Annotated[
        int,
        typer.Option(
            help="Save after so many steps, and after each epoch of more than a minute.",
            metavar="STEPS",
            rich_help_panel=OUTPUT,
        ),
    ] = _DEFAULT.save_every,
    save_minutes: Annotated[
        float,
        typer.Option(help="Save at least so often, in minutes.", metavar="MINUTES", rich_help_panel=OUTPUT),
    ] = _DEFAULT.save_minutes,
    check_every: Annotated[
        int,
        typer.Option(
            help="Propagate the bundled sample as a check after so many epochs; 0 for never.",
            metavar="EPOCHS",
            rich_help_panel=OUTPUT,
        ),
    ] = _DEFAULT.check_every,
    validation: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Compute J&F on a data set in the DAVIS layout, a name or a path, as training goes on, and "
            "keep the best network as best_fc.pth.",
            autocompletion=complete_data,
            rich_help_panel=WHAT,
        ),
    ] = None,
    validation_split: Annotated[
        str,
        typer.Option(
            help="The split of --validation; `all` for every annotated sequence.",
            metavar="NAME",
            rich_help_panel=WHAT,
        ),
    ] = "val",
    validate_every: Annotated[
        int,
        typer.Option(
            help="Validate after so many epochs, and after the last; 0 for never.",
            metavar="EPOCHS",
            rich_help_panel=WHAT,
        ),
    ] = _DEFAULT.validate_every,
    max_unreadable: Annotated[
        int,
        typer.Option(
            help="Skip up to so many unreadable files; one more is an error.",
            metavar="FILES",
            rich_help_panel=WHAT,
        ),
    ] = _DEFAULT.max_unreadable,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Continue the training in --output, or start one.", rich_help_panel=OUTPUT
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite", help="Start again and replace the training in --output.", rich_help_panel=OUTPUT
        ),
    ] = False,
    wandb: Annotated[
        bool, typer.Option("--wandb", help="Also report to Weights & Biases.", rich_help_panel=OUTPUT)
    ] = False,
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json",
            help="For programs: write progress to standard output, one JSON object a line.",
            rich_help_panel=OUTPUT,
        ),
    ] = False,
    debug: Debug = False,  # noqa: ARG001 - its callback acts
) -> None:
    """Train the fine-grained network, without any labels.

    Writes pretrained_fc.pth, which `sfc propagate --fc PATH` reads, to <output>, with state.pt for --resume,
    metrics.jsonl, settings.json and the loss as a picture, loss.png. For several cards start it with
    `torchrun -m sfc_cli pretrain …`.
    """
    settings = PretrainingSettings(
        recipe=recipe,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        warmup=warmup,
        weight_decay=weight_decay,
        init=init,
        crop_size=crop_size,
        min_crop_area=min_crop_area,
        max_crop_area=max_crop_area,
        frames_per_video=frames_per_video,
        pos_radius=pos_radius,
        momentum=momentum,
        seed=seed,
        arch=arch,
        last_layer=last_layer,
        hidden_channels=hidden_channels,
        out_channels=out_channels,
        precision=precision,
        accumulate=accumulate,
        sync_batchnorm=sync_batchnorm,
        steps=steps,
        workers=workers,
        decode=decode,
        compile=compile,
        save_every=save_every,
        save_minutes=save_minutes,
        check_every=check_every,
        validate_every=validate_every,
        max_unreadable=max_unreadable,
    )
    of_recipe: dict[str, Any] = {
        name: value for name, value in RECIPES[recipe].items() if not _is_given(ctx, name)
    }
    settings = replace(settings, **of_recipe)

    from sfc_cli.commands.displays import open_display
    from sfc_cli.core.ranks import read_ranks
    from sfc_cli.training.session import pretrain as train

    with open_display(json_lines=json_lines) as progress:
        outcome = train(
            settings,
            data=data,
            output=output,
            progress=progress,
            device=device,
            resume=resume,
            overwrite=overwrite,
            wandb=wandb,
            validation=validation,
            validation_split=validation_split,
        )
        if read_ranks().leads:
            progress.say(_farewell(outcome), **asdict(outcome))
    if outcome.signal:
        raise typer.Exit(128 + outcome.signal)


def _is_given(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name not in ("DEFAULT", "DEFAULT_MAP")


def _farewell(outcome: Outcome) -> str:
    network = outcome.network
    if outcome.ending == "finished":
        return f"finished after {outcome.step:,} steps: {network}; try `sfc propagate --fc {network}`"
    why = "stopped by a signal" if outcome.ending == "signal" else "stopped at --steps"
    taken = f"{outcome.step:,} of {outcome.total_steps:,} steps"
    return f"{why} after {taken}; saved: {network}; continue with --resume"
