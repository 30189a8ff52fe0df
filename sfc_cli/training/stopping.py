"""Requests to stop: SIGTERM, Ctrl-C or a closed terminal, however often the same request arrives."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

# Slurm, `timeout` and containers signal the whole process group, and `torchrun` passes the signal on besides:
# one request reaches a process several times. Later than this it is a second one, of somebody in a hurry.
GRACE_SECONDS = 3.0

_NAMES = ("SIGTERM", "SIGINT", "SIGHUP")
STOP_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))


class StopRequest:
    """Remembers that the process was asked to stop, so that its step can be finished and saved.

    Attributes:
        number: The first signal's number; 0 as long as there was none.
    """

    def __init__(self) -> None:
        self.number = 0
        self._since = 0.0

    @contextlib.contextmanager
    def caught(self) -> Iterator[None]:
        """Catch the signals for the time of the context; outside the main thread nothing changes."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        old = {number: signal.getsignal(number) for number in STOP_SIGNALS}
        for number, handler in old.items():
            # `nohup` has a closed terminal ignored, and so it shall be.
            if not (number not in (signal.SIGTERM, signal.SIGINT) and handler == signal.SIG_IGN):
                signal.signal(number, self._remember)
        try:
            yield
        finally:
            for number, handler in old.items():
                # None is a handler that was not installed by Python, which cannot be put back.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _remember(self, number: int, _: FrameType | None) -> None:
        now = time.monotonic()
        if not self.number:
            self.number, self._since = number, now
        elif now - self._since > GRACE_SECONDS:
            if number == signal.SIGINT:
                raise KeyboardInterrupt
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


def leave_signals_to_parent() -> None:
    """Ignore requests to stop in a worker: its parent decides, and ends it when it is not needed any more."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
