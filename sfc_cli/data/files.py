"""Writing files whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from sfc_cli.errors import InputError


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
        f"Cannot write {path}: {error.strerror or error}.", "Choose another place or free some space."
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
