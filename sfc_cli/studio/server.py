"""The server of the page: on this machine alone, on a port of its own, for as long as the page is open."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import uvicorn

from sfc_cli.errors import UsageError
from sfc_cli.studio.command_line import Opening
from sfc_cli.studio.events import Events
from sfc_cli.studio.guard import Guard, new_token
from sfc_cli.studio.routes import make_app
from sfc_cli.studio.workbench import Workbench

_HOST = "127.0.0.1"
# How long the page may be away: after it said goodbye (a reload says so, too), and after it was lost.
_GRACE_CLOSED, _GRACE_LOST = 4.0, 60.0


@dataclass(frozen=True, kw_only=True)
class Serving:
    """A server that listens already.

    Args:
        address: Of the page, with its token.
        bench: What it serves.
    """

    address: str
    bench: Workbench
    _listener: socket.socket
    _token: str

    def run(self, *, stops_alone: bool = True) -> None:
        """Serve until the page is closed for good, or until Ctrl-C.

        Args:
            stops_alone: Whether to stop once no page is open and nothing is propagated.
        """
        port = self._listener.getsockname()[1]
        hosts = {f"{name}:{port}" for name in (_HOST, "localhost")}
        app = Guard(make_app(self.bench), self._token, hosts)
        config = uvicorn.Config(
            app,
            log_level="critical",
            access_log=False,
            server_header=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=2,
            h11_max_incomplete_event_size=16 * 1024,
        )
        server = uvicorn.Server(config)
        # Ctrl-C is how it ends: nothing was interrupted.
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(self._serve(server, stops_alone))

    async def _serve(self, server: uvicorn.Server, stops_alone: bool) -> None:
        watching = asyncio.create_task(self._watch(server, stops_alone))
        try:
            await server.serve(sockets=[self._listener])
        finally:
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching

    async def _watch(self, server: uvicorn.Server, stops_alone: bool) -> None:
        while True:
            await asyncio.sleep(0.25)
            if server.should_exit:
                self.bench.events.end()
            seconds, is_closed = self.bench.events.seconds_alone()
            is_over = seconds > (_GRACE_CLOSED if is_closed else _GRACE_LOST)
            if stops_alone and is_over and not self.bench.worker.is_busy:
                server.should_exit = True


@contextlib.contextmanager
def open_studio(opening: Opening, *, port: int = 0) -> Iterator[Serving]:
    """Open a video for the page, and a port to serve it on.

    Args:
        opening: What is to be opened.
        port: The port; 0 for any that is free.

    Raises:
        UsageError: If the port is taken, or a choice impossible.
        InputError: If the video cannot be read, or the results folder not be written to.
    """
    listener = _listen(port)
    token = new_token()
    bench: Workbench | None = None
    try:
        bench = Workbench(opening, Events())
        address = f"http://{_HOST}:{listener.getsockname()[1]}/{token}/"
        bench.start()
        yield Serving(address=address, bench=bench, _listener=listener, _token=token)
    finally:
        if bench is not None:
            bench.close()
        listener.close()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((_HOST, port))
        listener.listen(64)
    except (OSError, OverflowError) as error:
        listener.close()
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"`port` {port} cannot be used: {reason}.", "Leave it out to take one that is free."
        ) from None
    return listener


def open_browser(address: str, say: Callable[[str], None]) -> None:
    """Show the page in the user's browser, or say that there is none."""
    try:
        is_open = webbrowser.open(address)
    except (webbrowser.Error, OSError):
        is_open = False
    if not is_open:
        say("No browser could be opened: open the address yourself.")
