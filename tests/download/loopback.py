"""A web server on loopback that plays the faults of real ones, and small checkpoints for it to serve."""

from __future__ import annotations

import argparse
import io
import os
import re
import socket
import struct
import threading
import time
import zipfile
from collections import defaultdict
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

ETAG = '"one"'


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    loopback: Loopback

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        number = self.loopback.count(path, self)
        answer = self.loopback.routes.get(path)
        if answer is None:
            send(self, 404)
            return
        try:
            answer(self, number)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


Answer = Callable[[Handler, int], None]


class _QuietServer(ThreadingHTTPServer):
    """Says nothing of clients that hang up, which is what half of the tests are about."""

    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        pass


class Loopback:
    """The server; ``routes`` maps paths to answers, ``seen`` keeps every request's path and headers."""

    def __init__(self) -> None:
        self.routes: dict[str, Answer] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []
        self._counts: dict[str, int] = defaultdict(int)
        self._lock = threading.Lock()
        handler = type("BoundHandler", (Handler,), {"loopback": self})
        self._server = _QuietServer(("127.0.0.1", 0), handler)
        # With a short poll the server also stops shortly.
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def count(self, path: str, handler: Handler) -> int:
        with self._lock:
            self.seen.append((handler.path, dict(handler.headers)))
            self._counts[path] += 1
            return self._counts[path] - 1

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self._server.server_port}{path}"

    def serve(self, path: str, answer: Answer) -> str:
        self.routes[path] = answer
        return self.url(path)

    def ranges(self, path: str) -> list[str]:
        """The Range header of every request for ``path``, empty where there was none."""
        return [headers.get("Range", "") for seen, headers in self.seen if seen.partition("?")[0] == path]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def send(
    handler: Handler,
    status: int,
    body: bytes = b"",
    headers: Mapping[str, str] | None = None,
    *,
    declared: int | None = None,
) -> None:
    """Send an answer; ``declared`` is the Content-Length if it is not the body's."""
    handler.send_response(status)
    for name, value in (headers or {}).items():
        handler.send_header(name, value)
    handler.send_header("Content-Length", str(len(body) if declared is None else declared))
    handler.end_headers()
    handler.wfile.write(body)
    if declared is not None and declared != len(body):
        handler.close_connection = True


def whole(body: bytes, etag: str = ETAG) -> Answer:
    """A right server: the file, or the range asked for if the file is still the same."""

    def answer(handler: Handler, _: int) -> None:
        start = _asked_start(handler)
        if start is None or handler.headers.get("If-Range") != etag:
            send(handler, 200, body, {"ETag": etag})
        else:
            send_rest(handler, body, start, etag)

    return answer


def send_rest(handler: Handler, body: bytes, start: int, etag: str) -> None:
    send(
        handler,
        206,
        body[start:],
        {"ETag": etag, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"},
    )


def _asked_start(handler: Handler) -> int | None:
    match = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
    return int(match[1]) if match else None


def in_turn(*answers: Answer) -> Answer:
    """The first answer to the first request and so on; the last one to all that follow."""
    return lambda handler, number: answers[min(number, len(answers) - 1)](handler, number)


def status(code: int, headers: Mapping[str, str] | None = None, body: bytes = b"") -> Answer:
    return lambda handler, _: send(handler, code, body, headers)


def truncated(body: bytes, kept: int, etag: str = ETAG) -> Answer:
    """Declares the whole file, sends its first bytes and hangs up."""
    return lambda handler, _: send(handler, 200, body[:kept], {"ETag": etag}, declared=len(body))


def reset(body: bytes, kept: int, etag: str = ETAG) -> Answer:
    """Sends the first bytes and resets the connection."""

    def answer(handler: Handler, _: int) -> None:
        send(handler, 200, body[:kept], {"ETag": etag}, declared=len(body))
        handler.wfile.flush()
        # The reset discards what is still on its way: let the client read first.
        time.sleep(0.1)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    return answer


def page(text: str, code: int = 200) -> Answer:
    return status(code, {"Content-Type": "text/html; charset=utf-8"}, text.encode())


def redirect(target: str) -> Answer:
    return status(302, {"Location": target})


def trickle(body: bytes, pause: float) -> Answer:
    """Sends byte after byte, each soon enough for a plain time-out."""

    def answer(handler: Handler, _: int) -> None:
        send(handler, 200, b"", {"ETag": ETAG}, declared=len(body))
        for byte in body:
            handler.wfile.write(bytes([byte]))
            handler.wfile.flush()
            time.sleep(pause)

    return answer


def checkpoint(architecture: str = "resnet18", layout: str = "torchvision", filler: int = 0) -> bytes:
    """A file of right keys and shapes in which each tensor takes four bytes; ``filler`` random bytes more."""
    import torch
    from torchvision import models

    with torch.device("meta"):
        state = models.get_model(architecture, weights=None).state_dict()
    tensors = {key: torch.ones(()).expand(value.shape) for key, value in state.items()}
    content: dict[str, Any] = dict(tensors)
    if layout == "sfc":
        content = {"model": {f"online_encoder.{key}": value for key, value in tensors.items()}}
        content["args"] = argparse.Namespace(lr=0.001)
    elif layout == "moco":
        content = {"state_dict": {f"module.encoder_q.{key}": value for key, value in tensors.items()}}
    content["filler"] = torch.frombuffer(bytearray(os.urandom(filler or 1)), dtype=torch.uint8)
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def davis_zip(extra: Mapping[str, bytes] | None = None, top: str = "DAVIS/") -> bytes:
    """A zip in the layout of the published one, with two frames of one sequence."""
    members = {
        "JPEGImages/480p/bear/00000.jpg": b"frame 0",
        "JPEGImages/480p/bear/00001.jpg": b"frame 1",
        "Annotations/480p/bear/00000.png": b"mask 0",
        "Annotations/480p/bear/00001.png": b"mask 1",
        "ImageSets/2017/val.txt": b"bear\n",
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(top + name, content)
        for name, content in (extra or {}).items():
            packed.writestr(name, content)
    return file.getvalue()


def visible(folder: Path) -> list[str]:
    """Names in a folder, without the empty hidden lock files."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")
