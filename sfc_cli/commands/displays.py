"""How a command shows its progress: bars on a terminal, plain lines elsewhere, JSON lines for programs."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import typer

from sfc_cli.commands.options import in_options
from sfc_cli.files import in_bytes
from sfc_cli.progress import Progress, Silent
from sfc_cli.wording import counted

SECONDS_BETWEEN_LINES = 10.0
# Telling of every piece of a transfer would cost more than receiving it.
_SECONDS_BETWEEN_EVENTS = 0.1


@contextmanager
def open_display(
    command: Any = None, *, json_lines: bool = False, each_part: bool = False, quiet: bool = False
) -> Iterator[Progress]:
    """Give the display that suits standard error.

    Args:
        command: The Click command, whose options are shown instead of the library's fields.
        json_lines: Write one JSON object a line to standard output instead.
        each_part: The parts go on side by side: on a terminal each has a bar of its own.
        quiet: Show nothing.
    """
    if quiet:
        yield Silent()
    elif json_lines:
        yield JsonLines(command)
    elif not sys.stderr.isatty():
        yield Lines(command)
    else:
        bars = Bars(command, each_part=each_part)
        try:
            yield bars
        finally:
            bars.close()


class JsonLines:
    """Every event as one JSON object a line on standard output; nothing else goes there.

    Args:
        command: See ``open_display``.
    """

    def __init__(self, command: Any = None) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._parts: dict[str, _Pace] = {}

    def plan(self, total: int | None, unit: str) -> None:
        """See ``Progress``."""
        self._write(event="plan", total=total, unit=unit)

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        """See ``Progress``."""
        with self._lock:
            self._parts[part] = _Pace(total, done)
        self._write(event="begin", part=part, total=total, done=done)

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:
        """See ``Progress``."""
        with self._lock:
            pace = self._parts.setdefault(part, _Pace())
            pace.done += count
            is_due = pace.is_due(_SECONDS_BETWEEN_EVENTS)
        if is_due:
            self._write(event="advance", part=part, done=pace.done, text=text, **facts)

    def finish(self, part: str, text: str, **facts: object) -> None:
        """See ``Progress``."""
        self._write(event="finish", part=part, text=text, **facts)

    def say(self, text: str, **facts: object) -> None:
        """See ``Progress``."""
        self._write(event="say", text=in_options(text, self._command), **facts)

    def _write(self, **fields: object) -> None:
        line = json.dumps(fields, ensure_ascii=False, default=str)
        with self._lock:
            typer.echo(line)


class Lines:
    """A line for each part, and now and then one that says how far a long part is.

    Args:
        command: See ``open_display``.
    """

    def __init__(self, command: Any = None) -> None:
        self._command = command
        self._lock = threading.Lock()
        self._pace = _Pace()
        self._parts: dict[str, _Pace] = {}
        self._unit = ""

    def plan(self, total: int | None, unit: str) -> None:
        """See ``Progress``."""
        self._unit = unit
        self._pace = _Pace(total)

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        """See ``Progress``."""
        with self._lock:
            self._parts[part] = _Pace(total, done)
        unknown = "unknown size" if self._unit == "bytes" else f"an unknown number of {self._unit}"
        size = unknown if total is None else in_units(total, self._unit)
        typer.echo(
            f"{part}: {f'continuing at {in_units(done, self._unit)} of {size}' if done else size}", err=True
        )

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        with self._lock:
            self._pace.done += count
            pace = self._parts.setdefault(part, _Pace())
            pace.done += count
            is_due = pace.is_due(SECONDS_BETWEEN_LINES)
        if is_due and pace.done != pace.total:
            stands = text or f"{in_units(pace.done, self._unit)} at {in_units(pace.rate, self._unit)}/s"
            typer.echo(f"{part}: {stands}{pace.left()}", err=True)

    def finish(self, part: str, text: str, **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        if text:
            typer.echo(f"{part}: {text}{self._pace.left()}", err=True)

    def say(self, text: str, **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        typer.echo(in_options(text, self._command), err=True)


class Bars:
    """Bars on a terminal: one for all parts, or one each.

    Args:
        command: See ``open_display``.
        each_part: Draw a bar for each part.
    """

    def __init__(self, command: Any = None, *, each_part: bool) -> None:
        from rich.console import Console

        self._console = Console(stderr=True)
        self._command = command
        self._each_part = each_part
        self._lock = threading.Lock()
        self._pace = _Pace()
        self._parts: dict[str, _Pace] = {}
        self._tasks: dict[str, Any] = {}
        self._bars: Any = None

    def plan(self, total: int | None, unit: str) -> None:
        """See ``Progress``."""
        self.close()
        self._bars = _make_bars(self._console, unit)
        self._pace, self._tasks = _Pace(total), {}
        if not self._each_part and total != 0:
            self._tasks[""] = self._bars.add_task("", total=total, rate="")
        self._bars.start()

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        """See ``Progress``."""
        with self._lock:
            if self._bars is None:
                self.plan(None, "")
            self._parts[part] = _Pace(total, done)
            if not self._each_part:
                self._bars.update(self._tasks[""], description=part)
            elif part in self._tasks:
                self._bars.reset(self._tasks[part], total=total, completed=done)
            else:
                self._tasks[part] = self._bars.add_task(part, total=total, completed=done, rate="")

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        with self._lock:
            pace = self._parts.setdefault(part, _Pace()) if self._each_part else self._pace
            pace.done += count
            if not pace.is_due(_SECONDS_BETWEEN_EVENTS):
                return
            rate = text or ("" if self._each_part else f"{pace.rate:.1f}/s")
            self._bars.update(self._tasks[part if self._each_part else ""], completed=pace.done, rate=rate)

    def finish(self, part: str, text: str, **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        if text:
            self.say(f"{part}: {text}")

    def say(self, text: str, **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        # File names may hold brackets, which rich would read as its markup.
        text = in_options(text, self._command)
        self._console.print(text, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def close(self) -> None:
        """Take the bars off the terminal."""
        if self._bars is not None:
            self._bars.stop()
            self._bars = None


class _Pace:
    """How much of something is done, and how fast it goes."""

    def __init__(self, total: int | None = None, done: int = 0) -> None:
        self.total, self.done = total, done
        self._first = done
        self._began = self.told = time.monotonic()

    @property
    def rate(self) -> float:
        return (self.done - self._first) / max(time.monotonic() - self._began, 1e-9)

    def is_due(self, seconds: float) -> bool:
        """Return whether it is time to tell how far it is: now and then, and at the end."""
        now = time.monotonic()
        if now - self.told < seconds and self.done != self.total:
            return False
        self.told = now
        return True

    def left(self) -> str:
        """Say how long the rest will take; nothing if that is unknown or all is done."""
        if self.total is None or not self._first < self.done < self.total:
            return ""
        return f", about {in_time((self.total - self.done) / max(self.rate, 1e-9))} left"


def _make_bars(console: Any, unit: str) -> Any:
    from rich import progress

    counts = (
        (progress.DownloadColumn(), progress.TransferSpeedColumn())
        if unit == "bytes"
        else (progress.MofNCompleteColumn(), progress.TextColumn("{task.fields[rate]}"))
    )
    return progress.Progress(
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        *counts,
        progress.TimeRemainingColumn(),
        console=console,
        redirect_stdout=False,
    )


def in_units(count: float, unit: str) -> str:
    """Return a number with its unit as people read it."""
    if unit != "bytes":
        return counted(count, unit.removesuffix("s")) if isinstance(count, int) else f"{count:.2f} {unit}"
    return in_bytes(count)


def in_time(seconds: float) -> str:
    """Return a duration as people read it."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
