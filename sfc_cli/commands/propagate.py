"""``sfc propagate``: masks for every frame of a video, or of a data set's sequences."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from sfc_cli.commands import options
from sfc_cli.commands import propagate_options as own
from sfc_cli.commands.options import Checkpoints, Debug, Verbose
from sfc_cli.errors import UsageError
from sfc_cli.settings.locations import DEFAULT_DATA
from sfc_cli.settings.propagation import DEFAULT_SIZE, OutputChoice, SettingsChoice, read_long_memory

if TYPE_CHECKING:
    from sfc_cli.inference.own_video import OwnVideo
    from sfc_cli.inference.run import Run

# What the lines at the end of a run begin with.
_LABELS = {
    "masks": "Masks",
    "overlay": "Overlay",
    "cutout": "Cut-outs",
    "soft": "Soft labels",
    "objects": "Table of objects",
}


def propagate(
    ctx: typer.Context,
    clip: own.VideoFiles = None,
    mask: own.Masks = None,
    both_ways: own.BothWays = False,
    backwards: own.Backwards = False,
    start: own.Start = None,
    end: own.End = None,
    every: own.Every = None,
    size: own.Size = None,
    strict_size: own.StrictSize = False,
    fps: own.Fps = None,
    strict_video: own.StrictVideo = False,
    data: own.DataSet = None,
    split: own.DataSplit = None,
    resolution: options.Resolution = None,
    annotations: own.Annotations = None,
    filelist: own.FileList = None,
    sequences: options.Sequences = None,
    fc: own.FineGrained = None,
    semantic: own.Semantic = None,
    checkpoints: Checkpoints = None,
    output: own.Output = None,
    overlay: own.Overlay = None,
    cutout: own.Cutout = None,
    audio: own.Audio = False,
    soft: own.Soft = False,
    top_k: own.TopK = None,
    radius: own.Radius = None,
    temperature: own.Temperature = None,
    context_frames: own.ContextFrames = None,
    fusion_weight: own.FusionWeight = None,
    batchnorm: own.BatchNorm = None,
    layer: own.Layer = None,
    stride: own.Stride = None,
    key_prefix: own.KeyPrefix = None,
    protocol: own.ProtocolName = None,
    whitening: own.Whitening = None,
    shallow_weight: own.ShallowWeight = None,
    channels: own.Channels = None,
    label_patch: own.LabelPatch = None,
    object_reach: own.ObjectReach = None,
    edge_refinement: own.EdgeRefinement = None,
    long_memory: own.LongMemory = None,
    device: own.Device = "auto",
    backend: own.BackendName = "auto",
    precision: own.PrecisionName = None,
    overwrite: own.Overwrite = False,
    json: own.JsonLines = False,
    quiet: own.Quiet = False,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Propagate masks through a video or a data set.

    `sfc propagate CLIP --mask FIRST.png -o OUT` takes your own video, `sfc propagate --data davis` a data
    set. The default network is `mini`, which comes with sfc. Masks are written as indexed PNGs to
    <output>/<sequence>/<frame>.png, with run.json beside them. To continue an interrupted run, type the same
    command again.
    """
    _require_one_subject(clip, mask, ctx)

    if not (json or quiet):
        # At once: what follows takes seconds to load.
        typer.echo(f"Opening {clip[0] if clip else data or DEFAULT_DATA} …", err=True)

    from sfc_cli.commands.displays import open_display
    from sfc_cli.commands.price import Priced
    from sfc_cli.core.encoders import NetworkOptions
    from sfc_cli.inference.chosen_data import DataChoice
    from sfc_cli.inference.networks import NetworkChoice
    from sfc_cli.inference.run import Run

    options.set_up_logging(verbose)
    networks = NetworkChoice(
        fine_grained=fc,
        semantic=semantic,
        checkpoints=checkpoints,
        settings=SettingsChoice(
            top_k=top_k,
            radius=radius,
            temperature=temperature,
            context_frames=context_frames,
            fusion_weight=fusion_weight,
            batchnorm=batchnorm,
            whitening=whitening,
            shallow_weight=shallow_weight,
            channels=channels,
            label_patch=label_patch,
            object_reach=object_reach,
            edge_refinement=edge_refinement,
            long_memory=None if long_memory is None else read_long_memory(long_memory),
        ),
        protocol=protocol,
        device=device,
        backend=backend,
        precision=precision,
        options=NetworkOptions(layer=layer, stride=stride, key_prefix=key_prefix),
    )
    with open_display(ctx.command, json_lines=json, quiet=quiet) as progress:
        if clip:
            # The published procedure never enlarges; a size that was typed is meant either way.
            enlarge = size is not None or protocol != "published"
            video = _open_video(
                clip,
                mask or [],
                both_ways,
                backwards,
                start,
                end,
                every,
                size,
                enlarge,
                strict_size,
                fps,
                strict_video,
            )
            run = Run.over_video(video, output=output, networks=networks)
            remarks, sequence = video.remarks(), video.sequence.name
        else:
            chosen = DataChoice(
                data=data,
                annotations=annotations,
                filelist=filelist,
                split=split,
                resolution=resolution,
                sequences=options.parse_names(sequences),
                size=size or None,
            )
            run = Run.over_dataset(chosen, output=output, networks=networks)
            remarks, sequence = [], None
        if run.ranks.leads:
            for line in (run.describe(), *remarks):
                progress.say(line)
        if run.ranks.leads:
            ctx.meta[options.KEPT_KEY] = run.kept
        choice = OutputChoice(overlay=overlay, cutout=cutout, soft=soft, objects=bool(clip), audio=audio)
        told = progress if json or quiet or not run.ranks.leads else Priced(progress, run)
        run.execute(told, choice, overwrite=overwrite)
        written = run.results.written(sequence, choice)
        lines = [f"{_LABELS[kind]}: {path}" for kind, path in written.items()]
        if json and run.ranks.leads:
            facts = {kind: str(path) for kind, path in written.items()}
            progress.say("\n".join(lines), **facts)
    if run.ranks.leads and not (json or quiet):
        typer.echo("\n".join(lines))
        typer.echo(f"Next: {_next_step(run, choice)}", err=True)


