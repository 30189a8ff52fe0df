"""One file from one source over HTTP: streaming, trying again, and going on where the last try stopped.

urllib3's own retries end where the body begins, so they can neither resume nor tell the user why they wait;
this loop covers the whole transfer.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

from sfc_cli.download import drive
from sfc_cli.download.connection import Patience, TryError, check_status, get, read_chunks, read_page
from sfc_cli.download.part import Origin, Part
from sfc_cli.download.progress import Reporter, in_bytes
from sfc_cli.download.sources import address_of, drive_id
from sfc_cli.errors import InputError

if TYPE_CHECKING:
    from requests import Response, Session

SPARE_BYTES = 1 << 20


class SourceError(Exception):
    """A source that could not give the file; the text says why."""


def fetch(
    source: str,
    part: Part,
    *,
    session: Session,
    report: Reporter,
    patience: Patience,
    size: int | None = None,
) -> None:
    """Bring a source's file into the part file, whole.

    Args:
        source: The source as the catalogue names it.
        part: The part file; what it already holds of this very file is kept.
        session: The connection.
        report: Is told of progress and of every new try.
        patience: When to try again and when to give up.
        size: The file's size in bytes if the catalogue knows it.

    Raises:
        SourceError: If the source cannot give the file.
        InputError: If the disk is full or cannot be written to.
    """
    failures, reached = 0, part.size
    while (error := _try_once(source, part, session, report, patience, size)) is not None:
        failures = 1 if part.size - reached >= patience.progress else failures + 1
        reached = max(reached, part.size)
        if failures >= error.tries:
            raise SourceError(f"{error}, {failures} times" if failures > 1 else str(error))
        pause = patience.pause(failures) if error.wait is None else error.wait
        report.note(f"{error}; trying again{f' in {pause:.0f} s' if pause else ''}")
        patience.sleep(pause)


def _try_once(
    source: str, part: Part, session: Session, report: Reporter, patience: Patience, size: int | None
) -> TryError | None:
    try:
        _transfer(source, part, session, report, patience, size)
    except TryError as error:
        return error
    return None


def _transfer(
    source: str, part: Part, session: Session, report: Reporter, patience: Patience, size: int | None
) -> None:
    origin = part.origin()
    if origin is None or origin.source != source:
        origin = None
    if origin is not None and origin.total == part.size:
        report.start(part.size, part.size)
        return
    headers = {}
    if origin is not None and origin.validator and part.size:
        headers = {"Range": f"bytes={part.size}-", "If-Range": origin.validator}
    with _open(source, session, headers, patience) as response:
        origin = _begin(response, source, part, origin, patience)
        _check_room(origin, part, size)
        report.start(origin.total, part.size)
        with part.append() as file:
            for chunk in read_chunks(response, patience):
                part.write(file, chunk)
                report.advance(len(chunk))
    if origin.total is None:
        part.note(replace(origin, total=part.size))
    elif part.size != origin.total:
        came = part.size
        if came > origin.total:
            part.drop()
        raise TryError(f"{came} bytes came where {origin.total} were declared", patience.tries)


def _open(source: str, session: Session, headers: dict[str, str], patience: Patience) -> Response:
    """Send the request and return the answer if it is the file; a Drive form is filled in on the way."""
    identity = drive_id(source)
    address = address_of(source) if identity is None else drive.download_address(identity)
    response = get(address, session, headers, patience)
    page = read_page(response)
    if identity is not None and page is not None:
        confirmed = drive.confirmed_address(page, response.url)
        if confirmed is None:
            raise TryError(drive.explain_page(page))
        response = get(confirmed, session, headers, patience)
        page = read_page(response)
        if page is not None:
            raise TryError(drive.explain_page(page))
    check_status(response, patience)
    if page is not None:
        raise TryError(drive.describe_page(page))
    return response


def _begin(response: Response, source: str, part: Part, origin: Origin | None, patience: Patience) -> Origin:
    """Make the part file ready for the answer's body: kept if the body goes on from it, else emptied."""
    etag = response.headers.get("ETag", "")
    told = Origin(
        source=source,
        etag="" if etag.startswith("W/") else etag,
        modified=response.headers.get("Last-Modified", ""),
        total=_declared_total(response),
    )
    if response.status_code == 200:
        part.start(told)
        return told
    start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
    goes_on = (
        origin is not None
        and start is not None
        and int(start[1]) == part.size
        and (not told.etag or told.etag == origin.etag)
        and (told.total is None or origin.total is None or told.total == origin.total)
    )
    if not goes_on or origin is None:
        part.drop()
        raise TryError("the server's file changed meanwhile", patience.tries, wait=0.0)
    return origin


def _declared_total(response: Response) -> int | None:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    if response.status_code == 206:
        total = re.fullmatch(r"bytes \d+-\d+/(\d+)", response.headers.get("Content-Range", "").strip())
        return int(total[1]) if total else None
    length = response.headers.get("Content-Length", "").strip()
    return int(length) if re.fullmatch(r"\d+", length) else None


def _check_room(origin: Origin, part: Part, size: int | None) -> None:
    if size is not None and origin.total is not None and size != origin.total:
        part.drop()
        raise TryError(f"the server declares {origin.total} bytes, but the file has {size}")
    total = origin.total if origin.total is not None else size
    if total is None:
        return
    needed = total - part.size
    free = shutil.disk_usage(part.path.parent).free
    if needed + SPARE_BYTES > free:
        raise InputError(
            f"{in_bytes(needed)} are still to come for {part.path}, but {part.path.parent} has only "
            f"{in_bytes(free)} free.",
            "Free some space or choose another folder.",
        )
