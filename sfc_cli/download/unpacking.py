"""Unpacking a zipped data set: nothing outside its folder, and the folder whole or not at all."""

from __future__ import annotations

import collections
import contextlib
import fnmatch
import itertools
import os
import shutil
import stat
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath

from sfc_cli.download.storage import require_room
from sfc_cli.errors import InputError, SfcError
from sfc_cli.files import inside, is_inside_name

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)
_LONGEST_NAME = 255


class ArchiveError(InputError):
    """An archive that is damaged, incomplete or unsafe: the file's fault, not the disk's."""


def unpack(archive: Path, folder: Path, *, top: str = "", contains: Sequence[str] = ()) -> Path | None:
    """Unpack a zip file as ``folder``, whole or not at all.

    Everything goes to a hidden folder beside it first, which takes its name at the end. What had that name
    is moved aside, never deleted.

    Args:
        archive: The zip file.
        folder: The folder to be made; a lock must keep others from it.
        top: The single folder at the archive's top that is left out of the paths, if it is there.
        contains: Paths that the folder must have in the end.

    Returns:
        Where the folder that had the name before now lies, if there was one with anything in it.

    Raises:
        ArchiveError: If the archive is damaged, incomplete or unsafe.
        InputError: If the disk is full or cannot be written to.
    """
    work = folder.with_name(f".{folder.name}.unpacking")
    try:
        shutil.rmtree(work, ignore_errors=True)
        with _own_words(archive, folder):
            with zipfile.ZipFile(archive) as opened:
                members = _safe_members(opened, archive, top)
                require_room(folder, sum(info.file_size for _, info in members))
                for name, info in members:
                    _write_member(opened, info, inside(work, name))
            missing = [name for name in contains if not inside(work, name).exists()]
            if missing:
                raise ArchiveError(
                    f"{archive} does not contain {', '.join(missing)}.", "Is it the right file?"
                )
            return _take_name(work, folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


@contextlib.contextmanager
def _own_words(archive: Path, target: Path) -> Iterator[None]:
    """Turn whatever a damaged archive makes its readers raise into one line.

    Raises:
        ArchiveError: If it is the archive.
        InputError: If it is the disk.
    """
    try:
        yield
    except SfcError:
        raise
    except OSError as error:
        # A decompressor's OSError has no number; the system's have.
        if error.errno is not None:
            raise InputError(f"Cannot unpack {archive} as {target}: {error.strerror or error}.") from None
        raise ArchiveError(f"{archive} is a damaged zip file: {error}.", "Fetch it again.") from None
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise ArchiveError(f"{archive} is a damaged zip file: {reason}.", "Fetch it again.") from None


def _safe_members(opened: zipfile.ZipFile, archive: Path, top: str) -> list[tuple[str, zipfile.ZipInfo]]:
    """Pair every file of the archive with its name below the folder; one bad name refuses the archive."""
    infos = [info for info in opened.infolist() if not info.filename.endswith("/") and not _is_litter(info)]
    paths = [PurePosixPath(info.filename) for info in infos]
    if top and all(path.parts[:1] == (top,) and len(path.parts) > 1 for path in paths):
        paths = [PurePosixPath(*path.parts[1:]) for path in paths]
    members = [(str(path), info) for path, info in zip(paths, infos, strict=True)]
    for name, info in members:
        # Without its top folder a name may lead out that did not before, such as DAVIS/C:/file. Python cuts
        # names at a NUL.
        if not all(map(is_inside_name, (info.orig_filename, info.filename, name))):
            raise ArchiveError(
                f"{archive} is refused: its member {info.orig_filename!r} would be written outside the "
                "folder."
            )
        if stat.S_IFMT(info.external_attr >> 16) not in {0, stat.S_IFREG}:
            raise ArchiveError(
                f"{archive} is refused: its member {info.filename!r} is a link or a special file."
            )
        _refuse_unreadable(info, archive)
    _refuse_twins([name for name, _ in members], archive)
    return members


def _is_litter(info: zipfile.ZipInfo) -> bool:
    """Return whether a member is what macOS adds to the archives that it makes."""
    parts = PurePosixPath(info.filename).parts
    return bool(parts) and (parts[0] == "__MACOSX" or parts[-1] == ".DS_Store" or parts[-1].startswith("._"))


def _refuse_unreadable(info: zipfile.ZipInfo, archive: Path) -> None:
    name = _shown(info.filename)
    if info.flag_bits & 0x1:
        raise ArchiveError(
            f"{archive} is encrypted: its member {name} needs a password.", "Unpack it yourself."
        )
    if info.compress_type not in _METHODS:
        raise ArchiveError(
            f"{archive} is compressed by method {info.compress_type} ({name}), which Python cannot read.",
            "Zip it again.",
        )
    if any(len(os.fsencode(part)) > _LONGEST_NAME for part in PurePosixPath(info.filename).parts):
        raise ArchiveError(f"{archive} has a member whose name is too long for a file: {name}.")


def _refuse_twins(names: Sequence[str], archive: Path) -> None:
    twins = [name for name, count in collections.Counter(names).items() if count > 1]
    if twins:
        raise ArchiveError(f"{archive} contains {_shown(twins[0])} twice.", "Zip it again.")


def _shown(name: str) -> str:
    return repr(name if len(name) <= 80 else f"{name[:80]}…")


def extract_member(archive: Path, patterns: Sequence[str], target: Path) -> None:
    """Write the one file of a zip that is wanted.

    Args:
        archive: The zip file.
        patterns: What the file may be called, whatever folder it is in, the best first.
        target: The file to write.

    Raises:
        ArchiveError: If the archive is damaged or does not have the file.
        InputError: If the disk is full or cannot be written to.
    """
    with _own_words(archive, target), zipfile.ZipFile(archive) as opened:
        members = [info for _, info in _safe_members(opened, archive, "")]
        for pattern in patterns:
            for info in members:
                if fnmatch.fnmatch(PurePosixPath(info.filename).name.lower(), pattern.lower()):
                    require_room(target, info.file_size)
                    with opened.open(info) as packed, target.open("wb") as file:
                        shutil.copyfileobj(packed, file, 1 << 20)
                    return
        names = ", ".join(info.filename for info in members[:5]) or "nothing"
    raise ArchiveError(
        f"{archive} does not contain {patterns[0]}, but {_shown(names)}.", "Is it the right file?"
    )


def _write_member(opened: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    # "x" refuses a name that came before, in whatever way it is written.
    with opened.open(info) as packed, path.open("xb") as file:
        shutil.copyfileobj(packed, file, 1 << 20)


def _take_name(work: Path, folder: Path) -> Path | None:
    with contextlib.suppress(OSError):
        folder.rmdir()
    if not (folder.is_symlink() or folder.exists()):
        work.rename(folder)
        return None
    numbered = (folder.with_name(f"{folder.name}.before-{number}") for number in itertools.count(1))
    aside = next(path for path in numbered if not path.exists())
    folder.rename(aside)
    work.rename(folder)
    return aside
