"""`sfc evaluate`: parse, call the library, print."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from sfc_cli.commands.completion import complete_benchmarks, complete_data, complete_scoring, complete_splits
from sfc_cli.commands.displays import open_display
from sfc_cli.commands.help_screens import MACHINE, OUTPUT, PROCEDURE, WHAT
from sfc_cli.commands.options import Debug, Sequences, Verbose, parse_names
from sfc_cli.wording import counted

Name = Annotated[
    str,
    typer.Argument(
        help="davis, youtube-vos, folder, jhmdb or vip.",
        metavar="BENCHMARK",
        autocompletion=complete_benchmarks,
        rich_help_panel=WHAT,
    ),
]
Truth = Annotated[
    str | None,
    typer.Option(
        help="The truth: a data set's name (see `sfc propagate`) or path. [default: the benchmark's name]",
        metavar="NAME",
        autocompletion=complete_data,
        rich_help_panel=WHAT,
    ),
]
Results = Annotated[
    Path | None,
    typer.Option(
        help="The masks to score: <sequence>/<frame>.png. [default: the newest run below results/<data>]",
        metavar="FOLDER",
        rich_help_panel=WHAT,
    ),
]
Split = Annotated[
    str | None,
    typer.Option(
        help="The split. [default: val; youtube-vos: valid; jhmdb: 1]",
        metavar="NAME",
        autocompletion=complete_splits,
        rich_help_panel=WHAT,
    ),
]
Year = Annotated[
    str | None,
    typer.Option(
        help="davis: 2017 scores every object, 2016 all objects as one. [default: 2017]",
        metavar="YEAR",
        rich_help_panel=PROCEDURE,
    ),
]
Task = Annotated[
    str | None,
    typer.Option(
        help="davis: semi-supervised, or unsupervised (proposals, matched to objects). "
        "[default: semi-supervised]",
        metavar="TASK",
        rich_help_panel=PROCEDURE,
    ),
]
Annotations = Annotated[
    str | None,
    typer.Option(
        help="davis: the folder of the truth. [default: Annotations; unsupervised: Annotations_unsupervised]",
        metavar="NAME",
        rich_help_panel=WHAT,
    ),
]
Scoring = Annotated[
    str | None,
    typer.Option(
        help="folder, youtube-vos: count frames and objects as another tool does: every-frame, "
        "from-appearance, vos-benchmark, vos-benchmark-d, davis-2017, lvos, mose or mosev2.",
        metavar="NAME",
        autocompletion=complete_scoring,
        rich_help_panel=PROCEDURE,
    ),
]
Skip = Annotated[
    str | None,
    typer.Option(
        help="folder, youtube-vos: leave out each sequence's first or last frame, or each object's own first "
        "(given) or from its own last on (gone); none for none.",
        metavar="first,last,given,gone",
        rich_help_panel=PROCEDURE,
    ),
]
Boundary = Annotated[
    str | None,
    typer.Option(
        help="The distance that F forgives: a share of the diagonal, pixels from 1 on, or object (by the "
        "object's size, as MOSEv2). [default: 0.008]",
        metavar="BOUND",
        rich_help_panel=PROCEDURE,
    ),
]
Disappearance = Annotated[
    bool,
    typer.Option(
        "--disappearance",
        help="Also measure J&F where an object is gone, and after it has come back.",
        rich_help_panel=PROCEDURE,
    ),
]
Stability = Annotated[
    bool,
    typer.Option(
        "--stability", help="Also measure T, the temporal stability of DAVIS-2016.", rich_help_panel=PROCEDURE
    ),
]
AllowMissing = Annotated[
    bool,
    typer.Option(
        "--allow-missing",
        help="Score sequences without results as zero, and leave out frames without truth, with a note.",
        rich_help_panel=PROCEDURE,
    ),
]
Json = Annotated[
    Path | None,
    typer.Option(help="Write all numbers at full precision as JSON.", metavar="FILE", rich_help_panel=OUTPUT),
]
Csv = Annotated[
    Path | None,
    typer.Option(
        help="Write tables as CSV; davis: those of the official tool.",
        metavar="FOLDER",
        rich_help_panel=OUTPUT,
    ),
]
PerFrame = Annotated[
    Path | None,
    typer.Option(help="Write J and F of every frame as CSV.", metavar="FILE", rich_help_panel=OUTPUT),
]
Page = Annotated[
    Path | None,
    typer.Option(
        help="Write an HTML page of numbers, curves, worst frames and settings.",
        metavar="FILE",
        rich_help_panel=OUTPUT,
    ),
]
Other = Annotated[
    list[Path] | None,
    typer.Option(
        help="Compare with other results, or with the JSON of an earlier evaluation; may be repeated.",
        metavar="RESULTS",
        rich_help_panel=OUTPUT,
    ),
]
Latex = Annotated[
    Path | None, typer.Option(help="Write LaTeX tables.", metavar="FILE", rich_help_panel=OUTPUT)
]
ShowPublished = Annotated[
    bool,
    typer.Option(
        "--published",
        help="Show the published numbers of the run's networks, and the difference.",
        rich_help_panel=OUTPUT,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        help="How many processes to use. [default: one a core]", metavar="N", rich_help_panel=MACHINE
    ),
]


def evaluate(
    benchmark: Name,
    data: Truth = None,
    results: Results = None,
    split: Split = None,
    sequences: Sequences = None,
    year: Year = None,
    task: Task = None,
    annotations: Annotations = None,
    scoring_protocol: Scoring = None,
    skip: Skip = None,
    boundary: Boundary = None,
    disappearance: Disappearance = False,
    stability: Stability = False,
    allow_missing: AllowMissing = False,
    json: Json = None,
    csv: Csv = None,
    per_frame: PerFrame = None,
    latex: Latex = None,
    report: Page = None,
    compare: Other = None,
    published: ShowPublished = False,
    workers: Workers = None,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001  (acts in its callback)
) -> None:
    """Score results against the truth, by the rules of a benchmark."""
    from sfc_cli.data.results import newest_run, runs_of
    from sfc_cli.evaluation.benchmarks import Benchmark, Outputs, require_benchmark
    from sfc_cli.evaluation.scoring_protocols import ScoringChoice
    from sfc_cli.settings.locations import find_data

    require_benchmark(benchmark)
    data = data or benchmark
    root = find_data(data)
    chosen = Benchmark(
        name=benchmark,
        data=root,
        split=split,
        sequences=parse_names(sequences),
        year=year,
        task=task,
        annotations=annotations,
        scoring=ScoringChoice(
            scoring_protocol=scoring_protocol,
            skip=parse_names(skip),
            boundary=boundary,
            disappearance=disappearance,
            stability=stability,
        ),
        allow_missing=allow_missing,
        workers=workers,
    )
    outputs = Outputs(
        json=json,
        csv=csv,
        per_frame=per_frame,
        latex=latex,
        report=report,
        compare=compare or (),
        published=published,
    )
    if results is None:
        # Runs on a data set that was given as a path are named after its folder.
        results = newest_run(runs_of(root.resolve().name if Path(data).expanduser() == root else data))
        typer.echo(f"results: {results} (the newest run)")
    started = perf_counter()
    # Scoring takes seconds: where nobody watches, its tables say enough.
    with open_display() if sys.stderr.isatty() else nullcontext() as progress:
        summary = outputs.run(chosen, results, progress)
    for warning in summary.warnings:
        typer.echo(f"warning: {warning}", err=True)
    typer.echo(summary.text)
    if verbose:
        typer.echo(f"\nscored {counted(summary.frames, 'frame')} in {perf_counter() - started:.1f} s")
        typer.echo("".join(f"wrote {path}\n" for path in summary.written), nl=False)
