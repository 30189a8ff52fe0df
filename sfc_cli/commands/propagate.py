"""``sfc propagate``: masks for every frame of every sequence from the mask of its first frame."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sfc_cli.commands import options
from sfc_cli.commands.options import Checkpoints, Data, Debug, Verbose
from sfc_cli.settings.propagation import PRESETS, Backend, BatchNormMode, Precision

_SFC, _SINGLE = PRESETS["sfc"], PRESETS["single"]
_SETTINGS = ("top_k", "radius", "temperature", "context_frames", "fusion_weight", "batchnorm")


def _defaults(name: str) -> str:
    both, one = getattr(_SFC, name), getattr(_SINGLE, name)
    return f"[default: {both:g}]" if both == one else f"[default: {one:g}; {both:g} with two networks]"


def propagate(
    data: Data = "davis",
    split: Annotated[
        str | None, typer.Option(help="The split. [default: val; 1 for JHMDB]", metavar="NAME")
    ] = None,
    sequences: options.Sequences = None,
    fc: Annotated[
        str | None,
        typer.Option(
            help="Fine-grained network: fine-grained, crw, mini, imagenet18, random18, a .pth file."
        ),
    ] = None,
    semantic: Annotated[
        str | None,
        typer.Option(
            help="Semantic network: mocov1, simsiam, vfs, pixpro, imagenet50, random50, or a .pth file."
        ),
    ] = None,
    checkpoints: Checkpoints = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Where masks go. [default: results/<data>/<fc>+<semantic>]"),
    ] = None,
    top_k: Annotated[
        int | None, typer.Option(help=f"Context cells that vote for a cell. {_defaults('top_k')}")
    ] = None,
    radius: Annotated[
        float | None, typer.Option(help=f"Reach on the feature grid, in cells. {_defaults('radius')}")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option(help=f"Divides the affinities. {_defaults('temperature')}")
    ] = None,
    context_frames: Annotated[
        int | None,
        typer.Option(
            help=f"Frames before the target that vote, besides the first. {_defaults('context_frames')}"
        ),
    ] = None,
    fusion_weight: Annotated[
        float | None,
        typer.Option(help=f"Weight of the fine-grained features (lambda). {_defaults('fusion_weight')}"),
    ] = None,
    batchnorm: Annotated[
        BatchNormMode,
        typer.Option(
            help="`released` repeats the released code's BatchNorm step on an all-zero image, which the "
            "published numbers contain; `checkpoint` takes the statistics as stored."
        ),
    ] = _SFC.batchnorm,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes CUDA where there is a card.")
    ] = "auto",
    backend: Annotated[
        Backend, typer.Option(help="How affinities are computed; all give the same masks up to ties.")
    ] = "auto",
    precision: Annotated[
        Precision,
        typer.Option(help="`fast` lets a CUDA card compute in half precision; no effect on a CPU."),
    ] = "exact",
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace other results; do complete sequences again."),
    ] = False,
    overlay: Annotated[
        bool,
        typer.Option("--overlay", help="Also write frames blended with their masks to <output>/overlay."),
    ] = False,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Propagate each sequence's first mask to all its frames, by default with the bundled network `mini`.

    Writes <output>/<sequence>/<frame>.png (indexed) and run.json. An interrupted run continues when retyped.
    """
    from sfc_cli.commands.progress import RunProgress
    from sfc_cli.inference.dataset import DatasetRun
    from sfc_cli.inference.networks import NetworkChoice

    options.set_up_logging(verbose)
    given = (top_k, radius, temperature, context_frames, fusion_weight, batchnorm)
    run = DatasetRun.prepare(
        data=data,
        split=split,
        sequences=options.parse_names(sequences),
        output=output,
        networks=NetworkChoice(
            fine_grained=fc,
            semantic=semantic,
            checkpoints=checkpoints,
            chosen=dict(zip(_SETTINGS, given, strict=True)),
            device=device,
            backend=backend,
            precision=precision,
        ),
    )
    if run.ranks.leads:
        typer.echo(run.describe(), err=True)
    with RunProgress(verbose=verbose) as progress:
        run.execute(progress, overwrite=overwrite, overlay=overlay)
    if run.ranks.leads:
        typer.echo(f"Masks: {run.output}")
