"""Reads a zip of masks as the folder that it was made from."""

from __future__ import annotations

import contextlib
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from sfc_cli.conversion.folders import SUFFIXES
from sfc_cli.errors import InputError, SfcError

# Tells that folders beside the masks are pictures.
_RECORD = "run.json"


@contextlib.contextmanager
def unpacked(archive: Path) -> Iterator[Path]:
    """Unpack a zip's masks into a folder that lasts as long as the context.

    Folders that hold everything, such as ``Annotations`` in a submission to YouTube-VOS, are left out of the
    paths. Errors that are raised inside name the archive instead of the folder.

    Raises:
        InputError: If the zip is damaged, holds no mask, or a path in it leads out of it.
    """
    with tempfile.TemporaryDirectory(prefix="sfc-") as made:
        folder = Path(made)
        try:
            _unpack(archive, folder)
            yield folder
        except SfcError as error:
            error.message = error.message.replace(made, str(archive))
            error.hint = error.hint.replace(made, str(archive))
            raise


def _unpack(archive: Path, folder: Path) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _masks(opened, archive)
            needed, free = sum(info.file_size for info, _ in members), shutil.disk_usage(folder).free
            if needed > free:
                raise InputError(
                    f"{archive} takes {needed >> 20:,} MiB unpacked, but {folder.parent} has only "
                    f"{free >> 20:,} MiB free.",
                    "Set TMPDIR to a larger disk.",
                )
            for info, path in members:
                target = folder / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(info) as packed, target.open("xb") as file:
                    shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise InputError(f"{archive} is a damaged zip file: {error}.", "Make it anew.") from None
    except OSError as error:
        raise InputError(f"Cannot unpack {archive}: {error.strerror or error}.") from None


def _masks(opened: zipfile.ZipFile, archive: Path) -> list[tuple[zipfile.ZipInfo, PurePosixPath]]:
    """Pair the members that may be masks with their paths."""
    found = []
    for info in opened.infolist():
        path = PurePosixPath(info.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts or ":" in path.parts[0]:
            raise InputError(
                f"{archive} is refused: its member {info.filename!r} leads out of it.", "Make it anew."
            )
        if stat.S_ISLNK(info.external_attr >> 16):
            raise InputError(
                f"{archive} is refused: its member {info.filename!r} is a link.", "Make it anew."
            )
        is_hidden = any(part[0] == "." or part == "__MACOSX" for part in path.parts)
        is_wanted = path.suffix[1:] in SUFFIXES or path.name == _RECORD
        if is_wanted and not info.is_dir() and not is_hidden:
            found.append((info, path))
    masks = [path for _, path in found if path.name != _RECORD]
    if not masks:
        raise InputError(f"No masks in {archive}.", "Expected <sequence>/<frame>.png in it.")
    top = _shared_top(masks)
    return [
        (info, path.relative_to(top)) for info, path in found if top == PurePosixPath() or top in path.parents
    ]


def _shared_top(paths: list[PurePosixPath]) -> PurePosixPath:
    """Return the folder above all sequences."""
    top = PurePosixPath()
    while True:
        rests = [path.relative_to(top).parts for path in paths]
        if len({rest[0] for rest in rests}) > 1 or any(len(rest) < 3 for rest in rests):
            return top
        top = top / rests[0][0]
