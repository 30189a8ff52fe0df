"""``sfc propagate``: masks for every frame of a clip, or of a data set's sequences."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from sfc_cli.commands import footage, options
from sfc_cli.commands import propagate_options as own
from sfc_cli.commands.options import Checkpoints, Debug, Verbose
from sfc_cli.settings.propagation import OutputChoice

if TYPE_CHECKING:
    from sfc_cli.commands.progress import RunProgress
    from sfc_cli.inference.networks import NetworkChoice

_SETTINGS = ("top_k", "radius", "temperature", "context_frames", "fusion_weight", "batchnorm")


def propagate(
    clip: footage.Footage = None,
    mask: footage.Masks = None,
    both_ways: footage.BothWays = False,
    start: footage.Start = None,
    end: footage.End = None,
    every: footage.Every = None,
    size: footage.Size = None,
    fps: footage.Fps = None,
    data: own.DataSet = None,
    split: own.DataSplit = None,
    sequences: options.Sequences = None,
    fc: own.FineGrained = None,
    semantic: own.Semantic = None,
    checkpoints: Checkpoints = None,
    output: own.Output = None,
    overlay: own.Overlay = None,
    cutout: own.Cutout = False,
    soft: own.Soft = False,
    top_k: own.TopK = None,
    radius: own.Radius = None,
    temperature: own.Temperature = None,
    context_frames: own.ContextFrames = None,
    fusion_weight: own.FusionWeight = None,
    batchnorm: own.BatchNorm = None,
    device: own.Device = "auto",
    backend: own.BackendName = "auto",
    precision: own.PrecisionName = "exact",
    overwrite: own.Overwrite = False,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Propagate masks through a clip of yours, or each sequence's first mask through a data set.

    `sfc propagate CLIP --mask FIRST.png -o OUT` for your own footage, `sfc propagate --data davis` for a data
    set; by default with the bundled network `mini`. Writes <output>/<sequence>/<frame>.png (indexed) and
    run.json. An interrupted run over a data set continues when retyped.
    """
    from sfc_cli.commands.progress import RunProgress
    from sfc_cli.inference.networks import NetworkChoice

    options.set_up_logging(verbose)
    typed = footage.FootageChoice(
        sources=tuple(clip or ()),
        masks=tuple(mask or ()),
        both_ways=both_ways,
        start=start,
        end=end,
        every=every,
        size=size,
        fps=fps,
    )
    typed.require_consistent({"--data": data, "--split": split, "--sequences": sequences})
    given = (top_k, radius, temperature, context_frames, fusion_weight, batchnorm)
    networks = NetworkChoice(
        fine_grained=fc,
        semantic=semantic,
        checkpoints=checkpoints,
        chosen=dict(zip(_SETTINGS, given, strict=True)),
        device=device,
        backend=backend,
        precision=precision,
    )
    choice = OutputChoice(overlay=overlay, cutout=cutout, soft=soft, objects=bool(typed.sources))
    results: Path | None
    with RunProgress(verbose=verbose) as progress:
        if typed.sources:
            results = footage.propagate_clip(typed, networks, output, choice, overwrite, progress)
        else:
            data_set = (data or "davis", split, options.parse_names(sequences))
            results = _propagate_data(*data_set, networks, output, choice, overwrite, progress)
    if results is not None:
        typer.echo(f"Masks: {results}")


def _propagate_data(
    data: str,
    split: str | None,
    sequences: tuple[str, ...] | None,
    networks: NetworkChoice,
    output: Path | None,
    choice: OutputChoice,
    overwrite: bool,
    progress: RunProgress,
) -> Path | None:
    from sfc_cli.inference.dataset import DatasetRun

    run = DatasetRun.prepare(data=data, split=split, sequences=sequences, output=output, networks=networks)
    if run.ranks.leads:
        typer.echo(run.describe(), err=True)
    run.execute(progress, overwrite=overwrite, choice=choice)
    return run.output if run.ranks.leads else None
