"""Transfers of a file over HTTP: what counts as the file, how often and how long it is waited for."""

from __future__ import annotations

import email.utils
import shutil
import socket
import threading
import time
from collections import namedtuple
from typing import Any

import pytest

from sfc_cli.download.transfer import Origin, SourceError
from sfc_cli.errors import InputError
from tests.download.fetching import BODY, Fetcher
from tests.download.loopback import (
    ETAG,
    Loopback,
    in_turn,
    page,
    redirect,
    send,
    status,
    trickle,
    truncated,
    whole,
)


def test_fetch__whole_file_at_once(loopback: Loopback, transfer: Fetcher) -> None:
    assert transfer(loopback.serve("/file", whole(BODY))) == BODY
    assert transfer.notes.starts == [(len(BODY), 0)]
    assert transfer.notes.received == len(BODY)
    assert transfer.pauses == []
    assert loopback.seen[0][1]["User-Agent"].startswith("sfc/")


def test_fetch__pauses_grow_and_end(loopback: Loopback, transfer: Fetcher) -> None:
    source = loopback.serve("/file", status(503))
    with pytest.raises(SourceError, match="503 Service Unavailable, 6 times"):
        transfer(source)
    assert transfer.pauses == [1, 2, 4, 8, 16]
    assert not transfer.part.path.exists()


def test_fetch__progress_starts_the_count_again(loopback: Loopback, transfer: Fetcher) -> None:
    kept = range(100_000, len(BODY), 100_000)

    def a_piece(handler: Any, number: int) -> None:
        start = int((handler.headers.get("Range") or "bytes=0-")[6:-1])
        end = [*kept, len(BODY)][number]
        headers = {"ETag": ETAG, "Content-Range": f"bytes {start}-{len(BODY) - 1}/{len(BODY)}"}
        send(handler, 206 if start else 200, BODY[start:end], headers, declared=len(BODY) - start)

    assert transfer(loopback.serve("/file", a_piece)) == BODY
    assert len(kept) > 6, "more failures than tries, none of them without progress"
    assert set(transfer.pauses) == {1}


def test_fetch__always_truncated_at_the_same_byte_ends(loopback: Loopback, transfer: Fetcher) -> None:
    source = loopback.serve("/file", truncated(BODY, 300_000))
    with pytest.raises(SourceError, match="connection broke"):
        transfer(source)
    assert len(loopback.seen) == 6, "the same bytes again are no progress"
    assert transfer.pauses == [1, 2, 4, 8, 16]


@pytest.mark.parametrize("code", [403, 404, 410])
def test_fetch__refusal_is_not_repeated(loopback: Loopback, transfer: Fetcher, code: int) -> None:
    with pytest.raises(SourceError, match=f"the server answers {code}"):
        transfer(loopback.serve("/file", status(code, body=b"no")))
    assert len(loopback.seen) == 1
    assert not transfer.part.path.exists()


def test_fetch__429_waits_as_asked(loopback: Loopback, transfer: Fetcher) -> None:
    source = loopback.serve("/file", in_turn(status(429, {"Retry-After": "7"}), whole(BODY)))
    assert transfer(source) == BODY
    assert transfer.pauses == [7]
    assert "429 Too Many Requests; trying again in 7 s" in transfer.notes.texts[0]


def test_fetch__retry_after_as_a_date(loopback: Loopback, transfer: Fetcher) -> None:
    date = email.utils.formatdate(time.time() + 100, usegmt=True)
    assert transfer(loopback.serve("/file", in_turn(status(503, {"Retry-After": date}), whole(BODY)))) == BODY
    assert 95 < transfer.pauses[0] <= 100


@pytest.mark.parametrize("text", ["soon", "-3", ""])
def test_fetch__retry_after_without_sense(loopback: Loopback, transfer: Fetcher, text: str) -> None:
    assert transfer(loopback.serve("/file", in_turn(status(429, {"Retry-After": text}), whole(BODY)))) == BODY
    assert transfer.pauses == [1]


def test_fetch__retry_after_beyond_patience(loopback: Loopback, transfer: Fetcher) -> None:
    with pytest.raises(SourceError, match="429 Too Many Requests and asks to wait 86400 s"):
        transfer(loopback.serve("/file", status(429, {"Retry-After": "86400"})))
    assert transfer.pauses == []


def test_fetch__500_then_success(loopback: Loopback, transfer: Fetcher) -> None:
    assert transfer(loopback.serve("/file", in_turn(status(500), whole(BODY)))) == BODY
    assert transfer.pauses == [1]


