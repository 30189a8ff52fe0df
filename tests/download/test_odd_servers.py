"""Servers and networks that answer beyond all sense: each is an ordinary failure, in one line, in time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from sfc_cli.download.addresses import check_source, host_of
from sfc_cli.download.connection import _refuse_downgrade
from sfc_cli.download.transfer import SourceError
from sfc_cli.errors import InputError
from tests.download.fetching import BODY, Fetcher
from tests.download.loopback import Loopback, in_turn, send, truncated, whole

OLD, NEW = "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 22 Oct 2015 07:28:00 GMT"


def _line(error: BaseException) -> str:
    text = str(error)
    assert "\n" not in text
    assert len(text) < 500
    return text


def test_fetch__new_file_of_equal_size_under_a_later_date(loopback: Loopback, transfer: Fetcher) -> None:
    other = BODY[::-1]

    def dated(handler: Any, _: int) -> None:
        send(handler, 200, BODY[:300_000], {"Last-Modified": OLD}, declared=len(BODY))

    def careless(handler: Any, _: int) -> None:
        # It takes no notice of If-Range.
        start = int(handler.headers["Range"][6:-1])
        headers = {"Last-Modified": NEW, "Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
        send(handler, 206, other[start:], headers)

    source = loopback.serve("/file", in_turn(dated, careless, whole(other)))
    assert transfer(source) == other
    assert loopback.ranges("/file") == ["", "bytes=300000-", ""]


def _raw(head: bytes, body: bytes = b"") -> Any:
    def answer(handler: Any, _: int) -> None:
        handler.wfile.write(b"HTTP/1.1 " + head + b"\r\nConnection: close\r\n\r\n" + body)
        handler.close_connection = True

    return answer


@pytest.mark.parametrize(
    "location",
    [
        b"http://[::1/x",
        b"http://" + b"a" * 300 + b".org/x",
        b"http://x..com/",
        b"http://.x..com/",
        b"\xff\xfe\x00x",
        b"http://\xff\xfe/",
        b"http://host:99999999/",
        b"http://host:port/",
        b"ftp://host/file",
        b"http://",
        b"//",
        b"http://exa mple.org/",
        b"http:\\\\x",
    ],
)
def test_fetch__malformed_location(loopback: Loopback, transfer: Fetcher, location: bytes) -> None:
    transfer.options.update(tries=1, unreachable_tries=1)
    source = loopback.serve("/file", _raw(b"302 Found\r\nLocation: " + location))
    with pytest.raises(SourceError) as caught:
        transfer(source)
    _line(caught.value)


def test_fetch__content_length_of_5000_digits(loopback: Loopback, transfer: Fetcher) -> None:
    transfer.options.update(tries=1)
    source = loopback.serve("/file", _raw(b"200 OK\r\nContent-Length: " + b"9" * 5000, b"body"))
    with pytest.raises(SourceError, match=r"5000 digits|leads to no|connection broke") as caught:
        transfer(source)
    _line(caught.value)


@pytest.mark.parametrize(
    "wait", ["9" * 5000, "Wed, 21 Oct 999999999 07:28:00 GMT", "Fri, 31 Dec 9999 23:59:59 -9999", "²"]
)
def test_fetch__giant_retry_after(loopback: Loopback, transfer: Fetcher, wait: str) -> None:
    source = loopback.serve("/file", in_turn(_raw(b"429 Slow\r\nRetry-After: " + wait.encode()), whole(BODY)))
    try:
        assert transfer(source) == BODY
    except SourceError as error:
        assert "asks to wait" in _line(error)  # noqa: PT017  # either is right


def test_fetch__headers_that_trickle_end_in_time(loopback: Loopback, transfer: Fetcher) -> None:
    transfer.options.update(read_seconds=0.3, connect_seconds=0.3, tries=1, unreachable_tries=1)

    def trickling(handler: Any, _: int) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        for number in range(60):
            handler.wfile.write(b"X-%d: 1\r\n" % number)
            handler.wfile.flush()
            time.sleep(0.1)

    since = time.monotonic()
    with pytest.raises(SourceError, match=r"no whole answer from 127\.0\.0\.1 within 1 s"):
        transfer(loopback.serve("/file", trickling))
    assert time.monotonic() - since < 3


def test_fetch__page_that_trickles_ends_in_time(loopback: Loopback, transfer: Fetcher) -> None:
    transfer.options.update(read_seconds=0.3, tries=1)

    def trickling(handler: Any, _: int) -> None:
        send(handler, 200, b"<title>Wait</title>", {"Content-Type": "text/html"}, declared=10_000)
        for _ in range(60):
            handler.wfile.write(b" ")
            handler.wfile.flush()
            time.sleep(0.1)

    since = time.monotonic()
    with pytest.raises(SourceError, match="a web page titled 'Wait'"):
        transfer(loopback.serve("/file", trickling))
    assert time.monotonic() - since < 3


def test_fetch__endless_body_has_a_cap(loopback: Loopback, transfer: Fetcher) -> None:
    transfer.options.update(most_bytes=1 << 20)
    sent = [0]

    def endless(handler: Any, _: int) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
        while sent[0] < 50 << 20:
            handler.wfile.write(bytes(1 << 16))
            sent[0] += 1 << 16

    with pytest.raises(SourceError, match=r"more than 1\.0 MB arrived, and no length was declared"):
        transfer(loopback.serve("/file", endless))
    assert sent[0] < 30 << 20
    assert not transfer.part.path.exists()


class _Hop:
    def __init__(self, url: str, history: list[Any] | None = None) -> None:
        self.url, self.history = url, history or []
        self.is_closed = False

    def close(self) -> None:
        self.is_closed = True


def test_refuse_downgrade__https_to_http_is_said() -> None:
    from sfc_cli.download.connection import TryError

    answer = _Hop("http://a.org/file", [_Hop("https://a.org/file"), _Hop("https://b.org/")])
    with pytest.raises(TryError, match=r"from https to the unencrypted http://a\.org/file"):
        _refuse_downgrade(answer)  # type: ignore[arg-type]
    assert answer.is_closed
    for fine in (_Hop("https://a", [_Hop("http://a")]), _Hop("http://a", [_Hop("http://b")])):
        _refuse_downgrade(fine)  # type: ignore[arg-type]


def test_fetch__socks_without_pysocks_is_named(
    transfer: Fetcher, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    import requests.adapters

    def lacking(*_: object, **__: object) -> None:
        raise requests.exceptions.InvalidSchema("Missing dependencies for SOCKS support.")

    monkeypatch.setattr(requests.adapters, "SOCKSProxyManager", lacking)
    monkeypatch.setenv("http_proxy", "socks5://127.0.0.1:1")
    monkeypatch.setenv("no_proxy", "")
    with pytest.raises(SourceError, match=r"SOCKS proxy, which needs PySocks: type `pip install"):
        transfer(loopback.url("/file"))


def test_fetch__part_is_never_a_link(loopback: Loopback, transfer: Fetcher, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    transfer.part.path.symlink_to(precious)
    assert transfer(loopback.serve("/file", in_turn(truncated(BODY, 1000), whole(BODY)))) == BODY
    assert precious.read_bytes() == b"mine"
    assert not transfer.part.path.is_symlink()
    transfer.part.drop()
    (tmp_path / "file.bin.part.json").symlink_to(precious)
    assert transfer(loopback.url("/file")) == BODY
    assert precious.read_bytes() == b"mine"


@pytest.mark.parametrize("source", ["http://[::1/x", "https://", "http://h:x/y", "timm"])
def test_check_source__malformed(source: str) -> None:
    assert host_of(source) == source
    with pytest.raises(InputError, match="has the source"):
        check_source(source, "Entry 'mine'")
