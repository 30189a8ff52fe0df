"""Options that several commands share, so that they read and behave alike everywhere."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from sfc_cli.commands.help_screens import NETWORKS, OUTPUT, WHAT

DEBUG_KEY = "sfc_cli.debug"
# Where a command leaves a function that says what an interrupt leaves behind.
KEPT_KEY = "sfc_cli.kept"


def _remember_debug(ctx: typer.Context, value: bool) -> bool:
    if value:
        ctx.meta[DEBUG_KEY] = True
    return value


Debug = Annotated[
    bool,
    typer.Option("--debug", callback=_remember_debug, help="Show Python's traceback when something fails."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Print more details.", rich_help_panel=OUTPUT)]
Sequences = Annotated[
    str | None,
    typer.Option(
        help="Only these sequences, separated by commas.", metavar="NAME,NAME", rich_help_panel=WHAT
    ),
]
Resolution = Annotated[
    str | None,
    typer.Option(
        help="The folder between JPEGImages and the sequences, such as 1080p or Full-Resolution. "
        "[default: 480p, or the only one]",
        metavar="NAME",
        rich_help_panel=WHAT,
    ),
]
Checkpoints = Annotated[
    Path | None,
    typer.Option(
        help="The folder of checkpoints. "
        "[default: `checkpoints` in sfc.yaml, $SFC_CHECKPOINTS or ./checkpoints]",
        metavar="FOLDER",
        rich_help_panel=NETWORKS,
    ),
]

# Names of the library that are spelled otherwise on the command line.
_OPTION_OF_FIELD = {
    "fine_grained": "--fc",
    "frames_per_second": "--fps",
    "masks": "--mask",
}
_FIELD = re.compile(r"`(\w+)`")


def in_options(text: str, command: Any) -> str:
    """Replace the fields that the library names by a command's own options.

    Args:
        text: Such as "`top_k` is 0."
        command: The Click command; None leaves the text as it is.

    Returns:
        The text with, for instance, ``--top-k`` for each field that is an option of the command.
    """
    options = {
        param.name: param.opts[0]
        for param in getattr(command, "params", ())
        if param.param_type_name == "option"
    }
    known = set(options.values())

    def option(match: re.Match[str]) -> str:
        field = match[1]
        alias = _OPTION_OF_FIELD.get(field)
        return options.get(field) or (alias if alias in known else None) or match[0]

    return _FIELD.sub(option, text)


def parse_names(text: str | None) -> tuple[str, ...] | None:
    """Split a comma-separated option into names; None stays None (no choice made)."""
    if text is None:
        return None
    return tuple(name.strip() for name in text.split(",") if name.strip())


def set_up_logging(verbose: bool) -> None:
    """Send the library's remarks to standard error: warnings always, the rest with ``--verbose``."""
    import logging

    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    logging.getLogger("sfc_cli").setLevel(logging.INFO if verbose else logging.WARNING)
