"""An evaluation as one self-contained web page: no network, and no script needed to read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any

from sfc_cli.evaluation.comparison import Comparison, Published
from sfc_cli.evaluation.page_pictures import curves, worst_frames
from sfc_cli.evaluation.report import GLOBAL_NAMES, OBJECT_NAMES, Report
from sfc_cli.evaluation.tables import counts, missing_note, notes
from sfc_cli.files import write_text
from sfc_cli.version import __version__

_FOLDER = Path(__file__).resolve().parent


def write_page(
    report: Report,
    path: Path,
    comparison: Comparison | None = None,
    published: Published | None = None,
) -> None:
    """Write an evaluation as one HTML file with everything inside it.

    Raises:
        InputError: If the file cannot be written, or a mask to show can no longer be read.
    """
    title = escape(f"{report.benchmark} {report.split}: {report.results.name}")
    style = (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    parts = [
        _heading(report),
        _numbers(report),
        _published(report, published),
        _comparison(comparison),
        _objects(report),
        _worst(report),
        _settings(report),
        _footer(),
    ]
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<script>\n{script}</script>\n</body></html>\n",
    )


def _heading(report: Report) -> str:
    warnings = [*notes(report), *report.warnings]
    shown = "".join(f'<p class="warning">{escape(note)}</p>' for note in warnings)
    return (
        f"<header><h1>{escape(report.benchmark)} {escape(report.split)}</h1>"
        f"<p>{escape(str(report.results))}</p>"
        f'<p class="quiet">against {escape(str(report.data))}: {counts(report)}</p>'
        f'<p class="quiet">{escape(report.protocol.described())}</p></header>{shown}'
    )


def _numbers(report: Report) -> str:
    cards = "".join(
        f"<div{' class=first' if name == GLOBAL_NAMES[0] else ''}><dt>{escape(name)}</dt>"
        f"<dd>{report.global_scores[name]:.4f}</dd></div>"
        for name in GLOBAL_NAMES
    )
    return f'<dl class="numbers">{cards}</dl>'


def _published(report: Report, published: Published | None) -> str:
    if published is None:
        return ""
    rows = (
        ("this run", report.global_scores, ".6f"),
        ("published", published.scores, ".6f"),
        (
            "difference",
            {name: report.global_scores[name] - published.scores[name] for name in GLOBAL_NAMES},
            "+.6f",
        ),
    )
    caveats = (
        f'<p class="quiet">Not the same experiment: {escape("; ".join(published.caveats))}.</p>'
        if published.caveats
        else ""
    )
    return f"<h2>Published: {escape(published.networks)}</h2>{_global_rows(rows)}{caveats}"


def _comparison(comparison: Comparison | None) -> str:
    if comparison is None:
        return ""
    first, second = comparison.first, comparison.second
    rows = (
        ("A", first.global_scores, ".6f"),
        ("B", second.global_scores, ".6f"),
        ("A − B", comparison.global_difference, "+.6f"),
    )
    head = _head(
        [("Object", "text")] + [(name, "number") for name in ("A", "B", "A − B", "J: A − B", "F: A − B")]
    )
    body = "".join(
        f'<tr><th scope="row">{escape(row.name)}</th>'
        f"{_number(row.first['J&F-Mean'])}{_number(row.second['J&F-Mean'])}"
        f"{''.join(_change(value) for value in row.difference.values())}</tr>"
        for row in comparison.objects
    )
    missing = f'<p class="warning">B: {escape(missing_note(second))}</p>' if second.missing else ""
    return (
        f"<h2>Compared</h2><p>A: {escape(str(first.results))}</p>"
        f"<p>B: {escape(str(second.results))}</p>{missing}{_global_rows(rows)}"
        "<h2>Compared, per object (J&amp;F-Mean)</h2>"
        f'<div class="wide" tabindex="0"><table class="sorts">{head}<tbody>{body}</tbody></table></div>'
    )


def _global_rows(rows: Iterable[tuple[str, Mapping[str, float], str]]) -> str:
    head = (
        "<thead><tr><th></th>"
        + "".join(f"<th>{escape(name)}</th>" for name in GLOBAL_NAMES)
        + "</tr></thead>"
    )
    body = "".join(
        f'<tr><th scope="row">{escape(label)}</th>'
        + "".join(f"<td>{numbers[name]:{form}}</td>" for name in GLOBAL_NAMES)
        + "</tr>"
        for label, numbers, form in rows
    )
    return f'<div class="wide" tabindex="0"><table>{head}<tbody>{body}</tbody></table></div>'


def _objects(report: Report) -> str:
    matched = any(scores.matched is not None for scores in report.objects)
    columns = [("Object", "text"), ("Over time", None), *((name, "number") for name in OBJECT_NAMES)]
    head = _head([*columns, *([("Proposal", "number")] if matched else [])])
    body = "".join(
        f'<tr><th scope="row">{escape(scores.name)}</th><td class="curve">{curves(scores)}</td>'
        + "".join(_number(scores.statistics[name]) for name in OBJECT_NAMES)
        + (f"<td>{scores.matched or ''}</td>" if matched else "")
        + "</tr>"
        for scores in report.objects
    )
    return (
        '<h2>Per object</h2><p class="quiet"><span class="key-region">J</span>, region similarity, and '
        '<span class="key-boundary">F</span>, boundary accuracy, from 0 to 1; the line is at one half. '
        '<span class="with-script" hidden>Click a heading to sort by its column.</span></p>'
        f'<div class="wide" tabindex="0"><table class="sorts">{head}<tbody>{body}</tbody></table></div>'
    )


def _worst(report: Report) -> str:
    figures = worst_frames(report)
    if not figures:
        return ""
    return (
        '<h2>Worst frames</h2><p class="quiet">The worst frame of each of the objects with the lowest '
        f'scores, around the object; the square shows its colour.</p><div class="frames">{figures}</div>'
    )


def _settings(report: Report) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>'
        for name, value in _flat(report.run)
    )
    if not rows:
        return '<h2>Settings</h2><p class="quiet">The results have no run.json.</p>'
    return f'<h2>Settings</h2><div class="wide"><table class="settings"><tbody>{rows}</tbody></table></div>'


def _flat(run: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a run's settings, then what else it says about itself in single values."""
    settings = run.get("settings")
    named = dict(settings) if isinstance(settings, dict) else {}
    named.update((key, value) for key, value in run.items() if not isinstance(value, (dict, list)))
    return [(str(name), "none" if value is None else str(value)) for name, value in named.items()]


def _footer() -> str:
    return (
        '<footer class="quiet"><p>J is the intersection over union of result and truth, F the harmonic mean '
        "of the boundary's precision and recall. Recall is the share of frames above one half, Decay the "
        "first quarter's mean minus the last quarter's.</p>"
        f"<p>Made by sfc {escape(__version__)}.</p></footer>"
    )


def _head(columns: Iterable[tuple[str, str | None]]) -> str:
    cells = "".join(
        f'<th scope="col" data-sort="{kind}">{escape(name)}</th>'
        if kind
        else f'<th scope="col">{escape(name)}</th>'
        for name, kind in columns
    )
    return f"<thead><tr>{cells}</tr></thead>"


def _number(value: float) -> str:
    return f'<td data-value="{value!r}">{value:.3f}</td>'


def _change(value: float) -> str:
    kind = "gain" if value > 0 else "loss" if value < 0 else "same"
    return f'<td class="{kind}" data-value="{value!r}">{value:+.3f}</td>'
