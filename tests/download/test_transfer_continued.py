"""Transfers that break and go on: which part may be continued, and which must start over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from sfc_cli.download.transfer import Origin, Part, SourceError
from tests.download.fetching import BODY, Fetcher
from tests.download.loopback import (
    ETAG,
    Loopback,
    in_turn,
    redirect,
    reset,
    send,
    send_rest,
    status,
    truncated,
    whole,
)


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


def test_fetch__redirect_keeps_the_range(loopback: Loopback, transfer: Fetcher) -> None:
    loopback.serve("/file", in_turn(truncated(BODY, 300_000), whole(BODY)))
    assert transfer(loopback.serve("/moved", redirect("/file"))) == BODY
    assert loopback.ranges("/file") == ["", "bytes=300000-"]


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
