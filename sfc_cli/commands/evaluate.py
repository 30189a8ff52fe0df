"""`sfc evaluate`: parse, call the library, print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from sfc_cli.commands.options import Debug, Sequences, Split, Verbose, parse_names
from sfc_cli.errors import UsageError

BENCHMARKS = ("davis",)


def evaluate(
    benchmark: Annotated[str, typer.Argument(help="The benchmark: davis.")],
    data: Annotated[
        str | None,
        typer.Option(
            help="The truth: a data set's name (sample, davis, or a name from sfc.yaml, $SFC_DATA or ./data) "
            "or a path. [default: the benchmark's name]"
        ),
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="The folder of masks, <sequence>/<frame>.png. [default: the newest run below results/<data>]"
        ),
    ] = None,
    split: Split = "val",
    sequences: Sequences = None,
    year: Annotated[
        str, typer.Option(help="2017: every object; 2016: all that is not background as one object.")
    ] = "2017",
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Score sequences without results as zero, and say so.")
    ] = False,
    json: Annotated[
        Path | None, typer.Option(help="Write all numbers at full precision.", metavar="FILE")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(help="Write the official tool's two tables.", metavar="DIR")
    ] = None,
    per_frame: Annotated[
        Path | None, typer.Option(help="Write J and F of every frame and object.", metavar="FILE")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="How many processes. [default: one a core]", metavar="N")
    ] = None,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001  (acts in its callback)
) -> None:
    """Score results against the truth with a benchmark's own numbers."""
    if benchmark not in BENCHMARKS:
        raise UsageError(f"No benchmark {benchmark!r}.", f"Choose one of: {', '.join(BENCHMARKS)}.")
    from sfc_cli.evaluation import evaluate_davis, export, tables
    from sfc_cli.evaluation.runs import newest_run
    from sfc_cli.settings.locations import find_data

    name = data or benchmark
    root = find_data(name)
    if results is None:
        results = newest_run(Path("results") / root.name)
        typer.echo(f"results: {results} (the newest run)")
    started = perf_counter()
    with _progress() as on_progress:
        report = evaluate_davis(
            root,
            results,
            split=split,
            sequences=parse_names(sequences),
            workers=workers,
            year=year,
            allow_missing=allow_missing,
            on_progress=on_progress,
        )
    if verbose:
        typer.echo(f"scored {report.frame_count:,} frames in {perf_counter() - started:.1f} s")
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(
        "\n\n".join((tables.heading(report), tables.global_table(report), tables.object_table(report)))
    )
    if json:
        export.write_json(report, json)
    if csv:
        export.write_tables(report, csv)
    if per_frame:
        export.write_frames(report, per_frame)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None] | None]:
    """Show how many frames are scored, on a terminal alone; without a thread, because workers are forked."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), auto_refresh=False, transient=True) as bar:
        task = bar.add_task("scoring frames", total=None)

        def advance(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total, refresh=True)

        yield advance
