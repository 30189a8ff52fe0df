"""`sfc evaluate` on ../shared/cases/evaluation: each folder with what must be said of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import Result

from tests.commands.running import run
from tests.conftest import SHARED

CASES = SHARED / "cases" / "evaluation"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases (../shared/cases) are not here")

# The data and the results of a case, the exit code, and what must be said.
OUTCOMES = {
    "truth_mid-frame_missing": ("D", "R", 3, ["No annotation for frame 00004 of sequence bb"]),
    "truth_half_unpacked": (
        "D", "R", 3, ["frames 00004, 00005, 00006, 00007 of sequence aa", "frames 00004", "sequence bb"],
    ),
    "results_longer": (
        "D", "R", 0, ["warning: Frames of the results that the truth does not have", "aa/00008"],
    ),
    "palette_permuted": (
        "D", "R", 0, ["warning: Ids of the results seem to be exchanged", "palette gives ids the colours"],
    ),
    "results_r_UP": ("../davis", ".", 3, ["00000.PNG: a mask's name must end in .png", "sfc convert"]),
    "results_r_nested": (
        "../davis", ".", 3, ["Did you mean --results", "results_r_nested/Annotations/480p?"],
    ),
    "davis": (".", "Annotations/480p", 0, ["warning: The results equal the truth in every sequence"]),
}  # fmt: skip


def evaluate(data: Path, results: Path, *options: str) -> Result:
    return run("evaluate", "davis", "--data", data, "--results", results, *options)


def test_evaluate__every_case_has_an_outcome() -> None:
    assert {path.name for path in CASES.iterdir()} == set(OUTCOMES)


@pytest.mark.parametrize("name", OUTCOMES)
def test_evaluate__case(name: str) -> None:
    data, results, code, told = OUTCOMES[name]
    done = evaluate((CASES / name / data).resolve(), (CASES / name / results).resolve())
    assert done.exit_code == code, done.output
    for words in told:
        assert words in done.stderr


@pytest.mark.parametrize("name", ["truth_mid-frame_missing", "truth_half_unpacked"])
def test_evaluate__case_with_allow_missing_is_loud(name: str) -> None:
    done = evaluate(CASES / name / "D", CASES / name / "R", "--allow-missing")
    assert done.exit_code == 0, done.output
    assert "THE TRUTH IS NOT WHOLE" in done.stdout
    assert "00004" in done.stdout
