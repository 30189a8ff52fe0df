"""The way of each download from its sources, or from a file fetched by hand, to its verified final path."""

from __future__ import annotations

import queue
import shutil
import threading
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from sfc_cli.core import manifest
from sfc_cli.download.addresses import host_of, page_of
from sfc_cli.download.catalogue import Entry
from sfc_cli.download.connection import Patience
from sfc_cli.download.storage import (
    Folders,
    confirm,
    is_checkpoint,
    locked,
    remember,
    repair_manifest,
    verify,
)
from sfc_cli.download.transfer import Part, SourceError, Transfer
from sfc_cli.download.unpacking import ArchiveError, extract_member, unpack
from sfc_cli.errors import InputError, NetworkError, SfcError, UsageError
from sfc_cli.files import in_bytes, inside, replacing
from sfc_cli.progress import Progress


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is to be obtained, and how.

    Args:
        entries: The downloads.
        folders: Where they go.
        mirrors: Addresses of folders that are tried before the catalogue's sources.
        given: A file, or a folder of files, fetched by hand.
        force: Whether to replace what is there; with ``verify``, whether to read every byte again.
        verify: Whether to check what is there and to download nothing.
        jobs: How many files to obtain at a time.
        patience: How long a transfer is kept up.
    """

    entries: tuple[Entry, ...]
    folders: Folders
    mirrors: tuple[str, ...] = ()
    given: Path | None = None
    force: bool = False
    verify: bool = False
    jobs: int = 1
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            UsageError: If fields contradict each other, or a mirror is not a web address.
            InputError: If the given file does not exist.
        """
        if self.verify and self.given is not None:
            raise UsageError("`verify` and `given` exclude each other.", "`given` verifies what it takes.")
        for mirror in self.mirrors:
            if not mirror.startswith(("http://", "https://")):
                raise UsageError(
                    f"Mirror {mirror!r} is not an http(s) address.", "For a folder, use `given`."
                )
        if self.given is not None and not self.given.exists():
            raise InputError(f"`given` {self.given}: there is no such file or folder.", "Check the path.")
        if self.given is not None and self.given.is_file() and len(self.entries) > 1:
            names = ", ".join(entry.name for entry in self.entries)
            raise UsageError(
                f"`given` is one file, but {names} were asked for.",
                "Name one of them, or give the folder that has them all.",
            )


class Row(NamedTuple):
    """A download as the list of all shows it."""

    name: str
    state: str
    size: str
    file: str
    cost: str
    source: str
    licence: str
    paper: str


def list_rows(entries: Iterable[Entry], folders: Folders) -> list[Row]:
    """Return what can be fetched and what is there, without opening or hashing a large file."""
    rows = []
    for entry in entries:
        size, state = _size_and_state(entry, folders)
        source = host_of(entry.sources[0]) if entry.sources else _usual_host(entry)
        licence = entry.licence or ("see its page" if entry.page else "")
        rows.append(Row(entry.name, state, size, entry.file, entry.cost, source, licence, entry.paper))
    return rows


def _usual_host(entry: Entry) -> str:
    return "by hand" if entry.network is None or entry.page else "huggingface.co"


def _size_and_state(entry: Entry, folders: Folders) -> tuple[str, str]:
    path, part = folders.path_of(entry), Part(folders.file_of(entry))
    if entry.is_data and path.is_dir():
        whole = all(inside(path, name).is_dir() for name in entry.contains)
        return "", "unpacked" if whole else "incomplete"
    if not entry.is_data and path.is_file():
        known = manifest.read_manifest(path.parent).get(path.name)
        size = in_bytes(path.stat().st_size)
        if known is None:
            return size, "not verified"
        return size, "verified" if known.looks_like(path) else "changed"
    origin = part.origin()
    declared = origin.total if origin is not None else entry.size
    size = in_bytes(declared) if declared is not None else "?"
    return size, f"{in_bytes(part.size)} so far" if part.size else "missing"


def obtain(request: Request, progress: Progress) -> Iterator[tuple[Entry, str | SfcError]]:
    """Obtain or check everything that is asked for, and yield each entry with its outcome as it comes.

    An error of one stops no other. The threads are daemons: an interrupt in the main thread ends the
    program at once, which a part file outlives.

    Returns:
        For each entry, a line on what was done, or the error.
    """
    waiting: queue.SimpleQueue[Entry] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Entry, str | BaseException]] = queue.SimpleQueue()
    for entry in request.entries:
        waiting.put(entry)

    def serve() -> None:
        while True:
            try:
                entry = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                job = _Job(entry, request, progress)
                done.put((entry, job.check() if request.verify else job.obtain()))
            except BaseException as error:
                done.put((entry, error))

    progress.plan(None, "bytes")
    for _ in range(min(request.jobs, len(request.entries))):
        threading.Thread(target=serve, daemon=True).start()
    for _ in request.entries:
        entry, outcome = done.get()
        if isinstance(outcome, BaseException) and not isinstance(outcome, SfcError):
            raise outcome
        yield entry, outcome


