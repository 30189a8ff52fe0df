"""`sfc download`: fetch checkpoints and data sets, verify them, and say what is there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfc_cli.commands.completion import complete_downloads
from sfc_cli.commands.displays import open_display
from sfc_cli.commands.help_screens import MACHINE, OUTPUT, WHAT
from sfc_cli.commands.options import KEPT_KEY, Checkpoints, Debug, in_options
from sfc_cli.errors import NetworkError, SfcError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sfc_cli.download.obtain import Request, Row
    from sfc_cli.download.storage import Folders

_UNLIMITED_WIDTH = 1000
_KEPT = "finished files are kept; type the same command to go on where the others stopped"

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="fc, crw, moco, simsiam, vfs, pixpro, imagenet, hvc; `all` for all of these; torchvision:NAME, "
        "timm:NAME, dinov2:s …; the data set davis; or a name from `download:` in sfc.yaml.",
        show_default=False,
        metavar="NAME",
        autocompletion=complete_downloads,
        rich_help_panel=WHAT,
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option(
        help="The folder of data sets. [default: `data` in sfc.yaml, $SFC_DATA or ./data]",
        metavar="FOLDER",
        rich_help_panel=OUTPUT,
    ),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        envvar="SFC_MIRROR",
        help="Try URL/<file name> before the published addresses. May be repeated.",
        rich_help_panel=WHAT,
    ),
]
Given = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="PATH",
        help="Take a file that you fetched by hand, or the files in a folder, and download nothing.",
        rich_help_panel=WHAT,
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify",
        help="Check the files that are there and download nothing; with --force, read every byte.",
        rich_help_panel=WHAT,
    ),
]

Json = Annotated[
    bool,
    typer.Option(
        "--json",
        help="For programs: write progress to standard output, one JSON object a line.",
        rich_help_panel=OUTPUT,
    ),
]


def download(
    ctx: typer.Context,
    names: Names = None,
    checkpoints: Checkpoints = None,
    data: DataFolder = None,
    force: Annotated[
        bool,
        typer.Option("--force", help="Download files again even if they are there.", rich_help_panel=OUTPUT),
    ] = False,
    mirror: Mirrors = None,
    given: Given = None,
    show: Annotated[
        bool,
        typer.Option("--list", help="List what can be fetched, and what is there.", rich_help_panel=WHAT),
    ] = False,
    verify: Verify = False,
    jobs: Annotated[
        int,
        typer.Option(min=1, help="How many files to fetch at a time.", metavar="N", rich_help_panel=MACHINE),
    ] = 1,
    json: Json = False,
    debug: Debug = False,  # noqa: ARG001  # its callback remembers it
) -> None:
    """Download checkpoints and data sets. Each is verified, and appears whole or not at all."""
    from sfc_cli.download.catalogue import read_catalogue
    from sfc_cli.download.obtain import Request, list_rows
    from sfc_cli.download.storage import Folders
    from sfc_cli.settings.locations import checkpoints_folder

    ctx.meta[KEPT_KEY] = lambda: _KEPT
    catalogue = read_catalogue()
    folders = Folders(checkpoints=checkpoints_folder(checkpoints), data=data)
    entries = catalogue.select(names) if names else list(catalogue.entries.values())
    if show:
        _show(list_rows(entries, folders), folders, json=json)
        return
    if not names and not verify:
        raise UsageError("Say what to download.", f"Names: {', '.join(catalogue.names)}. See also --list.")
    if verify and not set(names or ()) - {"all"}:
        entries = [entry for entry in entries if folders.path_of(entry).exists()]
    request = Request(
        entries=tuple(entries),
        folders=folders,
        mirrors=tuple(mirror or ()),
        given=given,
        force=force,
        verify=verify,
        jobs=jobs,
    )
    _carry_out(request, ctx.command, json=json)


def _show(rows: Sequence[Row], folders: Folders, *, json: bool) -> None:
    """Print a line for each download on standard output; nothing is cut where that is not a terminal."""
    if json:
        with open_display(json_lines=True) as display:
            for row in rows:
                display.say(f"{row.name}: {row.state}", **row._asdict())
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=_UNLIMITED_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in rows[0]._fields:
        # The file names are long; on a narrow terminal they are the ones to be folded.
        table.add_column(column, overflow="fold", no_wrap=column in {"name", "state", "paper"})
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)
    console.print(f"checkpoints: {folders.checkpoints}", markup=False, highlight=False, soft_wrap=True)


def _carry_out(request: Request, command: object, *, json: bool) -> None:
    """Do what is asked, say how each download ended, and exit with what went wrong; the network first."""
    from sfc_cli.download.obtain import obtain

    codes = set()
    # Results go to standard output; if it is the bars' own terminal, the display writes them above the bars.
    by_display = json or (sys.stdout.isatty() and sys.stderr.isatty())
    with open_display(json_lines=json, each_part=True) as display:
        if not request.entries:
            nothing = f"nothing to verify: no known file in {request.folders.checkpoints}"
            display.say(nothing) if by_display else typer.echo(nothing)
        try:
            for entry, outcome in obtain(request, display):
                if isinstance(outcome, SfcError):
                    codes.add(outcome.exit_code)
                    text = f"error: {entry.name}: {in_options(str(outcome), command)}"
                    display.say(text, part=entry.name, exit_code=outcome.exit_code)
                elif by_display:
                    display.finish(entry.name, outcome, path=str(request.folders.path_of(entry)))
                else:
                    typer.echo(f"{entry.name}: {outcome}")
        except KeyboardInterrupt:
            if json:
                display.say(_KEPT)
            raise
    if codes:
        raise typer.Exit(NetworkError.exit_code if NetworkError.exit_code in codes else max(codes))
