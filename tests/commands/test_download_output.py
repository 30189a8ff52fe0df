"""What `sfc download` writes while files come in: lines, bars, or JSON for programs."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import pytest

from sfc_cli.commands import displays
from sfc_cli.commands.displays import open_display
from sfc_cli.errors import InputError
from sfc_cli.main import app
from tests.commands.downloads import FILE, Command
from tests.download.loopback import in_turn, status, truncated, whole


def test_open_display__plain_lines_off_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr(displays.time, "monotonic", lambda: now[0])
    with open_display(each_part=True) as display:
        display.plan(None, "bytes")
        display.begin("fc", 4_000_000, 1_000_000)
        for _ in range(3):
            now[0] += 5.0
            display.advance("fc", 500_000)
        display.say("fc: [red]odd[/red] :smile: text")
        display.say("error: crw: no " + "x" * 200)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "fc: continuing at 1.0 MB of 4.0 MB",
        "fc: 2.0 MB at 100.0 kB/s, about 20 s left",
        "fc: [red]odd[/red] :smile: text",
        "error: crw: no " + "x" * 200,
    ]


def test_open_display__plain_lines_of_unknown_size(capsys: pytest.CaptureFixture[str]) -> None:
    with open_display(each_part=True) as display:
        display.plan(None, "bytes")
        display.begin("fc")
    assert capsys.readouterr().err == "fc: unknown size\n"


@pytest.mark.parametrize("redirected", [False, True])
def test_download__bars_on_a_terminal(
    sfc: Command,
    right: bytes,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    redirected: bool,
) -> None:
    sfc.source("fc", in_turn(truncated(right, 100_000), whole(right)))
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: not redirected)
    app(["download", "fc"], standalone_mode=False)
    out, err = capsys.readouterr()
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err)
    assert "fc: the connection broke" in shown
    result = "fc: downloaded and verified: checkpoints/pretrained_fc.pth ("
    if redirected:
        assert out.startswith(result)
        assert result not in shown
    else:
        assert out == "", "both are one terminal: the line goes above the bars, not through them"
        assert result in shown
    assert shown.rstrip().splitlines()[-1].startswith("fc ━")
    size = f"{len(right) / 1e3:.1f}"
    assert f"{size}/{size} kB" in shown.rstrip().splitlines()[-1]


def test_download__errors_name_options(sfc: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(job: object) -> str:  # noqa: ARG001
        raise InputError("`given` is odd.", "Choose another `file` of `sfc download fc`, or `force` it.")

    monkeypatch.setattr("sfc_cli.download.obtain._Job.obtain", refuse)
    sfc("fc")
    expected = "error: fc: --from is odd. Choose another `file` of `sfc download fc`, or --force it."
    assert sfc.err == f"{expected}\n"
    assert events(sfc, "fc")[-1]["text"] == expected


def events(sfc: Command, *arguments: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in sfc(*arguments, "--json").splitlines()]


def test_download__json_events(sfc: Command, right: bytes) -> None:
    sfc.source("fc", in_turn(truncated(right, 100_000), whole(right)))
    told = events(sfc, "fc")
    assert sfc.code == 0
    assert sfc.err == "", "every event is on standard output"
    assert [event["event"] for event in told if event["event"] != "advance"] == [
        "plan",
        "begin",
        "say",
        "begin",
        "finish",
    ]
    assert told[0] == {"event": "plan", "total": None, "unit": "bytes"}
    begins = [event for event in told if event["event"] == "begin"]
    assert [(event["part"], event["total"], event["done"]) for event in begins] == [
        ("fc", len(right), 0),
        ("fc", len(right), 100_000),
    ]
    assert [event["done"] for event in told if event["event"] == "advance"][-1] == len(right)
    assert told[-1]["part"] == "fc"
    assert told[-1]["path"] == f"checkpoints/{FILE}"
    assert told[-1]["text"].startswith(f"downloaded and verified: checkpoints/{FILE} (")


def test_download__json_errors(sfc: Command, right: bytes) -> None:
    sfc.source("fc", whole(right))
    sfc.source("crw", status(404))
    told = events(sfc, "fc", "crw")
    assert sfc.code == 4
    assert sfc.err == ""
    assert [event["part"] for event in told if event["event"] == "finish"] == ["fc"]
    assert told[-1]["text"].startswith("error: crw: pretrained.pth could not be downloaded.")
    assert (told[-1]["event"], told[-1]["part"], told[-1]["exit_code"]) == ("say", "crw", 4)


def test_download__json_verify(sfc: Command, right: bytes) -> None:
    told = events(sfc, "--verify")
    assert [event["text"] for event in told if event["event"] == "say"] == [
        "nothing to verify: no known file in checkpoints"
    ]
    sfc.checkpoints.mkdir()
    sfc.target.write_bytes(right)
    told = events(sfc, "--verify")
    assert told[-1] == {
        "event": "finish",
        "part": "fc",
        "text": "verified now: checkpoints/pretrained_fc.pth",
        "path": "checkpoints/pretrained_fc.pth",
    }


def test_download__json_list(sfc: Command, right: bytes) -> None:
    sfc.checkpoints.mkdir()
    sfc.target.write_bytes(right)
    told = {event["name"]: event for event in events(sfc, "--list")}
    assert told["fc"]["file"] == FILE
    assert told["fc"]["state"] == "not verified"
    assert told["vfs"]["state"] == "missing"
    assert {"size", "source", "licence", "paper", "text"} < set(told["vfs"])
