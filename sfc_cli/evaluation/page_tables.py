"""Tables of the page."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from math import isnan


def global_rows(names: Sequence[str], rows: Iterable[tuple[str, Mapping[str, float], str]]) -> str:
    """Return a table of runs and their global numbers.

    Args:
        names: The columns.
        rows: A label, the numbers by name, and how to format them.
    """
    head = "<thead><tr><th></th>" + "".join(f"<th>{escape(name)}</th>" for name in names) + "</tr></thead>"
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{numbers[name]:{form}}</td>" if name in numbers else "<td></td>" for name in names)
        + "</tr>"
        for label, numbers, form in rows
    )
    return f'<div class="wide" tabindex="0"><table>{head}<tbody>{body}</tbody></table></div>'


def sorting_table(columns: Iterable[tuple[str, str | None]], rows: Iterable[Sequence[str]]) -> str:
    """Return a table that sorts by the column whose heading is clicked.

    Args:
        columns: Headings, and whether to sort by ``text``, by ``number`` or not at all.
        rows: Cells, see ``name_cell``, ``number_cell`` and ``change_cell``.
    """
    heads = "".join(
        f'<th scope="col" data-sort="{kind}">{escape(name)}</th>'
        if kind
        else f'<th scope="col">{escape(name)}</th>'
        for name, kind in columns
    )
    body = "".join(f"<tr>{''.join(cells)}</tr>" for cells in rows)
    return (
        f'<div class="wide" tabindex="0"><table class="sorts"><thead><tr>{heads}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def name_cell(name: str) -> str:
    """Return the cell that names a row."""
    return f'<th scope="row">{escape(name)}</th>'


def number_cell(value: float | None) -> str:
    """Return the cell of a number, empty where there is none."""
    if value is None or isnan(value):
        return '<td data-value="-1"></td>'
    return f'<td data-value="{value!r}">{value:.3f}</td>'


def count_cell(count: int) -> str:
    """Return the cell of a whole number."""
    return f'<td data-value="{count}">{count:,}</td>'


def change_cell(value: float | None) -> str:
    """Return the cell of a difference, coloured by its sign."""
    if value is None or isnan(value):
        return '<td data-value="-1"></td>'
    kind = "gain" if value > 0 else "loss" if value < 0 else "same"
    return f'<td class="{kind}" data-value="{value!r}">{value:+.3f}</td>'
