"""How a training looks in a terminal, and in a log file where there is none."""

from __future__ import annotations

import time
from collections import deque
from datetime import timedelta

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn
from rich.table import Table
from rich.text import Text

from sfc_cli.training.preflight import Preflight
from sfc_cli.training.watching import StepRecord

_SECONDS_BETWEEN_LINES = 10.0
_RECENT_STEPS = 50


class ConsoleWatcher:
    """Shows a bar in a terminal, and a plain line every ten seconds elsewhere.

    Args:
        console: Where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._recent: deque[StepRecord] = deque(maxlen=_RECENT_STEPS)
        self._last_line = float("-inf")
        self._progress: Progress | None = None
        self._task = TaskID(0)
        if console.is_terminal:
            self._progress = Progress(
                BarColumn(bar_width=24), TextColumn("{task.description}", markup=False), console=console
            )
            self._task = self._progress.add_task("starting", total=None)
            self._progress.start()

    def on_step(self, record: StepRecord) -> None:
        """Take note of a step."""
        self._recent.append(record)
        if self._progress is not None:
            self._progress.update(
                self._task, completed=record.step, total=record.total_steps, description=self._line(record)
            )
        elif time.monotonic() - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = time.monotonic()
            self._print(self._line(record))

    def on_note(self, text: str) -> None:
        """Take note of something worth a line."""
        self._print(text)

    def close(self) -> None:
        """Finish."""
        if self._progress is not None:
            self._progress.stop()
        elif self._recent:
            self._print(self._line(self._recent[-1]))

    def _print(self, text: str) -> None:
        # File names may hold brackets, which Rich would read as its markup.
        self._console.print(Text(text), soft_wrap=True)

    def _line(self, record: StepRecord) -> str:
        waited = sum(one.data_seconds for one in self._recent)
        seconds = waited + sum(one.step_seconds for one in self._recent)
        per_step = max(seconds / len(self._recent), 1e-9)
        images = record.images_per_second * (record.data_seconds + record.step_seconds) / per_step
        left = timedelta(seconds=round(per_step * (record.total_steps - record.step)))
        return (
            f"step {record.step:,}/{record.total_steps:,} epoch {record.epoch}/{record.epochs} "
            f"loss {record.loss:.4f} {images:.1f} images/s data {100 * waited / max(seconds, 1e-9):.0f} % "
            f"memory {record.memory_bytes / 2**30:.1f} GiB left {left}"
        )


def show_preflight(console: Console, preflight: Preflight) -> None:
    """Print the table about the data and its warnings."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in preflight.rows:
        table.add_row(Text(name), Text(value, overflow="fold"))
    console.print(table)
    for warning in preflight.warnings:
        console.print(Text(f"warning: {warning}"), soft_wrap=True)
