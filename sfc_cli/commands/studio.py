"""``sfc studio``: paint masks in the browser, watch them propagate, correct them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfc_cli.commands import options
from sfc_cli.commands import propagate_options as own
from sfc_cli.commands.help_screens import MACHINE, OUTPUT, WHAT
from sfc_cli.commands.options import Checkpoints, Debug, Verbose
from sfc_cli.errors import UsageError, require_package


def studio(
    clip: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CLIP|RESULTS]",
            help="Your video: a video file, a folder of images, a pattern in quotes or several images; or "
            "the results folder of a run over a video, to correct it. [default: the bundled sample]",
            rich_help_panel=WHAT,
        ),
    ] = None,
    start: own.Start = None,
    end: own.End = None,
    every: own.Every = None,
    size: own.Size = None,
    fps: own.Fps = None,
    fc: own.FineGrained = None,
    semantic: own.Semantic = None,
    checkpoints: Checkpoints = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The folder of results. [default: results/<clip>/studio]",
            metavar="FOLDER",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    device: own.Device = "auto",
    port: Annotated[
        int,
        typer.Option(
            min=0,
            max=65535,
            metavar="PORT",
            help="The port; 0 takes one that is free.",
            rich_help_panel=MACHINE,
        ),
    ] = 0,
    browser: Annotated[
        bool,
        typer.Option(
            "--browser/--no-browser", help="Open the page in your browser.", rich_help_panel=MACHINE
        ),
    ] = True,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Paint masks in your browser, propagate and correct them.

    `sfc studio clip.mp4` serves a page on this machine alone: draw a loop around an object and a stroke on
    it, propagate, mend frames that went wrong, export. What it writes is the results folder of
    `sfc propagate`. Everything is saved as it happens. Close the page or press Ctrl-C to end it.
    """
    for package in ("starlette", "uvicorn"):
        require_package(package, "studio", "`sfc studio`")
    options.set_up_logging(verbose)

    from sfc_cli.studio.command_line import Opening
    from sfc_cli.studio.reopening import is_results, reopen, take_over_masks
    from sfc_cli.studio.server import open_browser, open_studio

    chosen = {"fine_grained": fc, "semantic": semantic, "checkpoints": checkpoints}
    networks = {name: value for name, value in chosen.items() if value is not None}
    if device != "auto":
        networks["device"] = device
    sources = clip or [_sample()]
    is_run = len(sources) == 1 and is_results(Path(sources[0]))
    if is_run:
        if output is not None and output.resolve() != Path(sources[0]).resolve():
            raise UsageError("`output` beside a results folder.", "A run is corrected where it lies.")
        opening = reopen(
            Path(sources[0]), start=start, end=end, every=every, frames_per_second=fps, size=size
        )
        opening.networks.update(networks)
    else:
        opening = Opening(
            sources=sources,
            output=output,
            start=start,
            end=end,
            every=every,
            frames_per_second=fps,
            size=size,
            networks=networks,
        )
    with open_studio(opening, port=port) as serving:
        if is_run:
            take_over_masks(serving.bench)
        if serving.bench.was_restored:
            typer.echo(f"Going on with what was painted before: {serving.bench.project.folder}")
        typer.echo(f"Open {serving.address}  (Ctrl-C ends it)")
        if browser:
            open_browser(serving.address, typer.echo)
        serving.run()
    typer.echo(f"Results: {serving.bench.results.root}")


def _sample() -> str:
    from sfc_cli.settings.locations import SAMPLE_NAME, find_data

    folder = find_data(SAMPLE_NAME) / "JPEGImages" / "480p"
    return str(next(iter(sorted(folder.iterdir()))))
