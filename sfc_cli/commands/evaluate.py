"""`sfc evaluate`: parse, call the library, print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from sfc_cli.commands.options import Debug, Sequences, Verbose, parse_names

Name = Annotated[str, typer.Argument(help="davis, youtube-vos, folder, jhmdb or vip.", metavar="BENCHMARK")]
Truth = Annotated[
    str | None,
    typer.Option(
        help="The truth: a data set's name (see `sfc propagate`) or a path. [default: the benchmark's name]"
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(help="The masks, <sequence>/<frame>.png. [default: the newest run below results/<data>]"),
]
Split = Annotated[
    str | None, typer.Option(help="[default: val; youtube-vos: valid; jhmdb: 1]", metavar="NAME")
]
Year = Annotated[
    str | None, typer.Option(help="davis: 2017, every object; 2016, all but background. [default: 2017]")
]
Task = Annotated[str | None, typer.Option(help="davis: semi-supervised or unsupervised (matched proposals).")]
AllowMissing = Annotated[
    bool, typer.Option("--allow-missing", help="Score sequences without results as zero, and say so.")
]
Json = Annotated[Path | None, typer.Option(help="Write all numbers at full precision.", metavar="FILE")]
Csv = Annotated[Path | None, typer.Option(help="Write the official DAVIS tool's two tables.", metavar="DIR")]
PerFrame = Annotated[Path | None, typer.Option(help="Write J and F of each frame as CSV.", metavar="FILE")]
Page = Annotated[
    Path | None,
    typer.Option(help="Write one HTML page: numbers, curves, worst frames, settings.", metavar="FILE"),
]
Other = Annotated[
    Path | None, typer.Option(help="Set other results beside these, object by object.", metavar="RESULTS")
]
ShowPublished = Annotated[
    bool,
    typer.Option("--published", help="Show the published row of the run's networks, and the difference."),
]
Workers = Annotated[int | None, typer.Option(help="How many processes. [default: one a core]", metavar="N")]


def evaluate(
    benchmark: Name,
    data: Truth = None,
    results: Results = None,
    split: Split = None,
    sequences: Sequences = None,
    year: Year = None,
    task: Task = None,
    allow_missing: AllowMissing = False,
    json: Json = None,
    csv: Csv = None,
    per_frame: PerFrame = None,
    report: Page = None,
    compare: Other = None,
    published: ShowPublished = False,
    workers: Workers = None,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001  (acts in its callback)
) -> None:
    """Score results against the truth with a benchmark's own numbers."""
    from sfc_cli.evaluation.benchmarks import Benchmark, require_benchmark
    from sfc_cli.evaluation.outputs import Outputs
    from sfc_cli.evaluation.runs import newest_run, runs_of
    from sfc_cli.settings.locations import find_data

    require_benchmark(benchmark)
    root = find_data(data or benchmark)
    chosen = Benchmark(
        name=benchmark,
        data=root,
        split=split,
        sequences=parse_names(sequences),
        year=year,
        task=task,
        allow_missing=allow_missing,
        workers=workers,
    )
    outputs = Outputs(
        json=json, csv=csv, per_frame=per_frame, page=report, compare=compare, published=published
    )
    if results is None:
        results = newest_run(runs_of(data or benchmark, root))
        typer.echo(f"results: {results} (the newest run)")
    started = perf_counter()
    with _progress() as on_progress:
        outcome = outputs.run(chosen, results, on_progress)
    for warning in outcome.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(outcome.text)
    if verbose:
        typer.echo(f"\nscored {outcome.frames:,} frames in {perf_counter() - started:.1f} s")
        typer.echo("".join(f"wrote {path}\n" for path in outcome.written), nl=False)


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
        yield lambda done, total: bar.update(task, completed=done, total=total, refresh=True)
