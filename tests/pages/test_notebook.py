"""The notebook runs, cell by cell, and gives what it shows."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from tests.pages.blocks import ROOT

NOTEBOOK = ROOT / "docs" / "first-minute.ipynb"


@pytest.mark.slow
def test_notebook__runs_and_scores_as_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat")
    nbclient = pytest.importorskip("nbclient")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", ""))))
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    shown = _texts(notebook)
    nbclient.NotebookClient(notebook, timeout=900, kernel_name="python3").execute()
    found = _texts(notebook)
    assert len(found) == len(shown) == 4
    scores, expected = (ast.literal_eval(texts[2]) for texts in (found, shown))
    assert scores == pytest.approx(expected, abs=0.005)
    assert scores["J&F-Mean"] > 0.7


def test_notebook__has_no_trace_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    assert str(Path.home()) not in text
    assert "/work" not in text
    assert "Error" not in text
    assert '"execution"' not in text


def _texts(notebook: object) -> list[str]:
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]  # type: ignore[attr-defined]
    return [output["data"]["text/plain"] for output in outputs if "data" in output]
