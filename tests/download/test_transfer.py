from __future__ import annotations

import email.utils
import json
import shutil
import socket
import threading
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from sfc_cli.download import addresses
from sfc_cli.download.connection import Patience
from sfc_cli.download.transfer import Origin, Part, SourceError, Transfer
from sfc_cli.errors import InputError
from sfc_cli.progress import Silent
from tests.download.loopback import (
    ETAG,
    Loopback,
    in_turn,
    page,
    redirect,
    reset,
    send,
    send_rest,
    status,
    trickle,
    truncated,
    whole,
)

BODY = bytes(range(256)) * 4096


class Notes(Silent):
    """Progress that remembers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.starts: list[tuple[int | None, int]] = []
        self.received = 0

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        assert part == "file"
        self.starts.append((total, done))

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:  # noqa: ARG002
        assert part == "file"
        self.received += count

    def say(self, text: str, **facts: object) -> None:
        assert facts == {"part": "file"}
        assert text.startswith("file: ")
        self.texts.append(text.removeprefix("file: "))


class Fetcher:
    """Fetches into one part file, with pauses that are remembered instead of waited for."""

    def __init__(self, folder: Path) -> None:
        self.part = Part(folder / "file.bin")
        self.notes = Notes()
        self.pauses: list[float] = []
        self.options: dict[str, Any] = {"read_seconds": 2.0, "connect_seconds": 2.0, "progress": 1 << 16}

    def __call__(self, source: str, size: int | None = None) -> bytes:
        patience = Patience(sleep=self.pauses.append, **self.options)
        Transfer(name="file", part=self.part, progress=self.notes, patience=patience, size=size).fetch(source)
        return self.part.path.read_bytes()


@pytest.fixture
def transfer(tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path)


def test_fetch__whole_file_at_once(loopback: Loopback, transfer: Fetcher) -> None:
    assert transfer(loopback.serve("/file", whole(BODY))) == BODY
    assert transfer.notes.starts == [(len(BODY), 0)]
    assert transfer.notes.received == len(BODY)
    assert transfer.pauses == []
    assert loopback.seen[0][1]["User-Agent"].startswith("sfc/")


def test_fetch__continues_after_a_truncated_body(loopback: Loopback, transfer: Fetcher) -> None:
    source = loopback.serve("/file", in_turn(truncated(BODY, 300_000), whole(BODY)))
    assert transfer(source) == BODY
    assert loopback.ranges("/file") == ["", "bytes=300000-"]
    assert loopback.seen[1][1]["If-Range"] == ETAG
    assert transfer.notes.starts == [(len(BODY), 0), (len(BODY), 300_000)]


def test_fetch__continues_after_a_reset(loopback: Loopback, transfer: Fetcher) -> None:
    source = loopback.serve("/file", in_turn(reset(BODY, 300_000), whole(BODY)))
    assert transfer(source) == BODY
    assert loopback.ranges("/file")[1].startswith("bytes=")
    assert "the connection broke" in transfer.notes.texts[0]


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


def test_fetch__ignored_range_starts_over(loopback: Loopback, transfer: Fetcher) -> None:
    again = in_turn(lambda handler, _: send(handler, 200, BODY, {"ETag": ETAG}))
    source = loopback.serve("/file", in_turn(truncated(BODY, 300_000), again))
    assert transfer(source) == BODY
    assert loopback.ranges("/file") == ["", "bytes=300000-"]
    assert transfer.notes.starts == [(len(BODY), 0), (len(BODY), 0)]


def test_fetch__changed_file_between_tries(loopback: Loopback, transfer: Fetcher) -> None:
    other = BODY[::-1]
    source = loopback.serve("/file", in_turn(truncated(BODY, 300_000), whole(other, etag='"two"')))
    assert transfer(source) == other


def test_fetch__changed_etag_in_a_206(loopback: Loopback, transfer: Fetcher) -> None:
    other = BODY[::-1]

    def careless(handler: Any, _: int) -> None:
        send_rest(handler, other, int(handler.headers["Range"][6:-1]), '"two"')

    source = loopback.serve("/file", in_turn(truncated(BODY, 300_000), careless, whole(other, '"two"')))
    assert transfer(source) == other
    assert loopback.ranges("/file") == ["", "bytes=300000-", ""]
    assert transfer.notes.texts[1] == "the file on the server has changed; trying again"


def test_fetch__206_of_another_start_or_length_is_not_taken(loopback: Loopback, transfer: Fetcher) -> None:
    def elsewhere(handler: Any, _: int) -> None:
        headers = {"ETag": ETAG, "Content-Range": f"bytes 10-{len(BODY) - 300_000 + 9}/{len(BODY)}"}
        send(handler, 206, BODY[10 : len(BODY) - 300_000 + 10], headers)

    def longer(handler: Any, _: int) -> None:
        headers = {"Content-Range": f"bytes 300000-{len(BODY)}/{len(BODY) + 1}"}
        send(handler, 206, BODY[300_000:] + b"x", headers)

    source = loopback.serve(
        "/file", in_turn(truncated(BODY, 300_000), elsewhere, truncated(BODY, 300_000), longer, whole(BODY))
    )
    assert transfer(source) == BODY


def test_fetch__without_validator_never_continues(loopback: Loopback, transfer: Fetcher) -> None:
    def nameless(handler: Any, _: int) -> None:
        send(handler, 200, BODY[:300_000], declared=len(BODY))

    source = loopback.serve("/file", in_turn(nameless, lambda handler, _: send(handler, 200, BODY)))
    assert transfer(source) == BODY
    assert loopback.ranges("/file") == ["", ""]


def test_fetch__weak_etag_is_no_validator(loopback: Loopback, transfer: Fetcher) -> None:
    source = loopback.serve("/file", in_turn(truncated(BODY, 300_000, 'W/"one"'), whole(BODY)))
    assert transfer(source) == BODY
    assert loopback.ranges("/file") == ["", ""]


def test_fetch__last_modified_is_a_validator(loopback: Loopback, transfer: Fetcher) -> None:
    date = "Wed, 21 Oct 2015 07:28:00 GMT"

    def dated(handler: Any, _: int) -> None:
        send(handler, 200, BODY[:300_000], {"Last-Modified": date}, declared=len(BODY))

    def rest(handler: Any, _: int) -> None:
        assert handler.headers["If-Range"] == date
        headers = {"Content-Range": f"bytes 300000-{len(BODY) - 1}/{len(BODY)}"}
        send(handler, 206, BODY[300_000:], headers)

    assert transfer(loopback.serve("/file", in_turn(dated, rest))) == BODY


def test_fetch__416_starts_over(loopback: Loopback, transfer: Fetcher) -> None:
    def gone(handler: Any, _: int) -> None:
        if handler.headers.get("Range"):
            send(handler, 416)
        else:
            send(handler, 200, BODY, {"ETag": '"two"'})

    assert transfer(loopback.serve("/file", in_turn(truncated(BODY, 300_000), gone))) == BODY


def test_fetch__part_of_another_source_is_not_continued(loopback: Loopback, transfer: Fetcher) -> None:
    transfer.part.start(Origin(source=loopback.url("/other"), etag=ETAG, total=len(BODY)))
    transfer.part.path.write_bytes(b"x" * 1000)
    assert transfer(loopback.serve("/file", whole(BODY))) == BODY
    assert loopback.ranges("/file") == [""]


def test_fetch__refusing_source_leaves_the_part_of_another(loopback: Loopback, transfer: Fetcher) -> None:
    origin = Origin(source=loopback.url("/good"), etag=ETAG, total=len(BODY))
    transfer.part.start(origin)
    transfer.part.path.write_bytes(BODY[:1000])
    with pytest.raises(SourceError):
        transfer(loopback.serve("/bad", status(403)))
    assert transfer.part.origin() == origin
    assert transfer(loopback.serve("/good", whole(BODY))) == BODY
    assert loopback.ranges("/good") == ["bytes=1000-"]


def test_fetch__part_without_note_is_not_trusted(loopback: Loopback, transfer: Fetcher) -> None:
    transfer.part.path.write_bytes(b"x" * 1000)
    assert transfer(loopback.serve("/file", whole(BODY))) == BODY
    assert loopback.ranges("/file") == [""]


def test_fetch__whole_part_needs_no_request(loopback: Loopback, transfer: Fetcher) -> None:
    transfer(loopback.serve("/file", whole(BODY)))
    assert transfer(loopback.url("/file")) == BODY
    assert len(loopback.seen) == 1


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


def test_fetch__redirect_keeps_the_range(loopback: Loopback, transfer: Fetcher) -> None:
    loopback.serve("/file", in_turn(truncated(BODY, 300_000), whole(BODY)))
    assert transfer(loopback.serve("/moved", redirect("/file"))) == BODY
    assert loopback.ranges("/file") == ["", "bytes=300000-"]


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


FORM = """<html><head><title>Google Drive - Virus scan warning</title></head><body>
<form id="search" action="/elsewhere"><input name="confirm" value="wrong"></form>
<form id="download-form" action="{action}" method="get"><input type="submit" value="Download anyway">
<input type="hidden" name="id" value="abc"><input type="hidden" name="export" value="download">
<input type="hidden" name="confirm" value="t&amp;">
<input type="hidden" name="uuid" value="1-2"></form></body>"""


@pytest.fixture
def google(loopback: Loopback, monkeypatch: pytest.MonkeyPatch) -> Loopback:
    monkeypatch.setattr(addresses, "DRIVE_DOWNLOAD", loopback.url("/download"))
    return loopback


@pytest.mark.parametrize("source", ["drive:abc", "https://drive.google.com/file/d/abc/view?usp=sharing"])
def test_fetch__drive_form_is_filled_in(google: Loopback, transfer: Fetcher, source: str) -> None:
    google.serve("/download", page(FORM.format(action="/confirmed")))
    google.serve("/confirmed", whole(BODY))
    assert transfer(source) == BODY
    assert google.seen[0][0] == "/download?id=abc&export=download"
    assert google.seen[1][0] == "/confirmed?id=abc&export=download&confirm=t%26&uuid=1-2"


def test_fetch__drive_continues_after_an_interruption(google: Loopback, transfer: Fetcher) -> None:
    google.serve("/download", page(FORM.format(action="/confirmed")))
    google.serve("/confirmed", in_turn(truncated(BODY, 300_000), whole(BODY)))
    assert transfer("drive:abc") == BODY
    assert google.ranges("/confirmed") == ["", "bytes=300000-"]


def test_fetch__drive_small_file_has_no_form(google: Loopback, transfer: Fetcher) -> None:
    google.serve("/download", whole(BODY))
    assert transfer("drive:abc") == BODY


@pytest.mark.parametrize("code", [200, 403, 429])
def test_fetch__drive_quota(google: Loopback, transfer: Fetcher, code: int) -> None:
    text = (
        "<title>Google Drive - Quota exceeded</title><p>Too many users have viewed or downloaded this file."
    )
    google.serve("/download", page(text, code))
    with pytest.raises(SourceError, match="Google Drive's download quota for this file is used up"):
        transfer("drive:abc")
    assert not transfer.part.path.exists()


def test_fetch__drive_quota_behind_the_form(google: Loopback, transfer: Fetcher) -> None:
    google.serve("/download", page(FORM.format(action="/confirmed")))
    google.serve("/confirmed", page("<title>Google Drive - Quota exceeded</title>"))
    with pytest.raises(SourceError, match="quota"):
        transfer("drive:abc")


def test_fetch__drive_form_to_no_web_address(google: Loopback, transfer: Fetcher) -> None:
    google.serve("/download", page(FORM.format(action="file:///etc/hostname")))
    with pytest.raises(SourceError, match="a web page titled 'Google Drive - Virus scan warning'"):
        transfer("drive:abc")


def test_fetch__server_that_gives_only_short_ranges(loopback: Loopback, transfer: Fetcher) -> None:
    def short(handler: Any, _: int) -> None:
        start = int(handler.headers["Range"][6:-1])
        end = min(start + 400_000, len(BODY))
        headers = {"ETag": ETAG, "Content-Range": f"bytes {start}-{end - 1}/{len(BODY)}"}
        send(handler, 206, BODY[start:end], headers)

    source = loopback.serve("/file", in_turn(truncated(BODY, 300_000), short))
    assert transfer(source) == BODY
    assert loopback.ranges("/file") == ["", "bytes=300000-", "bytes=700000-"]


def test_part_start__killed_before_the_new_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = Part(tmp_path / "file.bin")
    part.start(Origin(source="a", etag=ETAG))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "write_bytes", killed)
    with pytest.raises(KeyboardInterrupt):
        part.start(Origin(source="b", etag=ETAG))
    assert part.origin() is None, "a part of unknown state must not pass for one of either source"


def test_part_origin__damaged_note(tmp_path: Path) -> None:
    part = Part(tmp_path / "file.bin")
    for text in ("", "{", "[]", '{"unknown": 1}', json.dumps({"etag": "x"})):
        (tmp_path / "file.bin.part.json").write_text(text)
        assert part.origin() is None
