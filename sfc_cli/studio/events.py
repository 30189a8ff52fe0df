"""What the server tells the page as it happens, and which of several tabs may paint."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

# A comment now and then shows either side that the other has gone.
_HEARTBEAT = 10.0
_MOST_WAITING = 2000


class Events:
    """Sends messages to the page's tabs; the one opened last paints, the others watch.

    ``publish`` may be called from any thread, all else from the server's loop.
    """

    def __init__(self) -> None:
        self.active: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tabs: dict[str, asyncio.Queue[Any]] = {}
        self._left = time.monotonic()
        self._had_one = self._said_goodbye = False

    def publish(self, kind: str, **content: Any) -> None:
        """Send a message to all tabs."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(self._put_all, {"kind": kind, **content})

    def may_write(self, tab: str | None) -> bool:
        """Return whether a tab is the one that paints."""
        return self.active is None or tab == self.active

    def activate(self, tab: str) -> None:
        """Let a tab paint, and the others watch."""
        self.active = tab
        self._put_all({"kind": "active", "tab": tab})

    def goodbye(self, tab: str) -> None:
        """Note that a tab was closed, not lost."""
        if tab in self._tabs and len(self._tabs) == 1:
            self._said_goodbye = True

    def seconds_alone(self) -> tuple[float, bool]:
        """Return for how many seconds no tab has been there, and whether the last one said goodbye."""
        if self._tabs or not self._had_one:
            return 0.0, False
        return time.monotonic() - self._left, self._said_goodbye

    def end(self) -> None:
        """End all streams, so that the server can stop."""
        self._put_all(None)

    async def stream(self, tab: str) -> AsyncIterator[str]:
        """Yield the messages for a tab, as server-sent events."""
        self._loop = asyncio.get_running_loop()
        queue: asyncio.Queue[Any] = asyncio.Queue(_MOST_WAITING)
        self._tabs[tab] = queue
        self._had_one, self._said_goodbye = True, False
        try:
            self.activate(tab)
            while True:
                try:
                    message = await asyncio.wait_for(queue.get(), _HEARTBEAT)
                except asyncio.TimeoutError:
                    yield ": still here\n\n"
                    continue
                if message is None:
                    yield 'data: {"kind": "ended"}\n\n'
                    return
                yield f"data: {json.dumps(message)}\n\n"
        finally:
            if self._tabs.get(tab) is queue:
                del self._tabs[tab]
            self._left = time.monotonic()
            if self.active == tab and self._tabs:
                self.activate(next(reversed(self._tabs)))

    def _put_all(self, message: Any) -> None:
        for queue in self._tabs.values():
            if queue.full():
                # A tab that sleeps asks for everything again when it wakes.
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait({"kind": "reload"})
            queue.put_nowait(message)
