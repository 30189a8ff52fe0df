"""The part file of a transfer, and the note beside it that lets a later try go on with it safely."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import FileIO
from pathlib import Path

from sfc_cli.errors import InputError


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
        """What goes into If-Range; empty if the server gave nothing to recognise the file by."""
        return self.etag or self.modified


class Part:
    """``<file>.part`` and its ``<file>.part.json``.

    The second says which file of which source the first is the beginning of. It is removed before the part
    is emptied and written before the first byte, so that at no moment it describes bytes of another file.

    Args:
        target: The file's final place.
    """

    def __init__(self, target: Path) -> None:
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def size(self) -> int:
        """The bytes that are there."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

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
            self.path.write_bytes(b"")
            self.note(origin)

    def note(self, origin: Origin) -> None:
        """Note anew what the part file belongs to."""
        with self._disk_errors():
            self._note.write_text(json.dumps(asdict(origin)), encoding="utf-8")

    def append(self) -> FileIO:
        """Open the part file for adding bytes; they reach the system at once, so that a kill loses none."""
        with self._disk_errors():
            return FileIO(self.path, "ab")

    def write(self, file: FileIO, chunk: bytes) -> None:
        """Write all of ``chunk``, which an unbuffered file may take in several bites."""
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
                    "Free some space and type the same command: it goes on where it stopped.",
                ) from None
            raise InputError(f"Cannot write {self.path}: {error.strerror or error}.") from None
