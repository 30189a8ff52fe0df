"""Files of Google Drive: its form, its quota."""

from __future__ import annotations

import pytest

from sfc_cli.download import addresses
from sfc_cli.download.transfer import SourceError
from tests.download.fetching import BODY, Fetcher
from tests.download.loopback import Loopback, in_turn, page, truncated, whole

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
