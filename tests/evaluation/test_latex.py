from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sfc_cli.evaluation.comparison import Comparison
from sfc_cli.evaluation.latex import escaped, latex_tables
from tests.evaluation.test_export import make_report


def test_latex_tables__runs_and_sequences() -> None:
    report = make_report()
    other = replace(report, results=Path("results/my_run"), objects=report.objects[:1])
    text = latex_tables(report, [Comparison(first=report, second=other)])
    assert text.startswith("% DAVIS-2017 val. Scoring protocol")
    assert r"Run & J\&F-Mean & J-Mean & J-Recall & J-Decay & F-Mean & F-Recall & F-Decay \\" in text
    assert r"run & 35.4 & 47.2 & 33.3 & -4.2 & 23.6 & 0.0 & -2.1 \\" in text
    assert r"my\_run & " in text
    assert r"bear & 35.4 & 47.2 & 23.6 \\" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2


def test_escaped__prints_as_it_is() -> None:
    assert escaped("a_b & 5% \\ ~") == r"a\_b \& 5\% \textbackslash{} \textasciitilde{}"