def _next_step(run: Run, choice: OutputChoice) -> str:
    """Return what is usually done with the results of a run."""
    if run.record.video is None:
        return f"sfc evaluate davis --data {run.record.dataset} --results {run.results.root}"
    if choice.overlay is None:
        return "the same command with --overlay adds a film to look at, with --cutout the objects alone"
    least = run.record.sequences.get(run.sequences[0].name, {}).get("least_sure")
    frame = least["frame"] if least else "FRAME"
    return f"paint a frame that went wrong, and add it: --mask {frame}:FILE --overwrite"


def _open_video(
    sources: list[str],
    masks: list[str],
    both_ways: bool,
    backwards: bool,
    start: str | None,
    end: str | None,
    every: str | None,
    size: int | None,
    enlarge: bool,
    strict_size: bool,
    fps: float | None,
    strict_video: bool,
) -> OwnVideo:
    from sfc_cli.data.videos import Selection, parse_moment
    from sfc_cli.inference.given_masks import FrameMask
    from sfc_cli.inference.own_video import open_own_video

    return open_own_video(
        sources,
        masks=[FrameMask.parse(text) for text in masks],
        selection=Selection(
            start=None if start is None else parse_moment(start, "start"),
            end=None if end is None else parse_moment(end, "end"),
            every=None if every is None else parse_moment(every, "every"),
        ),
        both_ways=both_ways,
        backwards=backwards,
        size=DEFAULT_SIZE if size is None else size or None,
        enlarge=enlarge,
        strict_size=strict_size,
        frames_per_second=fps,
        strict_video=strict_video,
    )


def _require_one_subject(clip: list[str] | None, mask: list[str] | None, ctx: typer.Context) -> None:
    """Make sure that a video or a data set is meant, not a bit of both.

    Raises:
        UsageError: If options of both are given, or a video has no mask.
    """
    if not clip:
        for param in ctx.command.params:
            if param.name in own.VIDEO_OPTIONS and ctx.params.get(param.name):
                option = param.opts[0]
                raise UsageError(
                    f"{option} needs a video.", f"Name it: sfc propagate CLIP {option} … --mask FILE."
                )
        return
    for name in own.DATA_OPTIONS:
        if (value := ctx.params.get(name)) is not None:
            raise UsageError(
                f"--{name} {value} beside the video {clip[0]}.",
                "Name a video with --mask, or a data set with --data.",
            )
    if not mask:
        raise UsageError(
            f"The video {clip[0]} has no mask to start from.",
            f"Write its first frame (sfc convert {clip[0]} first.png --to frame), paint every object in a "
            f"colour of its own on black, and give that file: sfc propagate {clip[0]} --mask FILE. (A data "
            "set is named by --data.)",
        )
