"""Google Drive's pages: the form before a large file, and those that come instead of a file."""

from __future__ import annotations

import html
import html.parser
import re
from urllib.parse import urlencode, urljoin, urlsplit

DOWNLOAD_ADDRESS = "https://drive.usercontent.google.com/download"
_QUOTA_SIGNS = ("quota exceeded", "too many users have viewed or downloaded", "download quota for this file")
_SIGN_IN_SIGNS = ("accounts.google.com/servicelogin", "accounts.google.com/v3/signin", "you need access")


def download_address(identity: str) -> str:
    """Return the address of a public file of Google Drive."""
    return f"{DOWNLOAD_ADDRESS}?{urlencode({'id': identity, 'export': 'download'})}"


def confirmed_address(page: str, address: str) -> str | None:
    """Return where the form of a confirmation page leads; None if the page has no such form.

    Args:
        page: The page's HTML.
        address: The page's own address, against which the form's is resolved.
    """
    form = _Form()
    form.feed(page)
    if form.action is None or "confirm" not in form.fields:
        return None
    target = urljoin(address, form.action)
    if urlsplit(target).scheme not in {"http", "https"}:
        return None
    joint = "&" if urlsplit(target).query else "?"
    return f"{target}{joint}{urlencode(form.fields)}"


def explain_page(page: str) -> str:
    """Say in a few words what a page that came instead of a file tells."""
    lower = page.lower()
    if any(sign in lower for sign in _QUOTA_SIGNS):
        return "Google Drive's download quota for this file is used up; it is lifted within a day"
    if any(sign in lower for sign in _SIGN_IN_SIGNS):
        return "Google Drive wants a sign-in for this file"
    return describe_page(page)


def describe_page(page: str) -> str:
    """Name a web page that came instead of a file by its title."""
    title = re.search(r"<title[^>]*>(.*?)</title>", page, re.IGNORECASE | re.DOTALL)
    named = (
        f" titled {html.unescape(' '.join(title[1].split()))[:80]!r}" if title and title[1].strip() else ""
    )
    return f"a web page{named} came instead of the file"


class _Form(html.parser.HTMLParser):
    """Collects the address and the fields of the form that Drive calls ``download-form``."""

    def __init__(self) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self._inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        if tag == "form":
            self._inside = attributes.get("id") == "download-form"
            if self._inside:
                self.action = attributes.get("action")
        elif tag == "input" and self._inside and attributes.get("name"):
            self.fields[str(attributes["name"])] = attributes.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "form":
            self._inside = False
