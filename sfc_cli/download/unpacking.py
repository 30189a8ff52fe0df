"""Unpacking a zipped data set: nothing outside its folder, and the folder whole or not at all."""

from __future__ import annotations

import contextlib
import itertools
import shutil
import stat
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from sfc_cli.download.storage import require_room
from sfc_cli.errors import InputError
from sfc_cli.files import inside, is_inside_name


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
        with zipfile.ZipFile(archive) as opened:
            members = _safe_members(opened, archive, top)
            require_room(folder, sum(info.file_size for _, info in members))
            for name, info in members:
                _write_member(opened, info, inside(work, name))
        missing = [name for name in contains if not inside(work, name).exists()]
        if missing:
            raise ArchiveError(f"{archive} does not contain {', '.join(missing)}.", "Is it the right file?")
        return _take_name(work, folder)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise ArchiveError(f"{archive} is a damaged zip file: {error}.", "Fetch it again.") from None
    except OSError as error:
        raise InputError(f"Cannot unpack {archive} as {folder}: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _safe_members(opened: zipfile.ZipFile, archive: Path, top: str) -> list[tuple[str, zipfile.ZipInfo]]:
    """Pair every file of the archive with its name below the folder; one bad name refuses the archive."""
    infos = [info for info in opened.infolist() if not info.filename.endswith("/")]
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
    return members


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
