"""Help in panels that fit a terminal of 80 columns, with examples at the end.

Plain text instead of Typer's boxes: Rich takes longer to load than everything else that a help screen needs,
and its borders leave half of a narrow line for words.
"""

from __future__ import annotations

import inspect
from typing import Any

from typer.core import TyperCommand

# The panels of every command, in this order.
WHAT, NETWORKS, PROCEDURE, OUTPUT, MACHINE = "What", "Networks", "Procedure", "Output", "Machine"
PANELS = (WHAT, NETWORKS, PROCEDURE, OUTPUT, MACHINE)
_OTHERS = "Other options"
_WIDEST_NAMES = 26


class PanelCommand(TyperCommand):
    """A command whose help groups its options by ``rich_help_panel`` and shows its examples line by line."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write each panel under its heading."""
        panels: dict[str, list[tuple[str, str]]] = {name: [] for name in (*PANELS, _OTHERS)}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is None:
                continue
            if param.param_type_name == "argument":
                # Typer adds the Python type.
                record = param.metavar or record[0], record[1]
            panels[getattr(param, "rich_help_panel", None) or _OTHERS].append(record)
        for name, rows in panels.items():
            if rows:
                with formatter.section(name):
                    formatter.write_dl(rows, col_max=_WIDEST_NAMES)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - Click's own name
        """Write the examples as they are typed, a line each."""
        write_examples(self.epilog, formatter)


def write_examples(examples: str | None, formatter: Any) -> None:
    """Write examples under their heading, as they are typed, a line each."""
    if examples:
        with formatter.section("Examples"):
            for line in inspect.cleandoc(examples).splitlines():
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")
