"""Where the right folder probably is if another one was given: the guesses behind "did you mean"."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice
from pathlib import Path

from sfc_cli.data.sequence_names import in_short
from sfc_cli.data.videos.images import is_image, natural_order

_LEVELS = 3
# A folder such as the home is not searched to its end.
_MOST_FOLDERS = 500


def find_near(folder: Path, fits: Callable[[Path], bool]) -> Path | None:
    """Return the nearest folder that fits, up to three levels below or above another; None if none does."""
    for below in islice(_below(folder), _MOST_FOLDERS):
        if fits(below):
            return below
    for above in list(folder.resolve().parents)[:_LEVELS]:
        if fits(above):
            return above
    return None


def _below(folder: Path) -> Iterator[Path]:
    level = [folder]
    for _ in range(_LEVELS):
        level = [path for parent in level for path in folders_in(parent)]
        yield from level


def folders_in(folder: Path) -> list[Path]:
    """Return the folders in a folder that are not hidden, by name; none if it cannot be read."""
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    except OSError:
        return []


def did_you_mean(field: str, folder: Path, fits: Callable[[Path], bool]) -> str:
    """Return a question that names the folder that was probably meant; empty if there is no such folder."""
    found = find_near(folder, fits)
    return "" if found is None else f"Did you mean `{field}` {found}?"


def holds_sequence(name: str) -> Callable[[Path], bool]:
    """Return a test of whether a folder has masks of a sequence."""

    def fits(folder: Path) -> bool:
        inner = folder / name
        return inner.is_dir() and (any(inner.glob("*.png")) or bool(images_beside(inner)))

    return fits


def holds_file(name: str) -> Callable[[Path], bool]:
    """Return a test of whether a folder has a file of this name, or path below it."""
    return lambda folder: (folder / name).is_file()


def holds_folder(*names: str) -> Callable[[Path], bool]:
    """Return a test of whether a folder has one of these folders below it."""
    return lambda folder: any((folder / name).is_dir() for name in names)


def is_davis(folder: Path) -> bool:
    """Return whether a folder is in the DAVIS layout, with folders of resolutions."""
    return any(folders_in(path) for path in folders_in(folder / "Annotations"))


def images_beside(folder: Path) -> list[Path]:
    """Return a folder's images that are not taken for masks because of their suffix, such as ``.PNG``."""
    paths = folder.iterdir() if folder.is_dir() else ()
    found = [path for path in paths if is_image(path) and path.suffix != ".png" and path.name[0] != "."]
    return sorted(found, key=natural_order)


def misnamed(folder: Path, frames: Collection[str]) -> str:
    """Return a clause about files that would be these frames' masks if they were named ``.png``, if any."""
    wanted = set(frames)
    found = [path.name for path in images_beside(folder) if path.stem in wanted]
    return f", and {in_short(found, 3)}, whose name must end in .png" if found else ""