class _Job:
    """One download of a request.

    Args:
        entry: What to obtain.
        request: How.
        progress: Receives the progress, under the name of the entry.
    """

    def __init__(self, entry: Entry, request: Request, progress: Progress) -> None:
        self.entry = entry
        self.request = request
        self.progress = progress
        self.path = request.folders.path_of(entry)

    def check(self) -> str:
        """Check what is there."""
        self._repair_manifest()
        if not self.path.exists():
            raise InputError(f"{self.path} is missing.", f"Type `sfc download {self.entry.name}`.")
        return f"{confirm(self.entry, self.path, thorough=self.request.force)}: {self.path}"

    def obtain(self) -> str:
        """Bring the download to its path, verified, or leave what is there as it was."""
        self._repair_manifest()
        keep = not self.request.force
        if keep and self.path.exists():
            return f"{confirm(self.entry, self.path)}: {self.path}"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            reason = error.strerror or error
            raise InputError(f"Cannot make the folder {self.path.parent}: {reason}.") from None
        with locked(self.path, lambda: self._say("waiting for another sfc download of the same file")):
            if keep and self.path.exists():
                return f"{confirm(self.entry, self.path)}: {self.path}"
            return self._download() if self.request.given is None else self._take(self.request.given)

    def _repair_manifest(self) -> None:
        """Begin the record of verified files again where it cannot be read, before anything is fetched."""
        aside = None if self.entry.is_data else repair_manifest(self.path.parent)
        if aside is not None:
            self._say(f"the record of verified files cannot be read; it is now {aside}")

    def _take(self, given: Path) -> str:
        """Take the file that was fetched by hand."""
        entry, path = self.entry, self.path
        if given.is_dir():
            given = inside(given, entry.file)
        if not given.is_file():
            hint = f"Fetch {_page(entry)}." if _page(entry) else "Check the path."
            raise InputError(f"No file {given} for {entry.name}.", hint)
        if entry.is_data:
            verify(given, entry)
            return self._unpack(given)
        if entry.archive is not None and zipfile.is_zipfile(given) and not is_checkpoint(given):
            sha256 = self._take_member(given)
            return self._record(f"taken from {given} and verified", str(given.resolve()), sha256)
        if path.exists() and path.samefile(given):
            sha256 = verify(path, entry)
        else:
            with replacing(path) as copy:
                shutil.copyfile(given, copy)
                try:
                    sha256 = verify(copy, entry)
                    self._compare_with_first(sha256)
                except InputError as error:
                    raise InputError(error.message.replace(str(copy), str(given)), error.hint) from None
        return self._record(f"taken from {given} and verified", str(given.resolve()), sha256)

    def _download(self) -> str:
        entry, request = self.entry, self.request
        part = Part(request.folders.file_of(entry))
        transfer = Transfer(
            name=entry.name, part=part, progress=self.progress, patience=request.patience, size=entry.size
        )
        reasons = []
        file = entry.archive or entry.file
        for source in (*(f"{mirror.rstrip('/')}/{file}" for mirror in request.mirrors), *entry.sources):
            try:
                transfer.fetch(source)
                return self._keep(part, source)
            except SourceError as error:
                reasons.append(f"{page_of(source)}: {error}")
                self._say(f"giving up on {page_of(source)}: {error}")
        tried = f"Tried {'; '.join(reasons)}." if reasons else "No source is known."
        by_hand = f"from {_page(entry)} " if _page(entry) else ""
        raise NetworkError(
            f"{entry.file} could not be downloaded. {tried}",
            f"Download it by hand {by_hand}and run `sfc download {entry.name} --from FILE`.",
        )

    def _keep(self, part: Part, source: str) -> str:
        """Verify what came and put it in its path; what is wrong is removed, so that no try continues it."""
        if self.entry.archive is not None:
            try:
                sha256 = self._take_member(part.path)
            except InputError as error:
                raise _reject(part, error) from None
            part.drop()
            return self._record("downloaded and verified", source, sha256)
        try:
            sha256 = verify(part.path, self.entry)
            if not self.entry.is_data:
                self._compare_with_first(sha256)
        except InputError as error:
            raise _reject(part, error) from None
        if self.entry.is_data:
            self._say("unpacking")
            try:
                done = self._unpack(part.path)
            except ArchiveError as error:
                raise _reject(part, error) from None
            part.drop()
            return done
        part.publish(self.path)
        return self._record("downloaded and verified", source, sha256)

    def _take_member(self, archive: Path) -> str:
        """Take the file out of the zip that it is published in; return its SHA-256."""
        entry = self.entry
        with replacing(self.path) as copy:
            extract_member(archive, entry.member or (entry.file,), copy)
            try:
                sha256 = verify(copy, entry)
                self._compare_with_first(sha256)
            except InputError as error:
                raise InputError(error.message.replace(str(copy), entry.file), error.hint) from None
        return sha256

    def _unpack(self, archive: Path) -> str:
        aside = unpack(archive, self.path, top=self.entry.top, contains=self.entry.contains)
        moved = f" (what was there before is now {aside})" if aside is not None else ""
        return f"unpacked: {self.path}{moved}"

    def _compare_with_first(self, sha256: str) -> None:
        """Hold the file against the sum recorded when it was first fetched; most sums are not published."""
        known = manifest.read_manifest(self.path.parent).get(self.path.name)
        if known is None or known.sha256 == sha256:
            return
        difference = (
            f"SHA-256 {sha256[:16]}…, but {known.sha256[:16]}… was recorded when it was first fetched"
        )
        if not self.request.force:
            raise InputError(
                f"The file has the {difference}.",
                f"Type `sfc download {self.entry.name} --force` if you trust it.",
            )
        self._say(f"the file has the {difference}; replacing that record, as forced")

    def _record(self, what: str, source: str, sha256: str) -> str:
        remember(self.path, self.entry, source, sha256)
        return f"{what}: {self.path} ({in_bytes(self.path.stat().st_size)}, SHA-256 {sha256[:16]}…)"

    def _say(self, text: str) -> None:
        self.progress.say(f"{self.entry.name}: {text}", part=self.entry.name)


def _page(entry: Entry) -> str:
    """Return what a person opens in a browser to fetch a file; empty if nothing is known."""
    return page_of(entry.sources[0]) if entry.sources else entry.page


def _reject(part: Part, error: InputError) -> SourceError:
    part.drop()
    return SourceError(error.message.replace(str(part.path), "the received file").rstrip("."))
