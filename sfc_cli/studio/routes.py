"""What the page may ask for, and how it is answered."""

from __future__ import annotations

import gzip
import json
import logging
import zlib
from collections.abc import Awaitable, Callable
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from sfc_cli.data.masks import Ids
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.settings.locations import assets_folder
from sfc_cli.studio.guard import BodyTooLargeError
from sfc_cli.studio.workbench import Workbench

logger = logging.getLogger(__name__)

_PAGE = Path(__file__).resolve().parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_TAB = "x-studio-tab"

Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(workbench: Workbench) -> Starlette:
    """Return the application, which ``Guard`` must stand before."""
    handlers = _Handlers(workbench)
    return Starlette(
        routes=[
            *(_file_route(path) for path in sorted(_PAGE.iterdir()) if path.suffix in _TYPES),
            _file_route(assets_folder() / "plain.css"),
            Route("/", _file(_PAGE / "index.html")),
            Route("/api/state", handlers.state),
            Route("/api/events", handlers.events),
            Route("/api/frames/{index:int}", handlers.frame),
            Route("/api/masks/{index:int}", handlers.mask),
            Route("/api/masks/{index:int}", handlers.put_mask, methods=["PUT"]),
            Route("/api/masks/{index:int}", handlers.drop_mask, methods=["DELETE"]),
            Route("/api/marks/{index:int}", handlers.put_marks, methods=["PUT"]),
            Route("/api/solve/{index:int}", handlers.solve, methods=["POST"]),
            Route("/api/import/{index:int}", handlers.import_mask, methods=["POST"]),
            Route("/api/objects", handlers.put_objects, methods=["PUT"]),
            Route("/api/propagate", handlers.propagate, methods=["POST"]),
            Route("/api/stop", handlers.stop, methods=["POST"]),
            Route("/api/clear", handlers.clear, methods=["POST"]),
            Route("/api/active", handlers.activate, methods=["POST"]),
            Route("/api/bye", handlers.bye, methods=["POST"]),
        ],
        exception_handlers={SfcError: _as_json, BodyTooLargeError: _as_json, Exception: _as_json},
    )


def _file(path: Path) -> Endpoint:
    async def answer(request: Request) -> Response:  # noqa: ARG001
        return FileResponse(path, media_type=_TYPES[path.suffix])

    return answer


def _file_route(path: Path) -> Route:
    return Route(f"/{path.name}", _file(path))


async def _as_json(request: Request, error: Exception) -> Response:  # noqa: ARG001
    if isinstance(error, BodyTooLargeError):
        return JSONResponse({"error": "That is too large."}, 413)
    if isinstance(error, SfcError):
        logger.info("%s", error)
        # The disk is the server's side; the rest is the request's.
        status = 507 if error.message.startswith("Cannot write") else 400
        return JSONResponse({"error": str(error).replace("`", "")}, status)
    if isinstance(error, OSError):
        text = f"{error.filename or 'A file'}: {error.strerror or error}."
    else:
        text = f"Unexpected {type(error).__name__}: {' '.join(str(error).split())}. This is a bug in sfc."
    logger.warning("%s", text)
    return JSONResponse({"error": text}, 500)


def _writes(handler: Callable[[_Handlers, Request], Awaitable[Response]]) -> Any:
    """Let only the tab that paints change anything."""

    @wraps(handler)
    async def guarded(self: _Handlers, request: Request) -> Response:
        if not self.bench.events.may_write(request.headers.get(_TAB)):
            return JSONResponse({"error": "Another tab has taken over.", "taken": True}, 409)
        return await handler(self, request)

    return guarded


