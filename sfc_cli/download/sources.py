"""The kinds of places that a file can come from, and the address of each."""

from __future__ import annotations

import re
from urllib.parse import parse_qs, urlsplit

from sfc_cli.errors import InputError

DRIVE = "drive:"
TORCHVISION = "torchvision:"


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
    parts = urlsplit(source)
    if drive is None and parts.scheme in {"http", "https"} and parts.netloc:
        return
    raise InputError(
        f"{owner} has the source {source!r}.",
        "A source is an http(s) address, drive:<id> or torchvision:<Weights>.<NAME>; "
        "a file on this machine is taken with --from.",
    )


def drive_id(source: str) -> str | None:
    """Return the id of a Google Drive file from ``drive:<id>`` or a link as its share dialog gives it."""
    if source.startswith(DRIVE):
        return source[len(DRIVE) :]
    parts = urlsplit(source)
    if parts.hostname not in {"drive.google.com", "docs.google.com", "drive.usercontent.google.com"}:
        return None
    in_path = re.match(r"/file/d/([\w-]+)", parts.path)
    return in_path[1] if in_path else "".join(parse_qs(parts.query).get("id", [])) or None


def address_of(source: str) -> str:
    """Return the address that a program fetches; torchvision is asked for the addresses it knows."""
    if source.startswith(TORCHVISION):
        from torchvision import models

        return str(models.get_weight(source[len(TORCHVISION) :]).url)
    return source


def page_of(source: str) -> str:
    """Return the address that a person opens in a browser."""
    identity = drive_id(source)
    return address_of(source) if identity is None else f"https://drive.google.com/file/d/{identity}/view"


def host_of(source: str) -> str:
    """Return the name of the place alone, for a table."""
    if source.startswith(TORCHVISION):
        return "torchvision"
    return "drive.google.com" if drive_id(source) is not None else urlsplit(source).hostname or source
