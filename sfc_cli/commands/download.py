"""`sfc download`: fetch checkpoints and data sets, verify them, and say what is there."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfc_cli.commands.options import Checkpoints, Debug
from sfc_cli.errors import NetworkError, SfcError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sfc_cli.download.catalogue import Entry
    from sfc_cli.download.progress import Display

Names = Annotated[
    list[str] | None,
    typer.Argument(
        help="fc, crw, moco, simsiam, vfs, pixpro, imagenet, all of these with `all`, the data set davis, or "
        "a name from `download:` in sfc.yaml.",
        show_default=False,
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option(help="The folder of data sets. [default: `data` in sfc.yaml, $SFC_DATA or ./data]"),
]
Mirrors = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        envvar="SFC_MIRROR",
        help="Try URL/<file name> before the published addresses; may be given several times.",
    ),
]
Given = Annotated[
    Path | None,
    typer.Option(
        "--from",
        metavar="PATH",
        help="Take a file fetched by hand, or the files of a folder, and download nothing.",
    ),
]
Verify = Annotated[
    bool,
    typer.Option(
        "--verify", help="Check what is there and download nothing; with --force, read every byte again."
    ),
]


def download(
    names: Names = None,
    checkpoints: Checkpoints = None,
    data: DataFolder = None,
    force: Annotated[bool, typer.Option("--force", help="Fetch again what is there.")] = False,
    mirror: Mirrors = None,
    given: Given = None,
    show: Annotated[bool, typer.Option("--list", help="Show what can be fetched and what is there.")] = False,
    verify: Verify = False,
    jobs: Annotated[int, typer.Option(min=1, help="How many files to fetch at a time.")] = 1,
    debug: Debug = False,  # noqa: ARG001  # its callback remembers it
) -> None:
    """Fetch checkpoints and data sets: each is verified, and there whole or not at all."""
    from sfc_cli.download.catalogue import read_catalogue
    from sfc_cli.download.listing import print_table
    from sfc_cli.download.obtain import Request, check, obtain
    from sfc_cli.download.places import Places
    from sfc_cli.download.progress import open_display
    from sfc_cli.settings.locations import checkpoints_folder

    catalogue = read_catalogue()
    places = Places(checkpoints=checkpoints_folder(checkpoints), data=data)
    entries = catalogue.select(names) if names else list(catalogue.entries.values())
    if show:
        print_table(entries, places)
        return
    if verify:
        if given is not None:
            raise UsageError("--verify and --from exclude each other.", "--from verifies what it takes.")
        if not set(names or ()) - {"all"}:
            entries = [entry for entry in entries if places.target(entry).exists()]
        if not entries:
            typer.echo(f"nothing to verify: no known file in {places.checkpoints}")
    elif not names:
        raise UsageError("Say what to download.", f"Names: {', '.join(catalogue.names)}. See also --list.")
    request = Request(places=places, mirrors=tuple(mirror or ()), given=given, force=force)
    request.require_fit(entries)
    with open_display() as display:

        def work(entry: Entry) -> str:
            if verify:
                return check(entry, places, thorough=force)
            return obtain(entry, request, display.file(entry.name))

        _report(entries, work, jobs, display)


def _report(entries: Sequence[Entry], work: Callable[[Entry], str], jobs: int, display: Display) -> None:
    """Do the work, print a line for each entry, and exit with what went wrong; the network first."""
    from sfc_cli.download.obtain import in_turn

    codes = set()
    try:
        for entry, outcome in in_turn(entries, work, jobs):
            if isinstance(outcome, SfcError):
                codes.add(outcome.exit_code)
                display.error(f"error: {entry.name}: {outcome}")
            else:
                display.result(f"{entry.name}: {outcome}")
    except KeyboardInterrupt:
        display.error("stopped; type the same command to go on from there")
        raise
    if codes:
        raise typer.Exit(NetworkError.exit_code if NetworkError.exit_code in codes else max(codes))
