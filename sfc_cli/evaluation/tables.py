"""An evaluation as text for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.statistics import GLOBAL_NAMES, OBJECT_NAMES


def heading(report: Report) -> str:
    """Return what was scored against what, and how much of it."""
    counts = ", ".join(
        counted(number, word)
        for number, word in (
            (len(report.sequences), "sequence"),
            (len(report.objects), "object"),
            (report.frame_count, "scored frame"),
        )
    )
    line = f"{report.benchmark} {report.split}: {report.results} against {report.data}; {counts}"
    return f"{line}\n{missing_note(report)}" if report.missing else line


def missing_note(report: Report) -> str:
    """Return the sentence that every output with missing sequences carries."""
    share = f"{len(report.missing)} of {counted(len(report.sequences), 'sequence')}"
    return f"{share} without results, scored as zero: {', '.join(report.missing)}"


def global_table(report: Report) -> str:
    """Return the seven global numbers under their official names."""
    return aligned([GLOBAL_NAMES, [f"{report.global_scores[name]:.6f}" for name in GLOBAL_NAMES]])


def object_table(report: Report) -> str:
    """Return a line per object with its six numbers."""
    matched = any(scores.matched is not None for scores in report.objects)
    rows: list[Sequence[str]] = [("Object", *OBJECT_NAMES, *(("Proposal",) if matched else ()))]
    for scores in report.objects:
        numbers = [f"{scores.statistics[name]:.3f}" for name in OBJECT_NAMES]
        proposal = ["none" if scores.matched is None else str(scores.matched)] if matched else []
        rows.append([scores.name, *numbers, *proposal])
    return aligned(rows)


def aligned(rows: Sequence[Sequence[str]]) -> str:
    """Set rows of text in columns, the first to the left and the others to the right."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def counted(number: int, word: str) -> str:
    """Return a number with its noun, ``1 frame`` or ``2,000 frames``."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"
