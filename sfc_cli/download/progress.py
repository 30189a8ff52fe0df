"""What a user sees while files come in: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

LINE_SECONDS = 10.0
REFRESH_SECONDS = 0.1


class Reporter(Protocol):
    """Is told how the transfer of one file goes."""

    def start(self, total: int | None, done: int) -> None:
        """Begin a try: ``done`` bytes of ``total`` are there already."""

    def advance(self, count: int) -> None:
        """Count bytes that came."""

    def note(self, text: str) -> None:
        """Say something that a user should know."""


class Display(Protocol):
    """Shows several files at once and what became of each."""

    def file(self, name: str) -> Reporter:
        """Return the reporter of the file that the command line calls ``name``."""

    def result(self, text: str) -> None:
        """Print a line on standard output."""

    def error(self, text: str) -> None:
        """Print a line on standard error."""


def in_bytes(count: float) -> str:
    """Write a number of bytes as people read it."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


@contextlib.contextmanager
def open_display() -> Iterator[Display]:
    """Give the display that suits standard error: bars on a terminal, plain lines otherwise."""
    from rich import progress
    from rich.console import Console

    out, err = Console(), Console(stderr=True)
    if not err.is_terminal:
        yield _Lines(out, err)
        return
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=err, redirect_stdout=False) as bars:
        # Lines for the same terminal must go through the bars' console, which draws the bars below them.
        yield _Bars(err if out.is_terminal else out, err, bars)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)


class _Lines:
    def __init__(self, out: Console, err: Console) -> None:
        self._out = out
        self._err = err

    def file(self, name: str) -> Reporter:
        return _Line(self._err, name)

    def result(self, text: str) -> None:
        _say(self._out, text)

    def error(self, text: str) -> None:
        _say(self._err, text)


class _Bars(_Lines):
    def __init__(self, out: Console, err: Console, progress: Progress) -> None:
        super().__init__(out, err)
        self._progress = progress

    def file(self, name: str) -> Reporter:
        return _Bar(self._progress, name)


class _Bar:
    def __init__(self, progress: Progress, name: str) -> None:
        self._progress = progress
        self._name = name
        self._task = progress.add_task(name, total=None, visible=False)
        self._total: int | None = None
        self._done = 0
        self._shown = 0.0

    def start(self, total: int | None, done: int) -> None:
        self._total, self._done = total, done
        self._progress.reset(self._task, total=total, completed=done, visible=True)

    def advance(self, count: int) -> None:
        # Telling the bar of every piece would cost more than receiving it.
        self._done += count
        if self._done == self._total or time.monotonic() - self._shown >= REFRESH_SECONDS:
            self._progress.update(self._task, completed=self._done)
            self._shown = time.monotonic()

    def note(self, text: str) -> None:
        _say(self._progress.console, f"{self._name}: {text}")


class _Line:
    def __init__(self, console: Console, name: str) -> None:
        self._console = console
        self._name = name
        self._total: int | None = None
        self._done = self._first = 0
        self._began = self._shown = 0.0

    def start(self, total: int | None, done: int) -> None:
        self._total, self._done, self._first = total, done, done
        self._began = self._shown = time.monotonic()
        whole = "of unknown size" if total is None else f"of {in_bytes(total)}"
        self.note(f"going on at {in_bytes(done)} {whole}" if done else f"receiving a file {whole}")

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._shown < LINE_SECONDS:
            return
        self._shown = now
        speed = (self._done - self._first) / (now - self._began)
        left = "" if self._total is None else f", {(self._total - self._done) / max(speed, 1.0):.0f} s left"
        self.note(f"{in_bytes(self._done)} at {in_bytes(speed)}/s{left}")

    def note(self, text: str) -> None:
        _say(self._console, f"{self._name}: {text}")
