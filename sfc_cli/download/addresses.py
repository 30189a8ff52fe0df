"""Where a file can come from: web addresses, torchvision's list, and Google Drive with its own pages."""

from __future__ import annotations

import html
import html.parser
import re
from urllib.parse import SplitResult, parse_qs, urlencode, urljoin, urlsplit

from sfc_cli.errors import InputError

DRIVE = "drive:"
DRIVE_DOWNLOAD = "https://drive.usercontent.google.com/download"
TORCHVISION = "torchvision:"
_QUOTA_SIGNS = ("quota exceeded", "too many users have viewed or downloaded", "download quota for this file")
_SIGN_IN_SIGNS = ("accounts.google.com/servicelogin", "accounts.google.com/v3/signin", "you need access")


def check_source(source: str, owner: str) -> None:
    """Make sure that a source is of a known kind.

    Raises:
        InputError: Naming ``owner``, the source and the kinds.
    """
    drive = drive_id(source)
    if drive is not None and re.fullmatch(r"[\w-]+", drive):
        return
    if re.fullmatch(r"torchvision:\w+\.\w+", source):
        return
    parts = split_address(source)
    if drive is None and parts.scheme in {"http", "https"} and parts.netloc:
        return
    raise InputError(
        f"{owner} has the source {source!r}.",
        "A source is an http(s) address, drive:<id> or torchvision:<Weights>.<NAME>; "
        "take a file of this machine with `given`.",
    )


def split_address(address: str) -> SplitResult:
    """Return the parts of an address, all of them empty if it has none, as ``http://[::1/x``."""
    try:
        parts = urlsplit(address)
        _ = parts.hostname, parts.port
    except ValueError:
        return urlsplit("")
    return parts


def drive_id(source: str) -> str | None:
    """Return the id of a Google Drive file from ``drive:<id>`` or a link as its share dialog gives it."""
    if source.startswith(DRIVE):
        return source[len(DRIVE) :]
    parts = split_address(source)
    if parts.hostname not in {"drive.google.com", "docs.google.com", "drive.usercontent.google.com"}:
        return None
    in_path = re.match(r"/file/d/([\w-]+)", parts.path)
    return in_path[1] if in_path else "".join(parse_qs(parts.query).get("id", [])) or None


def address_of(source: str) -> str:
    """Return the address that a program fetches; torchvision is asked for those that it knows."""
    if source.startswith(TORCHVISION):
        from torchvision import models

        return str(models.get_weight(source[len(TORCHVISION) :]).url)
    identity = drive_id(source)
    if identity is None:
        return source
    return f"{DRIVE_DOWNLOAD}?{urlencode({'id': identity, 'export': 'download'})}"


def page_of(source: str) -> str:
    """Return the address that a person opens in a browser."""
    identity = drive_id(source)
    return address_of(source) if identity is None else f"https://drive.google.com/file/d/{identity}/view"


def host_of(source: str) -> str:
    """Return the host alone, for a table."""
    if source.startswith(TORCHVISION):
        return "torchvision"
    return "drive.google.com" if drive_id(source) is not None else split_address(source).hostname or source


def confirmed_address(page: str, address: str) -> str | None:
    """Return where the form leads that Google Drive shows before a large file; None if the page has none.

    Args:
        page: Its HTML.
        address: Its own address, against which the form's is resolved.
    """
    form = _Form()
    form.feed(page)
    if form.action is None or "confirm" not in form.fields:
        return None
    try:
        target = urljoin(address, form.action)
    except ValueError:
        return None
    if split_address(target).scheme not in {"http", "https"}:
        return None
    joint = "&" if split_address(target).query else "?"
    return f"{target}{joint}{urlencode(form.fields)}"


def explain_page(page: str) -> str:
    """Say in a few words what a page of Google Drive means that came instead of a file."""
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
    return f"the server sent a web page{named} instead of the file"


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
