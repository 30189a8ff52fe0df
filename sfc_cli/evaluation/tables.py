"""An evaluation as text for a terminal."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from sfc_cli.data.sequence_names import in_short
from sfc_cli.evaluation.bootstrap import in_words
from sfc_cli.evaluation.comparison import Comparison, Published, RatesComparison, known_networks
from sfc_cli.evaluation.report import GLOBAL_NAMES, OBJECT_NAMES, Rates, Report
from sfc_cli.evaluation.saved_scores import SavedScores
from sfc_cli.wording import counted

_MOST_LISTED = 5


def heading(report: Report) -> str:
    """Return what was scored against what, how much of it, which frames count, and what is missing."""
    line = f"{report.benchmark} {report.split}: {report.results} against {report.data}; {counts(report)}"
    return "\n".join((line, report.protocol.described(), *notes(report)))


def notes(report: Report) -> list[str]:
    """Return the sentences that stand in every output if results or truth are not whole."""
    found = []
    if report.missing:
        found.append(missing_note(report))
    if report.lacking_truth:
        found.append(lacking_note(report))
    return found


def counts(report: Report) -> str:
    """Return how many sequences, objects and frames were scored."""
    numbers = (len(report.sequences), len(report.objects), report.frame_count)
    words = ("sequence", "object", "scored frame")
    return ", ".join(counted(number, word) for number, word in zip(numbers, words, strict=True))


def missing_note(report: Report | SavedScores) -> str:
    """Return the sentence that stands in every output if sequences are missing."""
    share = f"{len(report.missing)} of {counted(report.sequence_count, 'sequence')}"
    return f"{share} without results, scored as zero: {', '.join(report.missing)}"


def lacking_note(report: Report) -> str:
    """Return the sentence that stands in every output if frames have no truth."""
    frames = sum(len(names) for names in report.lacking_truth.values())
    named = [f"{name} {in_short(names, _MOST_LISTED)}" for name, names in report.lacking_truth.items()]
    return (
        f"THE TRUTH IS NOT WHOLE: {counted(frames, 'frame')} without annotation do not count, and these "
        f"numbers are not comparable with others: {in_short(named, _MOST_LISTED)}"
    )


def global_table(report: Report) -> str:
    """Return the global numbers under their official names."""
    scores = report.global_scores
    return aligned([list(scores), [f"{value:.6f}" for value in scores.values()]])


def object_table(report: Report) -> str:
    """Return a line per object with its numbers."""
    matched = any(scores.matched is not None for scores in report.objects)
    rows: list[Sequence[str]] = [
        ("Object", *OBJECT_NAMES, *report.extra_names, *(("Proposal",) if matched else ()))
    ]
    for scores in report.objects:
        numbers = [f"{scores.statistics[name]:.3f}" for name in OBJECT_NAMES]
        numbers += ["-" if math.isnan(value) else f"{value:.3f}" for value in scores.extras.values()]
        proposal = ["none" if scores.matched is None else str(scores.matched)] if matched else []
        rows.append([scores.name, *numbers, *proposal])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Align rows of text in columns, the first to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def comparison_tables(comparison: Comparison) -> str:
    """Return both runs' global numbers with their difference and its interval, and a line per object."""
    first, second, label = comparison.first, comparison.second, comparison.label
    objects: list[Sequence[str]] = [
        ("Object (J&F-Mean)", "A", label, f"A - {label}", f"J: A - {label}", f"F: A - {label}")
    ]
    for row in comparison.objects:
        both = (f"{row.first['J&F-Mean']:.3f}", f"{row.second['J&F-Mean']:.3f}")
        objects.append((row.name, *both, *(f"{value:+.3f}" for value in row.difference.values())))
    lines = _comparison_head(comparison)
    if second.missing:
        lines.append(f"{label}: {missing_note(second)}")
    numbers = _difference_table(first.global_scores, second.global_scores, label)
    return "\n".join(lines) + f"\n\n{numbers}\n\n{aligned(objects)}"


def rates_comparison_tables(comparison: RatesComparison) -> str:
    """Return both runs' global numbers with their difference and its interval."""
    numbers = (comparison.first.global_scores, comparison.second.global_scores)
    return "\n".join(_comparison_head(comparison)) + f"\n\n{_difference_table(*numbers, comparison.label)}"


def _comparison_head(comparison: Comparison | RatesComparison) -> list[str]:
    label = comparison.label
    name = next(iter(comparison.global_difference), "")
    return [
        f"A: {comparison.first.results}",
        f"{label}: {comparison.second.results}",
        f"{name}, A - {label}: {comparison.global_difference.get(name, 0):+.4f} "
        f"({in_words(comparison.interval)})",
        *comparison.caveats,
    ]


def _difference_table(first: Mapping[str, float], second: Mapping[str, float], label: str) -> str:
    names = [name for name in first if name in second]
    return aligned(
        [
            ("", *names),
            ("A", *(f"{first[name]:.6f}" for name in names)),
            (label, *(f"{second[name]:.6f}" for name in names)),
            (f"A - {label}", *(f"{first[name] - second[name]:+.6f}" for name in names)),
        ]
    )


def published_table(report: Report, published: Published) -> str:
    """Return a run's global numbers beside the published ones."""
    rows: list[Sequence[str]] = [("", *GLOBAL_NAMES)]
    rows.append(("this run", *(f"{report.global_scores[name]:.6f}" for name in GLOBAL_NAMES)))
    rows.append(("published", *(f"{published.scores[name]:.6f}" for name in GLOBAL_NAMES)))
    differences = (report.global_scores[name] - published.scores[name] for name in GLOBAL_NAMES)
    rows.append(("difference", *(f"{value:+.6f}" for value in differences)))
    lines = [f"Published: {published.networks}", "", aligned(rows)]
    if published.caveats:
        lines += ["", "Not the same experiment: " + "; ".join(published.caveats) + "."]
    return "\n".join(lines)


def no_published_note() -> str:
    """Return the sentence for a run that no published row belongs to."""
    return (
        "Published: no row belongs to this run (its run.json must name the networks). "
        f"There are rows for: {', '.join(known_networks())}."
    )


def rates_tables(rates: Rates) -> str:
    """Return the numbers of a benchmark that rates joints or classes."""
    scored = f"{counted(rates.sequences, 'sequence')}, {counted(rates.frames, 'scored frame')}"
    names = list(rates.global_scores)
    rows: list[Sequence[str]] = [(rates.each.capitalize(), *names)]
    rows += [(name, *(f"{numbers[key]:.4f}" for key in names)) for name, numbers in rates.rows.items()]
    return "\n\n".join(
        (
            f"{rates.benchmark}: {rates.results} against {rates.data}; {scored}\nCounted: {rates.counted}.",
            aligned([names, [f"{value:.6f}" for value in rates.global_scores.values()]]),
            aligned(rows),
        )
    )