class _Handlers:
    def __init__(self, bench: Workbench) -> None:
        self.bench = bench

    async def state(self, request: Request) -> Response:  # noqa: ARG002
        return JSONResponse(await run_in_threadpool(self.bench.state))

    async def events(self, request: Request) -> Response:
        tab = request.query_params.get("tab", "")[:64]
        return StreamingResponse(self.bench.events.stream(tab), media_type="text/event-stream")

    async def frame(self, request: Request) -> Response:
        index = request.path_params["index"]
        read = self.bench.frames.full_picture if "full" in request.query_params else self.bench.frames.picture
        content = await run_in_threadpool(read, index)
        # A frame never changes, and its address holds a token that nobody else has.
        headers = {"cache-control": "private, max-age=3600"}
        return Response(content, media_type="image/jpeg", headers=headers)

    async def mask(self, request: Request) -> Response:
        which = request.query_params.get("which", "shown")
        ids = await run_in_threadpool(self.bench.mask, request.path_params["index"], which)
        return Response(status_code=204) if ids is None else await run_in_threadpool(_packed, ids)

    @_writes
    async def put_mask(self, request: Request) -> Response:
        objects = _numbers(request.query_params.get("objects", ""))
        ids = _unpacked(await request.body(), self.bench.video.size)
        index = self._index(request)
        await run_in_threadpool(self.bench.project.set_mask, index, ids, objects)
        return self._painted()

    @_writes
    async def drop_mask(self, request: Request) -> Response:
        await run_in_threadpool(self.bench.project.drop_mask, self._index(request))
        return self._painted()

    @_writes
    async def put_marks(self, request: Request) -> Response:
        content, index = await _json(request), self._index(request)
        await run_in_threadpool(self.bench.keep_marks, index, content)
        return Response(status_code=204)

    @_writes
    async def solve(self, request: Request) -> Response:
        content, index = await _json(request), self._index(request)
        marks = await run_in_threadpool(self.bench.keep_marks, index, content)
        if marks is None:
            raise UsageError("There are no marks.")
        mask, (rows, columns) = await run_in_threadpool(self.bench.solve, index, marks)
        response = _packed(mask)
        box = (columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start)
        response.headers["x-box"] = ",".join(map(str, box))
        return response

    @_writes
    async def import_mask(self, request: Request) -> Response:
        name, content = request.query_params.get("name", ""), await request.body()
        done = await run_in_threadpool(self.bench.import_mask, self._index(request), content, name)
        return JSONResponse({**done, **self._summary()})

    @_writes
    async def put_objects(self, request: Request) -> Response:
        await run_in_threadpool(self.bench.project.set_objects, await _json(request))
        return Response(status_code=204)

    @_writes
    async def propagate(self, request: Request) -> Response:
        await run_in_threadpool(self.bench.begin, await _json(request))
        return self._painted()

    @_writes
    async def stop(self, request: Request) -> Response:  # noqa: ARG002
        self.bench.worker.stop()
        return Response(status_code=204)

    @_writes
    async def clear(self, request: Request) -> Response:  # noqa: ARG002
        if self.bench.worker.is_busy:
            raise UsageError("A propagation is under way.", "Stop it first.")
        await run_in_threadpool(self.bench.clear)
        return self._painted()

    async def activate(self, request: Request) -> Response:
        self.bench.events.activate(request.headers.get(_TAB, "")[:64])
        return Response(status_code=204)

    async def bye(self, request: Request) -> Response:
        self.bench.events.goodbye(request.query_params.get("tab", ""))
        return Response(status_code=204)

    def _index(self, request: Request) -> int:
        index: int = request.path_params["index"]
        if index >= max(1, len(self.bench.frames.stamps)):
            raise InputError(f"The video has no frame {index}, or it was not read yet.")
        return index

    def _summary(self) -> dict[str, Any]:
        project = self.bench.project
        return {
            "objects": {str(key): value for key, value in sorted(project.objects.items())},
            "anchors": {str(key): value for key, value in sorted(project.anchors.items())},
            "command": self.bench.command(),
        }

    def _painted(self) -> Response:
        return JSONResponse(self._summary())


def _packed(ids: Ids) -> Response:
    """Return ids as bytes, one a pixel, compressed on the way."""
    content = gzip.compress(np.ascontiguousarray(ids).tobytes(), 1)
    return Response(content, media_type="application/octet-stream", headers={"content-encoding": "gzip"})


def _unpacked(content: bytes, size: tuple[int, int]) -> Ids:
    """Read ids as the page sends them: one byte a pixel, compressed with gzip or as they are.

    Raises:
        InputError: If there are more or fewer than the frame has pixels.
    """
    height, width = size
    if content[:2] == b"\x1f\x8b":
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        try:
            # One more than wanted shows that there are too many, without unpacking all of them.
            content = unpacker.decompress(content, height * width + 1)
        except zlib.error:
            raise InputError("The mask arrived damaged.", "Draw the last stroke again.") from None
    if len(content) != height * width:
        raise InputError(f"The mask has not the {width}×{height} pixels of the frame.")
    return np.frombuffer(content, np.uint8).reshape(size)


def _numbers(text: str) -> list[int]:
    parts = [part for part in text.split(",") if part]
    if not all(part.isascii() and part.isdecimal() and 0 < int(part) < 255 for part in parts[:255]):
        raise UsageError("Objects have ids from 1 to 254.")
    return [int(part) for part in parts[:255]]


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise UsageError("The request is not JSON.") from None
