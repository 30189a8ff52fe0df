"""An evaluation as one self-contained web page: no network, and no script needed to read its numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from sfc_cli.evaluation.bootstrap import RESAMPLES, in_words
from sfc_cli.evaluation.comparison import Comparison, Published, RatesComparison
from sfc_cli.evaluation.export import frames_csv, objects_csv, rates_csv, sequences_csv
from sfc_cli.evaluation.latex import latex_tables
from sfc_cli.evaluation.page_pictures import curves, worst_frames
from sfc_cli.evaluation.page_tables import (
    change_cell,
    count_cell,
    global_rows,
    name_cell,
    number_cell,
    sorting_table,
)
from sfc_cli.evaluation.page_viewer import downloads, mask_data, rates_data, viewer
from sfc_cli.evaluation.report import GLOBAL_NAMES, OBJECT_NAMES, Rates, Report
from sfc_cli.evaluation.tables import counts, missing_note, notes
from sfc_cli.files import write_text
from sfc_cli.settings.locations import assets_folder
from sfc_cli.version import __version__
from sfc_cli.wording import counted

_FOLDER = Path(__file__).resolve().parent
_MEANS = ("J&F-Mean", "J-Mean", "F-Mean")
AnyComparison = Comparison | RatesComparison


def write_page(
    report: Report,
    path: Path,
    comparisons: Sequence[Comparison] = (),
    published: Published | None = None,
    workers: int | None = None,
) -> None:
    """Write an evaluation by J and F as one HTML file with everything inside it.

    Args:
        report: The evaluation.
        path: The file.
        comparisons: Other results beside it.
        published: The published row of its networks.
        workers: How many processes draw the pictures; None for one a core.

    Raises:
        InputError: If the file cannot be written, or a mask to show can no longer be read.
    """
    split = "" if report.split == "all" else f" {report.split}"
    files = {
        "sequences.csv": sequences_csv(report),
        "objects.csv": objects_csv(report),
        "frames.csv": frames_csv(report),
        "tables.tex": latex_tables(report, comparisons),
    }
    _write(
        path,
        f"{report.benchmark}{split}: {report.results.name}",
        [
            _heading(
                f"{report.benchmark}{split}",
                report,
                counts(report),
                report.protocol.described(),
                [*notes(report), *report.warnings],
            ),
            _numbers(report.global_scores),
            downloads(files),
            _published(report, published),
            _compared(report, comparisons),
            viewer(mask_data(report, comparisons, workers)),
            _sequences(report, comparisons),
            _objects(report),
            _compared_objects(comparisons),
            _worst(report),
            _settings(report.run),
            _footer(
                "J is the intersection over union of result and truth, F the harmonic mean of the "
                "boundary's precision and recall. Recall is the share of frames above one half, Decay the "
                "first quarter's mean minus the last quarter's."
            ),
        ],
    )


def write_rates_page(
    rates: Rates,
    path: Path,
    comparisons: Sequence[RatesComparison] = (),
    workers: int | None = None,
) -> None:
    """Write the outcome of a benchmark that rates joints or classes as one HTML file.

    Args:
        rates: The outcome.
        path: The file.
        comparisons: Other results beside it.
        workers: How many processes draw the pictures; None for one a core.

    Raises:
        InputError: If the file cannot be written.
    """
    files = {**rates_csv(rates), "tables.tex": latex_tables(rates, comparisons)}
    scored = f"{counted(rates.sequences, 'sequence')}, {counted(rates.frames, 'scored frame')}"
    names = list(rates.global_scores)
    columns = [(name, "number") for name in names]
    _write(
        path,
        f"{rates.benchmark}: {rates.results.name}",
        [
            _heading(rates.benchmark, rates, scored, f"Counted: {rates.counted}.", rates.warnings),
            _numbers(rates.global_scores),
            downloads(files),
            _compared(rates, comparisons),
            viewer(rates_data(rates, comparisons, workers)) if rates.curves else "",
            f"<h2>Per {rates.each}</h2>",
            sorting_table(
                [(rates.each.capitalize(), "text"), *columns],
                (
                    (name_cell(name), *(number_cell(numbers[key]) for key in names))
                    for name, numbers in rates.rows.items()
                ),
            ),
            "<h2>Per sequence</h2>",
            sorting_table(
                [("Sequence", "text"), ("Frames", "number"), *columns],
                (
                    (
                        name_cell(name),
                        count_cell(len(rates.curves[name].frames)),
                        *(number_cell(numbers[key]) for key in names),
                    )
                    for name, numbers in rates.per_sequence.items()
                ),
            ),
            _settings(rates.run),
            _footer(""),
        ],
    )


def _write(path: Path, title: str, parts: Sequence[str]) -> None:
    style = (assets_folder() / "plain.css").read_text(encoding="utf-8")
    style += (_FOLDER / "page.css").read_text(encoding="utf-8")
    script = (_FOLDER / "page.js").read_text(encoding="utf-8")
    write_text(
        path,
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + f"\n<script>\n{script}</script>\n</body></html>\n",
    )


def _heading(title: str, result: Report | Rates, scored: str, protocol: str, warnings: Sequence[str]) -> str:
    shown = "".join(f'<p class="warning">{escape(note)}</p>' for note in warnings)
    return (
        f"<header><h1>{escape(title)}</h1><p>{escape(str(result.results))}</p>"
        f'<p class="quiet">against {escape(str(result.data))}: {scored}</p>'
        f'<p class="quiet">{escape(protocol)}</p></header>{shown}'
    )


def _numbers(scores: Mapping[str, float]) -> str:
    first = next(iter(scores), "")
    cards = "".join(
        f"<div{' class=first' if name == first else ''}><dt>{escape(name)}</dt><dd>{value:.4f}</dd></div>"
        for name, value in scores.items()
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
    return f"<h2>Published: {escape(published.networks)}</h2>{global_rows(GLOBAL_NAMES, rows)}{caveats}"


def _compared(result: Report | Rates, comparisons: Sequence[AnyComparison]) -> str:
    if not comparisons:
        return ""
    lines = [f"<p>A: {escape(str(result.results))}</p>"]
    rows: list[tuple[str, Mapping[str, float], str]] = [("A", result.global_scores, ".6f")]
    for each in comparisons:
        lines.append(f"<p>{each.label}: {escape(str(each.second.results))}</p>")
        if isinstance(each, Comparison) and each.second.missing:
            lines.append(f'<p class="warning">{each.label}: {escape(missing_note(each.second))}</p>')
        lines += [f'<p class="warning">{escape(caveat)}</p>' for caveat in each.caveats]
        rows.append((each.label, each.second.global_scores, ".6f"))
    rows += [(f"A − {each.label}", each.global_difference, "+.6f") for each in comparisons]
    name = next(iter(result.global_scores))
    sure = "; ".join(f"A − {each.label}: {in_words(each.interval)}" for each in comparisons)
    return (
        f"<h2>Compared</h2>{''.join(lines)}{global_rows(list(result.global_scores), rows)}"
        f'<p class="quiet">{escape(name)}, {sure}. Paired bootstrap: whole sequences resampled {RESAMPLES:,} '
        "times; an interval that contains 0 says that the difference may be chance.</p>"
    )


def _sequences(report: Report, comparisons: Sequence[Comparison]) -> str:
    differences = {each.label: _sequence_differences(each) for each in comparisons}
    columns = [("Sequence", "text"), ("Objects", "number"), ("Frames", "number")]
    columns += [(name, "number") for name in (*_MEANS, *(f"A − {label}" for label in differences))]
    plans = {plan.name: plan for plan in report.sequences}
    rows = (
        (
            name_cell(name),
            count_cell(sum(1 for scores in report.objects if scores.sequence == name)),
            count_cell(len(plans[name].frames)),
            *(number_cell(numbers[key]) for key in _MEANS),
            *(change_cell(own.get(name)) for own in differences.values()),
        )
        for name, numbers in report.per_sequence.items()
    )
    note = f'<p class="quiet">Means over each sequence\'s objects{_difference_note(comparisons)}.</p>'
    return f"<h2>Per sequence</h2>{note}{sorting_table(columns, rows)}"


def _difference_note(comparisons: Sequence[Comparison]) -> str:
    return "; differences are of J&amp;F-Mean" if comparisons else ""


def _sequence_differences(comparison: Comparison) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for row in comparison.objects:
        found.setdefault(row.name.rsplit("_", 1)[0], []).append(row.difference["J&F-Mean"])
    return {name: sum(values) / len(values) for name, values in found.items()}


def _objects(report: Report) -> str:
    matched = any(scores.matched is not None for scores in report.objects)
    columns: list[tuple[str, str | None]] = [("Object", "text"), ("Over time", None)]
    columns += [(name, "number") for name in ("J&F-Mean", *OBJECT_NAMES, *report.extra_names)]
    rows = []
    for scores in report.objects:
        numbers = scores.statistics
        where = escape(json.dumps([scores.sequence, scores.name]), quote=True)
        cells = [
            name_cell(scores.name),
            f'<td class="curve"><button type="button" data-object="{where}">{curves(scores)}</button></td>',
            number_cell((numbers["J-Mean"] + numbers["F-Mean"]) / 2),
            *(number_cell(numbers[name]) for name in OBJECT_NAMES),
            *(number_cell(value) for value in scores.extras.values()),
        ]
        rows.append([*cells, *([f"<td>{scores.matched or ''}</td>"] if matched else [])])
    table = sorting_table([*columns, *([("Proposal", "number")] if matched else [])], rows)
    return (
        '<h2>Per object</h2><p class="quiet"><span class="key-region">J</span>, region similarity, and '
        '<span class="key-boundary">F</span>, boundary accuracy, from 0 to 1; the line is at one half. '
        '<span class="with-script" hidden>Click a heading to sort by its column, a curve to see it large.'
        f"</span></p>{table}"
    )


def _compared_objects(comparisons: Sequence[Comparison]) -> str:
    if not comparisons:
        return ""
    columns = [("Object", "text"), ("A", "number")]
    for each in comparisons:
        names = (each.label, f"A − {each.label}", f"J: A − {each.label}", f"F: A − {each.label}")
        columns += [(name, "number") for name in names]
    rows = {
        row.name: [name_cell(row.name), number_cell(row.first["J&F-Mean"])] for row in comparisons[0].objects
    }
    for each in comparisons:
        own = {row.name: row for row in each.objects}
        for name, cells in rows.items():
            found = own.get(name)
            values = [None] * 3 if found is None else list(found.difference.values())
            cells.append(number_cell(None if found is None else found.second["J&F-Mean"]))
            cells += [change_cell(value) for value in values]
    return f"<h2>Compared, per object (J&amp;F-Mean)</h2>{sorting_table(columns, rows.values())}"


def _worst(report: Report) -> str:
    figures = worst_frames(report)
    if not figures:
        return ""
    return (
        '<h2>Worst frames</h2><p class="quiet">The worst frames of every sequence, around the object; the '
        f"square shows its colour. The sequence with the worst one comes first.</p>{figures}"
    )


def _settings(run: Mapping[str, Any]) -> str:
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(value)}</td></tr>' for name, value in _flat(run)
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


def _footer(explained: str) -> str:
    words = f"<p>{escape(explained)}</p>" if explained else ""
    return f'<footer class="quiet">{words}<p>Made by sfc {escape(__version__)}.</p></footer>'
