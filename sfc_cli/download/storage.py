"""What lies on this machine: where each download goes, whether it is right, and who may work on it now."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock, Timeout

from sfc_cli.core import manifest
from sfc_cli.download.catalogue import Entry
from sfc_cli.errors import InputError
from sfc_cli.files import in_bytes, inside
from sfc_cli.settings.locations import read_config
from sfc_cli.wording import counted

_BY_HAND = "put there by hand"
_ALGORITHMS = {"sha256": "SHA-256", "md5": "MD5"}

# torch's list of permitted classes is global and changed while a file is read.
_one_reader = threading.Lock()


@dataclass(frozen=True, kw_only=True)
class Folders:
    """The two folders that downloads go to.

    Args:
        checkpoints: The folder of checkpoints.
        data: The folder of data sets, if the user chose one.
    """

    checkpoints: Path
    data: Path | None = None

    def path_of(self, entry: Entry) -> Path:
        """Return a checkpoint's file, or a data set's folder where ``find_data`` will find it."""
        if entry.folder is None:
            return inside(self.checkpoints, entry.file)
        if self.data is not None:
            return inside(self.data.expanduser(), entry.folder)
        configured = (read_config().get("data") or {}).get(entry.folder)
        if configured is not None:
            return Path(configured)
        return inside(Path(os.environ.get("SFC_DATA") or "data").expanduser(), entry.folder)

    def file_of(self, entry: Entry) -> Path:
        """Return the path of the file that is transferred: for a data set, a zip beside its folder."""
        return inside(self.path_of(entry).parent, entry.archive or entry.file)


@contextlib.contextmanager
def locked(path: Path, on_wait: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one thread of one process at a time work on ``path``.

    The lock is the system's, on a hidden file beside it, so a killed process leaves nothing locked.

    Args:
        path: A file or folder, which need not exist.
        on_wait: Called once if somebody else holds the lock.

    Raises:
        InputError: If the folder cannot be written to.
    """
    file = path.with_name(f".{path.name}.lock")
    lock = FileLock(file)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout:
            on_wait()
            lock.acquire()
    except (OSError, NotImplementedError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            f"Cannot lock {file}: {reason}.", "Choose a folder that can be written to."
        ) from None
    try:
        yield
    finally:
        lock.release()


def require_room(path: Path, needed: int, *, spare: int = 0) -> None:
    """Make sure that the disk has room for a file or folder.

    Args:
        path: What will be written.
        needed: Its bytes that are still to be written.
        spare: Bytes that shall stay free.

    Raises:
        InputError: If it has not.
    """
    free = shutil.disk_usage(path.parent).free
    if needed + spare > free:
        raise InputError(
            f"{path} needs {in_bytes(needed)} more, but {path.parent} has only {in_bytes(free)} free.",
            "Free some space or choose another folder.",
        )


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
    if not entry.is_data:
        from sfc_cli.core.encoders import verify_checkpoint

        with _one_reader:
            verify_checkpoint(path, architecture=entry.trunk, layout=entry.layout, network=entry.network)
    elif not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a zip file.", "Is it the right file?")
    return sha256


def _check_size(path: Path, entry: Entry) -> None:
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            start = file.read(512)
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from None
    if start.lstrip()[:1] == b"<":
        raise InputError(f"{path} is a web page, saved instead of the file.")
    if entry.size is not None and size != entry.size:
        raise InputError(f"{path} has {size} bytes, but {entry.file} has {entry.size}.")


def _check_sums(path: Path, entry: Entry) -> str:
    sha256 = manifest.hash_file(path)
    found = {"sha256": sha256, "md5": manifest.hash_file(path, "md5") if entry.md5 else ""}
    for algorithm, published in (("sha256", entry.sha256), ("md5", entry.md5)):
        if not found[algorithm].startswith(published):
            raise InputError(
                f"{path} has the {_ALGORITHMS[algorithm]} {found[algorithm][:16]}…, but the published one "
                f"begins with {published}.",
                "It is another file, or was damaged on its way.",
            )
    return sha256