def test_fetch__html_with_200(loopback: Loopback, transfer: Fetcher) -> None:
    source = loopback.serve("/file", page("<html><title>Log in to\n the Wi-Fi</title></html>"))
    with pytest.raises(SourceError, match="the server sent a web page titled 'Log in to the Wi-Fi' instead"):
        transfer(source)
    assert len(loopback.seen) == 1
    assert not transfer.part.path.exists()


def test_fetch__chunked_body_of_unknown_length(loopback: Loopback, transfer: Fetcher) -> None:
    def chunked(end: bytes) -> Any:
        def answer(handler: Any, _: int) -> None:
            handler.send_response(200)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(BODY), BODY) + end)
            handler.close_connection = True

        return answer

    assert transfer(loopback.serve("/file", in_turn(chunked(b"10\r\nhalf"), chunked(b"0\r\n\r\n")))) == BODY
    assert len(loopback.seen) == 2
    assert transfer.part.origin() == Origin(source=loopback.url("/file"), total=len(BODY))


def test_fetch__compressed_in_transit_is_unpacked(loopback: Loopback, transfer: Fetcher) -> None:
    import gzip

    packed = gzip.compress(BODY)
    source = loopback.serve("/file", status(200, {"Content-Encoding": "gzip"}, packed))
    assert transfer(source) == BODY
    assert loopback.seen[0][1]["Accept-Encoding"] == "identity"


def test_fetch__slow_trickle(loopback: Loopback, transfer: Fetcher) -> None:
    transfer.options.update(read_seconds=0.25, tries=2)
    with pytest.raises(SourceError, match=r"only \d+ bytes arrived in 0 s, 2 times"):
        transfer(loopback.serve("/file", trickle(BODY[:1000], 0.05)))


def test_fetch__silence_past_the_time_out(loopback: Loopback, transfer: Fetcher) -> None:
    silence = threading.Event()
    transfer.options.update(read_seconds=0.2, tries=2)

    def silent(handler: Any, number: int) -> None:
        if number == 0:
            send(handler, 200, BODY[:1000], {"ETag": ETAG}, declared=len(BODY))
            handler.wfile.flush()
        silence.wait(5)

    with pytest.raises(SourceError, match=r"no answer from 127\.0\.0\.1 within"):
        transfer(loopback.serve("/file", silent))
    silence.set()
    assert "nothing arrived for" in transfer.notes.texts[0]


def test_fetch__redirect_is_followed(loopback: Loopback, transfer: Fetcher) -> None:
    loopback.serve("/file", whole(BODY))
    assert transfer(loopback.serve("/moved", redirect("/file"))) == BODY


def test_fetch__redirect_loop(loopback: Loopback, transfer: Fetcher) -> None:
    loopback.serve("/a", redirect("/b"))
    with pytest.raises(SourceError, match="redirects in a circle or more than 10 times"):
        transfer(loopback.serve("/b", redirect("/a")))
    assert len(loopback.seen) <= 12


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/file"])
def test_fetch__redirect_to_no_web_address(loopback: Loopback, transfer: Fetcher, target: str) -> None:
    with pytest.raises(SourceError, match=f"redirects to something that is not an http.s. address.*{target}"):
        transfer(loopback.serve("/file", redirect(target)))
    assert not transfer.part.path.exists()


def test_fetch__nobody_listens(transfer: Fetcher) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with pytest.raises(SourceError, match=r"127.0.0.1 cannot be reached \(Connection refused\), 3 times"):
        transfer(f"http://127.0.0.1:{port}/file")
    assert transfer.pauses == [1, 2]


def test_fetch__declared_length_against_the_catalogue(loopback: Loopback, transfer: Fetcher) -> None:
    with pytest.raises(SourceError, match=f"declares {len(BODY)} bytes, but the file has 5"):
        transfer(loopback.serve("/file", whole(BODY)), size=5)
    assert not transfer.part.path.exists()


def test_fetch__room_is_checked_first(
    loopback: Loopback, transfer: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**9, 10**9 - 500_000, 500_000))
    with pytest.raises(InputError, match=r"needs 1.0 MB more, .* has only 500.0 kB free"):
        transfer(loopback.serve("/file", whole(BODY)))
    assert transfer.part.size == 0


def test_fetch__proxy_of_the_environment(
    loopback: Loopback, transfer: Fetcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", loopback.url(""))
    loopback.serve("http://weights.invalid/file", whole(BODY))
    assert transfer("http://weights.invalid/file") == BODY
