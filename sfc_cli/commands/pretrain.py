"""``sfc pretrain``: train the fine-grained network on any folder of frames."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfc_cli.commands.options import Debug
from sfc_cli.settings.pretraining import Architecture, Decode, LastLayer, Precision, PretrainingSettings

_DEFAULT = PretrainingSettings()
_DATA = (
    "youtube-vos, another name from sfc.yaml, $SFC_DATA or ./data, or the path of a YouTube-VOS root, "
    "a DAVIS root or any folder tree of images, in which each folder is a video."
)


def pretrain(
    data: Annotated[str, typer.Option(help=_DATA)] = "youtube-vos",
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder of checkpoints and metrics.")] = Path(
        "runs/pretrain"
    ),
    epochs: Annotated[int, typer.Option(help="Passes over the data.")] = _DEFAULT.epochs,
    batch_size: Annotated[int, typer.Option(help="Frames a process and batch.")] = _DEFAULT.batch_size,
    learning_rate: Annotated[float, typer.Option(help="Adam's, constant.")] = _DEFAULT.learning_rate,
    crop_size: Annotated[int, typer.Option(help="Side of a view in pixels.")] = _DEFAULT.crop_size,
    min_crop_area: Annotated[
        float, typer.Option(help="Least share of the image in a view.")
    ] = _DEFAULT.min_crop_area,
    clips_per_video: Annotated[
        int, typer.Option(help="Most frames of a video in an epoch.")
    ] = _DEFAULT.clips_per_video,
    pos_radius: Annotated[
        float, typer.Option(help="Reach of positive pairs, in cell diagonals.")
    ] = _DEFAULT.pos_radius,
    momentum: Annotated[float, typer.Option(help="Of the target network at the start.")] = _DEFAULT.momentum,
    seed: Annotated[int, typer.Option(help="Of weights, frames and crops.")] = _DEFAULT.seed,
    arch: Annotated[Architecture, typer.Option(help="The trunk.")] = _DEFAULT.arch,
    last_layer: Annotated[
        LastLayer, typer.Option(help="Last layer of the trunk while training.")
    ] = _DEFAULT.last_layer,
    hidden_channels: Annotated[
        int, typer.Option(help="Inner channels of projector and predictor.")
    ] = _DEFAULT.hidden_channels,
    out_channels: Annotated[int, typer.Option(help="Channels of compared vectors.")] = _DEFAULT.out_channels,
    precision: Annotated[
        Precision, typer.Option(help="auto is bf16 on a card that has it, else fp32.")
    ] = _DEFAULT.precision,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    compile: Annotated[
        bool, typer.Option("--compile/--no-compile", help="Use torch.compile.")
    ] = _DEFAULT.compile,
    accumulate: Annotated[int, typer.Option(help="Batches a step of the optimizer.")] = _DEFAULT.accumulate,
    sync_batchnorm: Annotated[
        bool,
        typer.Option("--sync-batchnorm/--no-sync-batchnorm", help="Joint BatchNorm over all processes."),
    ] = _DEFAULT.sync_batchnorm,
    steps: Annotated[int | None, typer.Option(help="Stop after so many steps.")] = _DEFAULT.steps,
    workers: Annotated[
        int | None,
        typer.Option(help="Decoding processes. [default: a card's share of the cores; 1 on a CPU]"),
    ] = _DEFAULT.workers,
    decode: Annotated[Decode, typer.Option(help="What decodes JPEGs.")] = _DEFAULT.decode,
    save_every: Annotated[int, typer.Option(help="Steps between saves.")] = _DEFAULT.save_every,
    check_every: Annotated[
        int, typer.Option(help="Epochs between quick checks on the bundled sample; 0 for none.")
    ] = _DEFAULT.check_every,
    max_unreadable: Annotated[
        int, typer.Option(help="So many unreadable files are skipped; one more is an error.")
    ] = _DEFAULT.max_unreadable,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the state in --output, if there is one.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew though --output holds a training.")
    ] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="Also report to Weights & Biases.")] = False,
    debug: Debug = False,
) -> None:
    """Train the fine-grained network without any labels.

    Writes <output>/pretrained_fc.pth, which `sfc propagate --fc PATH` reads, state.pt for --resume,
    metrics.jsonl and settings.json. Start it with `torchrun -m sfc_cli pretrain …` for several cards.
    """
    chosen = {name: value for name, value in locals().items() if name in PretrainingSettings.__annotations__}
    settings = PretrainingSettings(**chosen)

    from rich.console import Console

    from sfc_cli.training.session import pretrain as train

    outcome = train(
        settings,
        data=data,
        output=output,
        console=Console(stderr=True),
        device=device,
        resume=resume,
        overwrite=overwrite,
        wandb=wandb,
    )
    if outcome.signal:
        raise typer.Exit(128 + outcome.signal)
