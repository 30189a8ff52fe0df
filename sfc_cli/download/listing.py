"""The table of what can be downloaded and what is there."""

from __future__ import annotations

from collections.abc import Sequence

from sfc_cli.download.catalogue import Entry
from sfc_cli.download.places import Places, describe
from sfc_cli.download.sources import host_of

COLUMNS = ("name", "state", "size", "file", "source", "licence", "paper")
UNLIMITED_WIDTH = 1000


def print_table(entries: Sequence[Entry], places: Places) -> None:
    """Print one line for each entry on standard output; nothing is cut where that is not a terminal."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    if not console.is_terminal:
        console = Console(width=UNLIMITED_WIDTH)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for column in COLUMNS:
        # The file names are long; on a narrow terminal they are the ones to be folded.
        table.add_column(column, overflow="fold", no_wrap=column in {"name", "state", "paper"})
    for entry in entries:
        size, state = describe(entry, places)
        host = host_of(entry.sources[0]) if entry.sources else "by hand"
        cells = (entry.name, state, size, entry.file, host, entry.licence, entry.paper)
        table.add_row(*(Text(cell) for cell in cells))
    console.print(table)
    console.print(f"checkpoints: {places.checkpoints}", markup=False, highlight=False, soft_wrap=True)
