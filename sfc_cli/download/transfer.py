"""One file from one source over HTTP: streaming, trying again, and continuing where the last try stopped.

urllib3's own retries end where the body begins, so they can neither resume nor tell the user why they wait;
this loop covers the whole transfer.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from io import FileIO
from pathlib import Path
from typing import TYPE_CHECKING

from sfc_cli.download.connection import Connection, Patience, TryError
from sfc_cli.download.storage import require_room
from sfc_cli.errors import InputError
from sfc_cli.files import in_bytes
from sfc_cli.progress import Progress

if TYPE_CHECKING:
    from requests import Response

SPARE_BYTES = 1 << 20


class SourceError(Exception):
    """A source that could not give the file; the text says why."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What the server said of the file that a part file belongs to.

    Args:
        source: The source as the catalogue names it.
        etag: A strong entity tag, or empty.
        modified: The Last-Modified date, or empty.
        total: The whole file's size in bytes, if declared.
    """

    source: str
    etag: str = ""
    modified: str = ""
    total: int | None = None

    @property
    def validator(self) -> str:
        """What goes into If-Range; empty if the server sent nothing to recognise the file by."""
        return self.etag or self.modified


class Part:
    """``<file>.part`` and its ``<file>.part.json``.

    The second says which file of which source the first is the beginning of. It is removed before the part
    is emptied and written before the first byte, so that at no moment it describes bytes of another file.

    Args:
        target: The file's final path.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """The bytes that are there."""
        try:
            return self.path.lstat().st_size
        except FileNotFoundError:
            return 0

    def drop_links(self) -> None:
        """Remove a link in the place of the part file or of its note: what it leads to is another's."""
        if self.path.is_symlink() or self._note.is_symlink():
            self.drop()

    def origin(self) -> Origin | None:
        """Return what the part file is the beginning of; None if that is not known."""
        try:
            return Origin(**json.loads(self._note.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def start(self, origin: Origin) -> None:
        """Empty the part file and note what will be written to it."""
        with self._disk_errors():
            self._note.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)
            self.path.write_bytes(b"")
            self.note(origin)

    def note(self, origin: Origin) -> None:
        """Note what the part file is the beginning of."""
        with self._disk_errors():
            self._note.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def append(self) -> FileIO:
        """Open the part file for adding bytes; unbuffered, so that a kill loses none."""
        with self._disk_errors():
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
            # Not where a link has taken its place meanwhile.
            return FileIO(os.open(self.path, flags | getattr(os, "O_NOFOLLOW", 0), 0o666), "ab")

    def write(self, file: FileIO, chunk: bytes) -> None:
        """Write all of ``chunk``, which an unbuffered file may take in several calls."""
        with self._disk_errors():
            view = memoryview(chunk)
            while view:
                view = view[file.write(view) :]

    def drop(self) -> None:
        """Remove the part file and its note."""
        with self._disk_errors():
            self._note.unlink(missing_ok=True)
            self.path.unlink(missing_ok=True)

    def publish(self, target: Path) -> None:
        """Give the part file its final name, after its bytes have reached the disk."""
        with self._disk_errors():
            with self.path.open("rb+") as file:
                os.fsync(file.fileno())
            self.path.replace(target)
            self._note.unlink(missing_ok=True)

    @contextlib.contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if error.errno in {errno.ENOSPC, errno.EDQUOT}:
                raise InputError(
                    f"No space left for {self.path} ({self.size} bytes are there).",
                    "Free some space and type the same command: it continues where it stopped.",
                ) from None
            raise InputError(f"Cannot write {self.path}: {error.strerror or error}.") from None


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """Brings one file into its part file, from whichever source gives it.

    Args:
        name: What progress calls the file.
        part: The part file; what it already holds of this very file is kept.
        progress: Receives bytes and every retry.
        patience: When to try again and when to give up.
        size: The file's size in bytes if the catalogue knows it.
    """

    name: str
    part: Part
    progress: Progress
    patience: Patience
    size: int | None = None

    def fetch(self, source: str) -> None:
        """Bring a source's file into the part file, whole.

        Args:
            source: The source as the catalogue names it.

        Raises:
            SourceError: If the source cannot give the file.
            InputError: If the disk is full or cannot be written to.
        """
        self.part.drop_links()
        failures, reached = 0, self.part.size
        with Connection(self.patience) as connection:
            while True:
                try:
                    self._receive(connection, source)
                    return
                except TryError as error:
                    failures = 1 if self.part.size - reached >= self.patience.progress else failures + 1
                    reached = max(reached, self.part.size)
                    if failures >= error.tries:
                        times = f", {failures} times" if failures > 1 else ""
                        raise SourceError(f"{error}{times}") from None
                    pause = self.patience.pause(failures) if error.wait is None else error.wait
                    after = f" in {pause:.0f} s" if pause else ""
                    self.progress.say(f"{self.name}: {error}; trying again{after}", part=self.name)
                self.patience.sleep(pause)

    def _receive(self, connection: Connection, source: str) -> None:
        part = self.part
        origin = part.origin()
        if origin is not None and origin.source != source:
            origin = None
        if origin is not None and origin.total == part.size:
            self.progress.begin(self.name, part.size, part.size)
            return
        headers = {}
        if origin is not None and origin.validator and part.size:
            headers = {"Range": f"bytes={part.size}-", "If-Range": origin.validator}
        with connection.open(source, headers) as response:
            origin = self._accept(response, source, origin)
            self.progress.begin(self.name, origin.total, part.size)
            with part.append() as file:
                for chunk in connection.read(response):
                    self._refuse_endless(origin, part.size + len(chunk))
                    part.write(file, chunk)
                    self.progress.advance(self.name, len(chunk))
        if origin.total is None:
            part.note(replace(origin, total=part.size))
        elif part.size != origin.total:
            received = part.size
            if received > origin.total:
                part.drop()
            raise TryError(f"{received} bytes arrived, but {origin.total} were declared", self.patience.tries)

    def _refuse_endless(self, origin: Origin, size: int) -> None:
        """Give up on a body without a declared length that is longer than any file of ours."""
        most = self.size if self.size is not None else self.patience.most_bytes
        if origin.total is None and size > most:
            self.part.drop()
            raise TryError(f"more than {in_bytes(most)} arrived, and no length was declared")

    def _accept(self, response: Response, source: str, origin: Origin | None) -> Origin:
        """Make the part file ready for the answer's body: kept if the body continues it, else emptied.

        Args:
            response: The answer, which brings the file or its rest.
            source: Where it comes from.
            origin: What the part file is the beginning of, if it is of this source.

        Returns:
            What the part file is the beginning of now.
        """
        part = self.part
        etag = response.headers.get("ETag", "")
        told = Origin(
            source=source,
            etag="" if etag.startswith("W/") else etag,
            modified=response.headers.get("Last-Modified", ""),
            total=_declared_total(response),
        )
        if response.status_code == 200:
            part.start(told)
            origin = told
        else:
            start = re.match(r"bytes (\d{1,18})-", response.headers.get("Content-Range", ""))
            continues = (
                origin is not None
                and start is not None
                and int(start[1]) == part.size
                and (not told.etag or told.etag == origin.etag)
                and (not told.modified or not origin.modified or told.modified == origin.modified)
                and (told.total is None or origin.total is None or told.total == origin.total)
            )
            if not continues or origin is None:
                part.drop()
                raise TryError("the file on the server has changed", self.patience.tries, wait=0.0)
        if self.size is not None and origin.total is not None and self.size != origin.total:
            part.drop()
            raise TryError(f"the server declares {origin.total} bytes, but the file has {self.size}")
        total = origin.total if origin.total is not None else self.size
        if total is not None:
            require_room(part.path, total - part.size, spare=SPARE_BYTES)
        return origin


def _declared_total(response: Response) -> int | None:
    """Return the whole file's size; None if it is compressed or not declared."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        return None
    if response.status_code == 206:
        total = re.fullmatch(r"bytes \d+-\d+/(\d{1,18})", response.headers.get("Content-Range", "").strip())
        return int(total[1]) if total else None
    length = response.headers.get("Content-Length", "").strip()
    if re.fullmatch(r"\d{19,}", length):
        raise TryError(f"the server declares a length of {len(length)} digits")
    return int(length) if re.fullmatch(r"\d+", length, re.ASCII) else None
