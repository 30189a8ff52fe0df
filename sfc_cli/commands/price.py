"""The price of a long propagation, said once and early: who waits may still choose a smaller one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sfc_cli.commands.displays import in_time
from sfc_cli.progress import Progress
from sfc_cli.settings.propagation import DEFAULT_SIZE

if TYPE_CHECKING:
    from sfc_cli.inference.run import Run

# A run that takes less is over before anybody has chosen otherwise.
LONG_SECONDS = 300.0
# The pace is known once the window is full, or after so many seconds and frames.
_SECONDS, _FRAMES = 15.0, 3


class Priced:
    """Passes a run's progress on, and says once what it will take if that is long.

    Args:
        display: Receives everything.
        run: The run, for the size of its frames and the length of its window.
    """

    def __init__(self, display: Progress, run: Run) -> None:
        self._display = display
        self._run = run
        self._left: int | None = None
        self._passed_by = 0
        self._count = 0
        self._began: float | None = None
        self._is_settled = True

    def plan(self, total: int | None, unit: str) -> None:
        """See ``Progress``."""
        self._left = total
        self._display.plan(total, unit)

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        """See ``Progress``."""
        self._passed_by, self._count, self._began, self._is_settled = 0, 0, None, False
        self._display.begin(part, total, done)

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:
        """See ``Progress``."""
        self._display.advance(part, count, text, **facts)
        if self._left is not None:
            self._left -= count
            self._watch(part, count, self._left)

    def finish(self, part: str, text: str, **facts: object) -> None:
        """See ``Progress``."""
        self._display.finish(part, text, **facts)

    def say(self, text: str, **facts: object) -> None:
        """See ``Progress``."""
        # Frames that an interrupted run finished pass by in no time.
        done = facts.get("done")
        self._passed_by = done if isinstance(done, int) else self._passed_by
        self._display.say(text, **facts)

    def _watch(self, part: str, count: int, left: int) -> None:
        """Measure the first frames of a part, and say the price if it is high."""
        if self._is_settled:
            return
        if self._passed_by > 0:
            self._passed_by -= count
            return
        now = time.monotonic()
        if self._began is None:
            # What the first frame takes besides is paid once.
            self._began = now
            return
        self._count += count
        seconds = now - self._began
        has_window = self._count > self._run.propagator.settings.context_frames
        if self._count < _FRAMES or not (has_window or seconds >= _SECONDS):
            return
        self._is_settled = True
        price = left * seconds / self._count
        if price >= LONG_SECONDS:
            self._left = None  # said once
            self._display.say(self._text(part, price))

    def _text(self, part: str, price: float) -> str:
        device = self._run.propagator.extractor.device.type
        where = "this processor" if device == "cpu" else "this device"
        text = f"This will take about {_about(price)} on {where}."
        size = next(one.input_size for one in self._run.sequences if one.name == part)
        share = DEFAULT_SIZE / min(size)
        if share >= 1:
            return text
        # Networks and window take time with the cells, and frame 0 with their square.
        return (
            f"{text} Each frame of {size[1]}×{size[0]} is compared with all of the first one, which grows "
            f"with the square of their pixels; `size` {DEFAULT_SIZE} would take about "
            f"{_about(price * share**2)} or less."
        )


def _about(seconds: float) -> str:
    """Return a duration in whole minutes from two minutes on."""
    return in_time(seconds if seconds < 120 else 60 * round(seconds / 60)).removesuffix(" 0 s")
