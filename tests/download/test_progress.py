from __future__ import annotations

import re

import pytest

from sfc_cli.download import progress
from sfc_cli.download.progress import in_bytes, open_display


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (46_830_571, "46.8 MB"), (2.5e9, "2.50 GB")],
)
def test_in_bytes__as_people_read_it(count: float, text: str) -> None:
    assert in_bytes(count) == text


def test_open_display__plain_lines_off_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with open_display() as display:
        report = display.file("fc")
        report.start(4_000_000, 1_000_000)
        for _ in range(3):
            now[0] += 5.0
            report.advance(500_000)
        report.note("[red]odd[/red] :smile: text")
        display.result("fc: done " + "x" * 200)
        display.error("error: crw: no")
    out, err = capsys.readouterr()
    assert out == "fc: done " + "x" * 200 + "\n"
    assert err.splitlines() == [
        "fc: going on at 1.0 MB of 4.0 MB",
        "fc: 2.0 MB at 100.0 kB/s, 20 s left",
        "fc: [red]odd[/red] :smile: text",
        "error: crw: no",
    ]


def test_open_display__plain_lines_of_unknown_size(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display() as display:
        display.file("fc").start(None, 0)
    assert capsys.readouterr().err == "fc: receiving a file of unknown size\n"


def test_open_display__bars_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with open_display() as display:
        report = display.file("fc")
        report.start(2_000_000, 0)
        report.advance(1_500_000)
        report.advance(500_000)
        report.note("said")
        display.result("fc: done")
    out, err = capsys.readouterr()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    assert out == "", "both are terminals: the line goes above the bars, not through them"
    assert "fc: said\n" in shown
    assert "fc: done\n" in shown
    assert shown.rstrip().splitlines()[-1].startswith("fc ━")
    assert "2.0/2.0 MB" in shown.rstrip().splitlines()[-1]
