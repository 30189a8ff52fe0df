"""The SHA-256 sums of checkpoints, kept beside them: a changed file never passes for the verified one."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from sfc_cli.errors import InputError
from sfc_cli.files import require_inside_name, write_text

MANIFEST_NAME = "manifest.json"
CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Record:
    """What is known of one verified file.

    Args:
        name: What ``sfc download`` calls it.
        sha256: Its full sum in hexadecimal digits.
        size: Its size in bytes.
        mtime_ns: When it was last changed, in nanoseconds; with the size, a cheap sign that it is the same.
        source: Where it came from.
    """

    name: str
    sha256: str
    size: int
    mtime_ns: int
    source: str

    def looks_like(self, path: Path) -> bool:
        """Return whether ``path`` has the recorded size and time of change."""
        status = path.stat()
        return (status.st_size, status.st_mtime_ns) == (self.size, self.mtime_ns)


def read_manifest(folder: Path) -> dict[str, Record]:
    """Return the records of a folder by file name; none if it has no manifest.

    Raises:
        InputError: If the manifest cannot be read, or names a file outside the folder.
    """
    path = folder / MANIFEST_NAME
    try:
        files = json.loads(path.read_text(encoding="utf-8"))["files"]
        return {require_inside_name(file, path): Record(**fields) for file, fields in files.items()}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise InputError(
            f"{path} cannot be read as the record of verified files.",
            "Delete it and type `sfc download --verify`, which checks every file and writes it again.",
        ) from None


def record(path: Path, *, name: str, source: str, sha256: str) -> None:
    """Write a verified file's sum into the manifest of its folder, which is replaced whole.

    Where several processes record in one folder, the caller must hold a lock.

    Raises:
        InputError: If the manifest cannot be read or written.
    """
    records = read_manifest(path.parent)
    status = path.stat()
    records[path.name] = Record(
        name=name, sha256=sha256, size=status.st_size, mtime_ns=status.st_mtime_ns, source=source
    )
    files = {file: asdict(records[file]) for file in sorted(records)}
    write_text(path.parent / MANIFEST_NAME, json.dumps({"files": files}, indent=2) + "\n")


def hash_file(path: Path, algorithm: str = "sha256") -> str:
    """Return a file's sum in hexadecimal digits, reading it in pieces.

    Raises:
        InputError: If the file cannot be read.
    """
    digest = hashlib.new(algorithm, usedforsecurity=False)
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK):
                digest.update(chunk)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
    return digest.hexdigest()


def sha256_of(path: Path) -> str:
    """Return a file's SHA-256, from the manifest beside it where its size and time of change still fit.

    Raises:
        InputError: If the file or the manifest cannot be read.
    """
    known = read_manifest(path.parent).get(path.name)
    if known is not None and path.is_file() and known.looks_like(path):
        return known.sha256
    return hash_file(path)


def check(path: Path) -> None:
    """Make sure that a file is the one that its folder's manifest records; pass if there is no record of it.

    Size and time of change are compared first, so that an untouched file costs nothing.

    Raises:
        InputError: If the file is another one than recorded.
    """
    known = read_manifest(path.parent).get(path.name)
    if known is None or not path.is_file() or known.looks_like(path):
        return
    size = path.stat().st_size
    if size != known.size:
        difference = f"it has {size} bytes instead of {known.size}"
    else:
        found = hash_file(path)
        if found == known.sha256:
            return
        difference = f"its SHA-256 is {found[:16]}… instead of {known.sha256[:16]}…"
    raise InputError(
        f"{path} is no longer the file that was verified: {difference}.",
        f"Type `sfc download {known.name} --force` to fetch it again, or "
        f"`sfc download {known.name} --from FILE --force` to use a file of your own.",
    )
