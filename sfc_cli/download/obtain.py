"""The way of one download from its sources, or from the user's hand, to its verified final place."""

from __future__ import annotations

import queue
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sfc_cli.core import manifest
from sfc_cli.download.archives import ArchiveError, unpack
from sfc_cli.download.catalogue import Entry
from sfc_cli.download.connection import Patience, open_session
from sfc_cli.download.locks import FileLock
from sfc_cli.download.part import Part
from sfc_cli.download.places import Places, confirm, remember
from sfc_cli.download.progress import Reporter, in_bytes
from sfc_cli.download.sources import page_of
from sfc_cli.download.transfer import SourceError, fetch
from sfc_cli.download.verification import verify
from sfc_cli.errors import InputError, NetworkError, SfcError, UsageError
from sfc_cli.files import replacing

Outcome = str | SfcError


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asks for beside the names.

    Args:
        places: Where downloads go.
        mirrors: Addresses of folders that are tried before the catalogue's sources.
        given: A file, or a folder of files, fetched by hand.
        force: Whether to replace what is there.
        patience: How long a transfer is kept up.
    """

    places: Places
    mirrors: tuple[str, ...] = ()
    given: Path | None = None
    force: bool = False
    patience: Patience = field(default_factory=Patience)

    def require_fit(self, entries: Sequence[Entry]) -> None:
        """Make sure that the request makes sense for these downloads.

        Raises:
            UsageError: If a mirror is no web address, or one given file stands for several downloads.
        """
        for mirror in self.mirrors:
            if not mirror.startswith(("http://", "https://")):
                raise UsageError(f"Mirror {mirror!r} is not an http(s) address.", "For a folder, use --from.")
        if self.given is not None and not self.given.exists():
            raise InputError(f"--from {self.given}: there is no such file or folder.", "Check the path.")
        if self.given is not None and self.given.is_file() and len(entries) > 1:
            raise UsageError(
                f"--from names one file, but it is to serve {', '.join(entry.name for entry in entries)}.",
                "Name one of them, or give the folder that holds them all.",
            )


def obtain(entry: Entry, request: Request, report: Reporter) -> str:
    """Bring one download to its place, verified, or leave the place as it was.

    Returns:
        A line on what was done.

    Raises:
        InputError: If what is there, or was given by hand, is not right; or the disk refuses.
        NetworkError: If no source gave the right file.
    """
    target = request.places.target(entry)
    if target.exists() and not request.force:
        return f"{confirm(entry, target)}: {target}"
    _make_folder(target.parent)
    with FileLock(target, lambda: report.note("waiting for another sfc download of the same file")):
        if target.exists() and not request.force:
            return f"{confirm(entry, target)}: {target}"
        if request.given is not None:
            return _take_given(entry, _find_given(entry, request.given), target, request, report)
        return _download(entry, target, request, report)


def check(entry: Entry, places: Places, *, thorough: bool = False) -> str:
    """Check one download where it lies.

    Raises:
        InputError: If it is missing or not right.
    """
    target = places.target(entry)
    if not target.exists():
        raise InputError(f"{target} is missing.", f"Type `sfc download {entry.name}`.")
    return f"{confirm(entry, target, thorough=thorough)}: {target}"


def in_turn(
    entries: Sequence[Entry], work: Callable[[Entry], str], jobs: int
) -> Iterator[tuple[Entry, Outcome]]:
    """Do ``work`` for every entry, ``jobs`` at a time, and yield each result as it comes.

    An error of one stops no other. The threads are daemons: an interrupt in the main thread ends the
    program at once, which a part file outlives.
    """
    waiting: queue.SimpleQueue[Entry] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[Entry, str | BaseException]] = queue.SimpleQueue()
    for entry in entries:
        waiting.put(entry)

    def serve() -> None:
        while True:
            try:
                entry = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((entry, work(entry)))
            except BaseException as error:
                done.put((entry, error))

    for _ in range(min(jobs, len(entries))):
        threading.Thread(target=serve, daemon=True).start()
    for _ in entries:
        entry, result = done.get()
        if isinstance(result, BaseException) and not isinstance(result, SfcError):
            raise result
        yield entry, result


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"Cannot make the folder {folder}: {error.strerror or error}.") from None


def _find_given(entry: Entry, given: Path) -> Path:
    path = given / entry.file if given.is_dir() else given
    if not path.is_file():
        raise InputError(
            f"No file {path} for {entry.name}.",
            f"Fetch {page_of(entry.sources[0])}" if entry.sources else "Check the path.",
        )
    return path


def _take_given(entry: Entry, given: Path, target: Path, request: Request, report: Reporter) -> str:
    if entry.is_data:
        verify(given, entry)
        return _unpack(entry, given, target)
    if target.exists() and target.samefile(given):
        sha256 = verify(target, entry)
    else:
        with replacing(target) as copy:
            shutil.copyfile(given, copy)
            try:
                sha256 = verify(copy, entry)
                _compare_with_first(entry, target, sha256, request, report)
            except InputError as error:
                raise InputError(error.message.replace(str(copy), str(given)), error.hint) from None
    remember(target, entry, str(given.resolve()), sha256)
    return _told(f"taken from {given} and verified", target, sha256)


def _download(entry: Entry, target: Path, request: Request, report: Reporter) -> str:
    sources = [f"{mirror.rstrip('/')}/{entry.file}" for mirror in request.mirrors] + list(entry.sources)
    part = Part(request.places.received(entry))
    reasons = []
    for source in sources:
        try:
            with open_session() as session:
                fetch(
                    source,
                    part,
                    session=session,
                    report=report,
                    patience=request.patience,
                    size=entry.size,
                )
            return _place(entry, part, source, target, request, report)
        except SourceError as error:
            reasons.append(f"{page_of(source)}: {error}")
            report.note(f"{page_of(source)} is given up: {error}")
    tried = f" Tried {'; '.join(reasons)}." if reasons else " It has no source."
    by_hand = f"from {page_of(entry.sources[0])} " if entry.sources else ""
    raise NetworkError(
        f"{entry.file} could not be downloaded.{tried}",
        f"Download it by hand {by_hand}and run `sfc download {entry.name} --from FILE`.",
    )


def _place(entry: Entry, part: Part, source: str, target: Path, request: Request, report: Reporter) -> str:
    """Verify what came and put it in place; what is not right is removed, so that no try goes on from it."""
    try:
        sha256 = verify(part.path, entry)
        if not entry.is_data:
            _compare_with_first(entry, target, sha256, request, report)
    except InputError as error:
        raise _reject(part, error) from None
    if entry.is_data:
        try:
            report.note("unpacking")
            done = _unpack(entry, part.path, target)
        except ArchiveError as error:
            raise _reject(part, error) from None
        part.drop()
        return done
    part.publish(target)
    remember(target, entry, source, sha256)
    return _told("downloaded and verified", target, sha256)


def _reject(part: Part, error: InputError) -> SourceError:
    part.drop()
    return SourceError(error.message.replace(str(part.path), "what came").rstrip("."))


def _compare_with_first(entry: Entry, target: Path, sha256: str, request: Request, report: Reporter) -> None:
    """Hold the file against the sum recorded when it was first fetched; most sums are not published."""
    known = manifest.read_manifest(target.parent).get(target.name)
    if known is None or known.sha256 == sha256:
        return
    difference = f"SHA-256 {sha256[:16]}…, but {known.sha256[:16]}… was recorded when it was first fetched"
    if not request.force:
        raise InputError(
            f"The file has the {difference}; --force takes it nevertheless.",
            f"Type `sfc download {entry.name} --force` if you trust it.",
        )
    report.note(f"the file has the {difference}; taken because of --force")


def _unpack(entry: Entry, archive: Path, target: Path) -> str:
    aside = unpack(archive, target, top=entry.top, contains=entry.contains)
    moved = f" (what was there before is now {aside})" if aside is not None else ""
    return f"unpacked: {target}{moved}"


def _told(what: str, target: Path, sha256: str) -> str:
    return f"{what}: {target} ({in_bytes(target.stat().st_size)}, SHA-256 {sha256[:16]}…)"
