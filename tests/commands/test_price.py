"""What a long run says of its price, with a clock that the tests turn."""

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from sfc_cli.commands import price
from sfc_cli.commands.price import Priced
from sfc_cli.main import app
from sfc_cli.progress import Silent
from tests.commands.footage import propagation


class _Heard(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []
        self.advanced = 0

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:  # noqa: ARG002
        self.advanced += count

    def say(self, text: str, **facts: object) -> None:  # noqa: ARG002
        self.said.append(text)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(price.time, "monotonic", lambda: now[0])
    return now


def _priced(
    size: tuple[int, int] = (480, 854), device: str = "cpu", context_frames: int = 20
) -> tuple[Priced, _Heard]:
    heard = _Heard()
    run: Any = SimpleNamespace(
        sequences=[
            SimpleNamespace(name="one", input_size=size),
            SimpleNamespace(name="two", input_size=size),
        ],
        propagator=SimpleNamespace(
            settings=SimpleNamespace(context_frames=context_frames),
            extractor=SimpleNamespace(device=torch.device(device)),
        ),
    )
    return Priced(heard, run), heard


def _go(priced: Priced, clock: list[float], frames: int, seconds: float, part: str = "one") -> None:
    for _ in range(frames):
        clock[0] += seconds
        priced.advance(part)


def test_priced__a_long_run_says_it_once_and_early(clock: list[float]) -> None:
    priced, heard = _priced((1080, 1920))
    priced.plan(203, "frames")
    priced.begin("one", 103)
    clock[0] += 50  # loading
    _go(priced, clock, 3, 12.7)
    assert not heard.said, "the first frames are not enough"
    _go(priced, clock, 1, 12.7)
    # 199 frames are left: 42 minutes, and a fifth of that at 480 pixels.
    assert heard.said == [
        "This will take about 42 min on this processor. Each frame of 1920×1080 is compared with all of the "
        "first one, which grows with the square of their pixels; `size` 480 would take about 8 min or less."
    ]
    _go(priced, clock, 99, 12.7)
    priced.begin("two", 100)
    _go(priced, clock, 100, 12.7, "two")
    assert len(heard.said) == 1
    assert heard.advanced == 203


def test_priced__the_pace_is_that_of_a_full_window(clock: list[float]) -> None:
    priced, heard = _priced(device="cuda", context_frames=5)
    priced.plan(100_000, "frames")
    priced.begin("one", 100_000)
    _go(priced, clock, 6, 0.01)
    assert not heard.said
    _go(priced, clock, 1, 0.01)
    assert heard.said == ["This will take about 17 min on this device."], (
        "nothing smaller to propose at 480 pixels"
    )


@pytest.mark.parametrize("total", [29, None])
def test_priced__short_runs_and_unknown_lengths_say_nothing(clock: list[float], total: int | None) -> None:
    priced, heard = _priced((1080, 1920))
    priced.plan(total, "frames")
    priced.begin("one", total)
    _go(priced, clock, 29, 10)
    assert not heard.said
    assert heard.advanced == 29


def test_priced__frames_that_were_done_do_not_count(clock: list[float]) -> None:
    priced, heard = _priced()
    priced.plan(1000, "frames")
    priced.begin("one", 1000)
    priced.say("one: continuing after frame 899", part="one", done=900)
    _go(priced, clock, 900, 0.001)
    assert heard.said == ["one: continuing after frame 899"]
    _go(priced, clock, 4, 10)
    assert heard.said[1:] == ["This will take about 16 min on this processor."]


def test_priced__extras_of_a_complete_sequence_do_not_settle_it(clock: list[float]) -> None:
    priced, heard = _priced()
    priced.plan(1050, "frames")
    priced.begin("one", 50)
    _go(priced, clock, 50, 0.001)
    priced.begin("two", 1000)
    _go(priced, clock, 22, 1, "two")
    assert heard.said == ["This will take about 16 min on this processor."]


@pytest.mark.parametrize(("flag", "is_said"), [(None, True), ("--quiet", False), ("--json", False)])
def test_propagate__says_the_price_to_people(
    make_davis: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    flag: str | None,
    is_said: bool,
) -> None:
    monkeypatch.setattr(price, "LONG_SECONDS", 0.0)
    data = make_davis({"only": 5})
    arguments = ("--data", data, "--fc", "random18", "--context-frames", 1, "--device", "cpu")
    command = propagation(*arguments, "-o", tmp_path / "out", *([flag] if flag else []))
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    assert ("This will take about" in result.output) is is_said
