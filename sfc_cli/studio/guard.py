"""Who may speak to the server: the page that was opened from this machine, and nobody else."""

from __future__ import annotations

import hmac
import secrets
from typing import Any

# A full mask of an 8K frame, compressed, is far smaller; the largest imported mask files are about so large.
LARGEST_BODY = 64 * 2**20

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS = [
    (b"content-security-policy", _POLICY.encode()),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


def new_token() -> str:
    """Return what the page's address begins with, and nobody can guess."""
    return secrets.token_urlsafe(24)


class Guard:
    """Refuses requests without the token, for another host, from another origin, or with giant bodies.

    The token is the first part of every path, so that it is there for modules, pictures and event streams
    alike; the application behind sees the path without it.

    Args:
        app: What answers the rest.
        token: See ``new_token``.
        hosts: The values of ``Host`` under which the server is reached.
    """

    def __init__(self, app: Any, token: str, hosts: set[str]) -> None:
        self._app, self._token, self._hosts = app, token, hosts

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._why_refused(scope)
        if scope["type"] != "http" or refusal is not None:
            await _refuse(scope, send, *(refusal or (403, "Not here.")))
            return
        prefix = f"/{self._token}"
        inner = {**scope, "path": scope["path"][len(prefix) :] or "/", "root_path": ""}
        inner["raw_path"] = inner["path"].encode()
        await self._app(inner, _Limited(receive), _with_headers(send))

    def _why_refused(self, scope: Any) -> tuple[int, str] | None:
        headers: dict[bytes, bytes] = {}
        for name, value in scope.get("headers", ()):
            if name in headers and name in (b"host", b"origin", b"content-length"):
                return 400, "A header is there twice."
            headers[name] = value
        host = headers.get(b"host", b"").decode("latin-1")
        if host not in self._hosts:
            return 421, "Wrong host."
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1") != f"http://{host}":
            return 403, "Wrong origin."
        if headers.get(b"sec-fetch-site", b"none") not in (b"none", b"same-origin"):
            return 403, "Wrong origin."
        first = scope.get("path", "").split("/")[1:2]
        if not first or not hmac.compare_digest(first[0].encode(), self._token.encode()):
            return 403, "The address lacks its token: open the one that `sfc studio` printed."
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > LARGEST_BODY:
            return 413, "Too large."
        return None


class BodyTooLargeError(Exception):
    """A body grew past what its header announced or the limit allows."""


class _Limited:
    """Counts the bytes of a body as they come."""

    def __init__(self, receive: Any) -> None:
        self._receive, self._seen = receive, 0

    async def __call__(self) -> Any:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > LARGEST_BODY:
            raise BodyTooLargeError
        return message


def _with_headers(send: Any) -> Any:
    async def inner(message: Any) -> None:
        if message["type"] == "http.response.start":
            names = {name for name, _ in message.get("headers", ())}
            extra = [pair for pair in _HEADERS if pair[0] not in names]
            message = {**message, "headers": [*message.get("headers", ()), *extra]}
        await send(message)

    return inner


async def _refuse(scope: Any, send: Any, status: int, text: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008})
        return
    body = text.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
