"""Shows how a run goes on: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

import typer


class RunProgress:
    """An observer of ``inference.runner`` and a context manager around it.

    Args:
        verbose: Name skipped sequences one by one.
    """

    def __init__(self, *, verbose: bool = False) -> None:
        self._verbose = verbose
        self._skipped = 0
        self._done = 0
        self._total = 0
        self._started = time.perf_counter()
        self._bar: Any = _make_bar() if sys.stderr.isatty() else None
        self._task: Any = None

    def __enter__(self) -> RunProgress:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def frames_done(self) -> int:
        """Frames propagated so far in this run."""
        return self._done

    def plan(self, frames: int | None) -> None:
        """See ``Observer``."""
        self._total = frames or 0
        self._started = time.perf_counter()
        if self._skipped and not self._verbose:
            what = "1 sequence is" if self._skipped == 1 else f"{self._skipped} sequences are"
            self._say(f"{what} complete already (--overwrite does it all again)")
        if self._bar is not None and frames != 0:
            self._task = self._bar.add_task("", total=frames, rate="")

    def sequence(self, name: str, frames: int | None) -> None:
        """See ``Observer``."""
        if self._bar is not None:
            self._bar.update(self._task, description=name)
        else:
            self._say(f"{name}: {'an unknown number of' if frames is None else frames} frames")

    def frame(self) -> None:
        """See ``Observer``."""
        self._done += 1
        if self._bar is not None:
            rate = self._done / max(1e-9, time.perf_counter() - self._started)
            self._bar.update(self._task, advance=1, rate=f"{rate:.1f} frames/s")

    def finished(self, name: str, frames: int, seconds: float) -> None:
        """See ``Observer``."""
        left = ""
        if 0 < self._done < self._total and self._bar is None:
            rate = self._done / max(1e-9, time.perf_counter() - self._started)
            left = f", about {_duration((self._total - self._done) / rate)} left"
        self._say(f"{name}: done, {frames} frames in {seconds:.1f} s, {frames / seconds:.2f} frames/s{left}")

    def skipped(self, name: str) -> None:
        """See ``Observer``."""
        self._skipped += 1
        if self._verbose:
            self._say(f"{name}: complete already")

    def _say(self, line: str) -> None:
        if self._bar is not None:
            self._bar.console.print(line, highlight=False, markup=False)
        else:
            typer.echo(line, err=True)


def _make_bar() -> Any:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