def remember(path: Path, entry: Entry, source: str, sha256: str) -> None:
    """Write a verified checkpoint into the manifest of its folder.

    Raises:
        InputError: If the manifest cannot be read or written.
    """
    with locked(path.with_name(manifest.MANIFEST_NAME)):
        manifest.record(path, name=entry.name, source=source, sha256=sha256)


def repair_manifest(folder: Path) -> Path | None:
    """Move a manifest that is no JSON any more aside, so that a new one begins; return where it is now.

    Raises:
        InputError: If it can be read, but is somebody else's file or names what it must not, or cannot move.
    """
    path = folder / manifest.MANIFEST_NAME
    if not path.is_file():
        return None
    with locked(path):
        try:
            manifest.read_manifest(folder)
        except InputError:
            if _is_json(path):
                raise
            aside = path.with_name(f"{path.name}.unreadable")
            try:
                path.replace(aside)
            except OSError as error:
                raise InputError(f"Cannot move {path} aside: {error.strerror or error}.") from None
            return aside
    return None


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_bytes())
    except ValueError:
        return False
    return True


def is_checkpoint(path: Path) -> bool:
    """Return whether a zip is one of PyTorch's own."""
    with zipfile.ZipFile(path) as opened:
        return any(name.endswith("data.pkl") for name in opened.namelist())


def confirm(entry: Entry, path: Path, *, thorough: bool = False) -> str:
    """Make sure that what lies at ``path`` is right, and return a few words on how that was seen.

    A checkpoint that the manifest knows is compared with it; one that was put there by hand is verified and
    recorded. A data set must have frames and annotations for every sequence of its lists.

    Args:
        entry: What should lie there.
        path: A file or folder that exists.
        thorough: Whether to read a checkpoint again in any case, whatever the manifest says of it.

    Raises:
        InputError: Saying what is wrong.
    """
    if entry.is_data:
        return _confirm_data(entry, path)
    known = manifest.read_manifest(path.parent).get(path.name)
    if known is not None and known.looks_like(path) and not thorough:
        return "already there and verified"
    manifest.check(path)
    try:
        sha256 = verify(path, entry)
    except InputError as error:
        if known is not None and manifest.hash_file(path) != known.sha256:
            raise _changed(entry, path) from None
        raise InputError(error.message, f"Type `sfc download {entry.name} --force` to replace it.") from None
    if known is not None and sha256 != known.sha256:
        raise _changed(entry, path)
    try:
        remember(path, entry, known.source if known else _BY_HAND, sha256)
    except InputError as error:
        return f"verified now (but not recorded: {error.message})"
    return "verified now"


def _changed(entry: Entry, path: Path) -> InputError:
    return InputError(
        f"{path} has changed since it was verified, although its size and date are the same.",
        f"Type `sfc download {entry.name} --force`.",
    )


def _confirm_data(entry: Entry, folder: Path) -> str:
    hint = f"Type `sfc download {entry.name} --force`; what lies there is moved aside, not deleted."
    missing = [name for name in entry.contains if not inside(folder, name).is_dir()]
    if missing:
        raise InputError(f"{folder} lacks {', '.join(missing)}.", hint)
    if not (folder / "ImageSets" / "2017").is_dir():
        return f"already there: {len(list(folder.iterdir()))} items"
    # NumPy and Pillow come with it, which take longer to load than a list of downloads takes to show.
    from sfc_cli.data.davis import DavisDataset

    dataset = DavisDataset(root=folder)
    count = 0
    for split in sorted(path.stem for path in (folder / "ImageSets" / "2017").glob("*.txt")):
        for sequence in dataset.sequences(split):
            frames, annotations = len(dataset.frames(sequence)), len(dataset.annotations(sequence))
            if frames != annotations:
                raise InputError(
                    f"Sequence {sequence} in {folder} has {counted(frames, 'frame')}, but "
                    f"{counted(annotations, 'annotation')}.",
                    hint,
                )
            count += 1
    return f"already there and complete, {count} sequence{'s' if count != 1 else ''}"
