"""Files are written whole or not at all, never over what is read, and no name leads out of its folder."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from sfc_cli.errors import InputError, UsageError


def is_inside_name(name: str) -> bool:
    """Return whether a relative path such as ``walk/clip-3`` stays below any folder that it is joined to.

    Names come from lists, archives, records and files that anybody may have written. Both systems' separators
    count, so that a name is as safe on Windows as on Linux.
    """
    if not name.strip() or "\0" in name:
        return False
    windows = PureWindowsPath(name)
    # A time such as 1:05 is a name; only letters are drives.
    has_drive = windows.drive[:1].isalpha() or windows.drive.startswith("\\\\")
    is_absolute = has_drive or bool(windows.root) or name.startswith("/")
    parts = {*windows.parts, *PurePosixPath(name).parts}
    return not is_absolute and ".." not in parts and bool(parts)


def require_inside_name(name: str, source: Path | str) -> str:
    """Return a name that stays inside its folder.

    Args:
        name: A relative path, see ``is_inside_name``.
        source: What names it, for the error: a list, an archive, an option.

    Raises:
        InputError: If it is empty, absolute, or leads out of the folder.
    """
    if not is_inside_name(name):
        raise InputError(f"{source} names {name!r}, which leads out of its folder.", "Correct the name.")
    return name


def inside(folder: Path, name: str) -> Path:
    """Return the path of ``name`` below ``folder``; every path that is made from a foreign name passes here.

    Raises:
        InputError: If the name leads out of the folder.
    """
    return folder / require_inside_name(name, folder)


def is_same_or_below(path: Path, folder: Path) -> bool:
    """Return whether a path is a folder or file, or lies below it, whatever links lead there."""
    return path.resolve().is_relative_to(folder.resolve())


def in_bytes(count: float) -> str:
    """Return a number of bytes as people read it: in bytes, kB, MB or GB."""
    for unit in ("bytes", "kB", "MB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.2f} GB"


def refuse_overwriting(output: Path, inputs: Iterable[Path]) -> None:
    """Make sure that writing a file replaces none of the files that are read.

    Args:
        output: The file to write.
        inputs: Files that are read.

    Raises:
        UsageError: If it is one of them.
    """
    target = output.resolve()
    for path in inputs:
        if path.resolve() == target:
            same = "" if output == path else f" is the same file as {path}, which"
            raise UsageError(f"{output}{same} is read: it cannot be written.", "Choose another file.")


class PartFile:
    """A temporary name beside a file, for what takes long to write; ``keep`` or ``drop`` must follow.

    Args:
        path: The file to be.
        ending: What the temporary name ends in, for writers that judge by it.

    Raises:
        InputError: If the folder cannot be made.
    """

    def __init__(self, path: Path, ending: str = "") -> None:
        self.path = path
        self.part = path.with_name(f".{path.name}.{os.getpid()}.part{ending}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise unwritable(path, error) from None

    def keep(self) -> None:
        """Rename what was written over the file.

        Raises:
            InputError: If that cannot be done.
        """
        try:
            self.part.replace(self.path)
        except OSError as error:
            raise unwritable(self.path, error) from None

    def drop(self) -> None:
        """Remove what was written and not kept."""
        with contextlib.suppress(OSError):
            self.part.unlink(missing_ok=True)


def unwritable(path: Path, error: OSError) -> InputError:
    """Say that a file cannot be written, and why."""
    return InputError(
        f"Cannot write {path}: {error.strerror or error}.", "Choose another folder or free some space."
    )


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary name beside ``path`` to write to, and rename it over ``path`` when all went well.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    file = PartFile(path)
    try:
        yield file.part
        file.keep()
    except OSError as error:
        raise unwritable(path, error) from None
    finally:
        file.drop()


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to ``path``, whole or not at all.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    with replacing(path) as part:
        part.write_bytes(content)


def write_text(path: Path, content: str) -> None:
    """Write ``content`` to ``path`` as UTF-8, whole or not at all.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    write_bytes(path, content.encode("utf-8"))
