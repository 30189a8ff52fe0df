"""Scores as LaTeX tables, to be pasted into a paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sfc_cli.evaluation.comparison import Comparison, RatesComparison
from sfc_cli.evaluation.report import Rates, Report

_SPECIAL = {"\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}"}
_SPECIAL |= {character: f"\\{character}" for character in "&%$#_{}"}


def latex_tables(
    result: Report | Rates, comparisons: Sequence[Comparison] | Sequence[RatesComparison] = ()
) -> str:
    """Return two tables in percent: all runs with their global numbers, and one run by sequence.

    They need the package booktabs.
    """
    names = list(result.global_scores)
    runs: list[tuple[str, Mapping[str, float]]] = [(result.results.name, result.global_scores)]
    runs += [(each.second.results.name, each.second.global_scores) for each in comparisons]
    rows = [(name, [numbers.get(key) for key in names]) for name, numbers in runs]
    counted = result.protocol.described() if isinstance(result, Report) else f"Counted: {result.counted}."
    split = "" if result.benchmark.endswith(result.split) else f" {result.split}"
    parts = [f"% {result.benchmark}{split}. {counted}", _table("Run", names, rows)]
    sequences = result.per_sequence
    if sequences:
        columns = list(next(iter(sequences.values())))
        parts.append(
            _table("Sequence", columns, [(name, list(each.values())) for name, each in sequences.items()])
        )
    return "\n".join(parts)


def _table(corner: str, names: Sequence[str], rows: Sequence[tuple[str, Sequence[float | None]]]) -> str:
    lines = [
        rf"\begin{{tabular}}{{l{'r' * len(names)}}}",
        r"\toprule",
        " & ".join((corner, *map(escaped, names))) + r" \\",
        r"\midrule",
        *(" & ".join((escaped(name), *map(_percent, values))) + r" \\" for name, values in rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _percent(value: float | None) -> str:
    return "--" if value is None or value != value else f"{100 * value:.1f}"


def escaped(text: str) -> str:
    """Return text that LaTeX prints as it is."""
    return "".join(_SPECIAL.get(character, character) for character in text)
