"""Whether a file is what the catalogue promises: its size, its published sum, and what it holds."""

from __future__ import annotations

import threading
import zipfile
from pathlib import Path

from sfc_cli.core.manifest import hash_file
from sfc_cli.download.catalogue import Entry
from sfc_cli.errors import InputError

_NAMES = {"sha256": "SHA-256", "md5": "MD5"}

# torch's list of permitted classes is global and changed while a file is read.
_one_reader = threading.Lock()


def verify(path: Path, entry: Entry) -> str:
    """Make sure that a file is the one that ``entry`` describes.

    The cheap checks come first: a page or a file of the wrong length is named as such before anything is
    hashed, and nothing is opened whose published sum is wrong.

    Returns:
        The file's SHA-256.

    Raises:
        InputError: Saying what is wrong with it.
    """
    _check_size(path, entry)
    sha256 = _check_sums(path, entry)
    if entry.is_data:
        if not zipfile.is_zipfile(path):
            raise InputError(f"{path} is not a zip file.", "Is it the right file?")
    else:
        _check_network(path, entry)
    return sha256


def _check_size(path: Path, entry: Entry) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
    if start.lstrip()[:1] == b"<":
        raise InputError(f"{path} is a web page, saved in the place of the file.")
    if entry.size is not None and size != entry.size:
        raise InputError(f"{path} has {size} bytes, but {entry.file} has {entry.size}.")


def _check_sums(path: Path, entry: Entry) -> str:
    sha256 = hash_file(path)
    found = {"sha256": sha256, "md5": hash_file(path, "md5") if entry.md5 else ""}
    for algorithm, published in (("sha256", entry.sha256), ("md5", entry.md5)):
        if not found[algorithm].startswith(published):
            raise InputError(
                f"{path} has the {_NAMES[algorithm]} {found[algorithm][:16]}…, but the published one begins "
                f"with {published}.",
                "It is another file, or was damaged on its way.",
            )
    return sha256


def _check_network(path: Path, entry: Entry) -> None:
    from sfc_cli.core.encoders import verify_checkpoint

    with _one_reader:
        verify_checkpoint(path, architecture=entry.trunk, layout=entry.layout)  # type: ignore[arg-type]
