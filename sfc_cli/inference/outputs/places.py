"""Where a sequence's results lie, which of them are there, and their removal."""

from __future__ import annotations

import contextlib
import glob
from collections.abc import Callable, Sequence
from pathlib import Path

from sfc_cli.data.object_table import frames_in_table, remove_from_table
from sfc_cli.data.results import ResultsFolder
from sfc_cli.settings.propagation import OutputChoice

OVERLAY_FOLDER, CUTOUT_FOLDER, SOFT_FOLDER = "overlay", "cutout", "soft"
TABLE_NAME = "objects.csv"
# A sequence of such a name would mix its masks with what lies there.
RESERVED_NAMES = frozenset({OVERLAY_FOLDER, CUTOUT_FOLDER, SOFT_FOLDER, TABLE_NAME})


def mask_path(output: Path, name: str, stem: str) -> Path:
    """Return the mask of a frame."""
    return output / name / f"{stem}.png"


def picture_path(output: Path, name: str, stem: str) -> Path:
    """Return the overlay of a frame."""
    return output / OVERLAY_FOLDER / name / f"{stem}.jpg"


def film_path(output: Path, name: str) -> Path:
    """Return a sequence's overlay as a film."""
    return output / OVERLAY_FOLDER / f"{name}.mp4"


def gif_path(output: Path, name: str) -> Path:
    """Return a sequence's overlay as a GIF."""
    return output / OVERLAY_FOLDER / f"{name}.gif"


def cutout_path(output: Path, name: str, stem: str) -> Path:
    """Return the objects of a frame on a transparent ground."""
    return output / CUTOUT_FOLDER / name / f"{stem}.png"


def soft_path(output: Path, name: str, stem: str) -> Path:
    """Return the soft labels of a frame."""
    return output / SOFT_FOLDER / name / f"{stem}.npz"


def table_path(output: Path) -> Path:
    """Return the table of all objects in all frames."""
    return output / TABLE_NAME


def places_of(output: Path, name: str) -> list[Path]:
    """Return all folders and files that are a sequence's results, and nobody else's."""
    folders = [output / folder / name for folder in (".", OVERLAY_FOLDER, CUTOUT_FOLDER, SOFT_FOLDER)]
    return [*folders, film_path(output, name), gif_path(output, name)]


def holds_any(places: Sequence[Path], path: Path) -> bool:
    """Tell whether a file or folder is one of these places, lies in one, or has one inside.

    Args:
        places: Of results, see ``places_of``.
        path: What must not be touched.
    """
    kept = path.resolve()
    return any(
        kept.is_relative_to(place) or place.is_relative_to(kept) for place in (p.resolve() for p in places)
    )


def missing_outputs(output: Path, name: str, stems: Sequence[str], choice: OutputChoice) -> OutputChoice:
    """Return those of the chosen extras that a sequence does not have for all its frames.

    Args:
        output: The results folder.
        name: The sequence.
        stems: The names of its frames.
        choice: What it should have.

    Raises:
        InputError: If ``objects.csv`` is another table.
    """

    def all_there(path: Callable[[Path, str, str], Path]) -> bool:
        return all(path(output, name, stem).is_file() for stem in stems)

    has_overlay = (
        choice.overlay is None
        or (choice.overlay == "video" and film_path(output, name).is_file())
        or (choice.overlay == "gif" and gif_path(output, name).is_file())
        or (choice.overlay == "frames" and all_there(picture_path))
    )
    return OutputChoice(
        overlay=None if has_overlay else choice.overlay,
        cutout=choice.cutout and not all_there(cutout_path),
        soft=choice.soft and not all_there(soft_path),
        objects=choice.objects and not frames_in_table(table_path(output), name).issuperset(stems),
    )


def remove_extras(output: Path, name: str) -> None:
    """Remove what a sequence has beside its masks; for a sequence whose masks are made anew.

    Raises:
        InputError: If ``objects.csv`` is another table or cannot be written.
    """
    film_path(output, name).unlink(missing_ok=True)
    gif_path(output, name).unlink(missing_ok=True)
    for folder, pattern in ((OVERLAY_FOLDER, "*.jpg"), (CUTOUT_FOLDER, "*.png"), (SOFT_FOLDER, "*.npz")):
        _remove_files(output / folder / name, pattern)
    remove_from_table(table_path(output), name)


def remove_results(output: Path, name: str) -> None:
    """Remove all that a sequence has: masks, joints and extras.

    Raises:
        InputError: If ``objects.csv`` is another table or cannot be written.
    """
    _remove_files(output / name, "*.png")
    ResultsFolder(output).joints(name).unlink(missing_ok=True)
    remove_extras(output, name)


def remove_parts(folder: Path, of: str = "") -> None:
    """Remove the unfinished files that a killed run left in a folder.

    Args:
        folder: Where to look.
        of: Only those of files whose names begin so; other processes may be writing the others.
    """
    for path in folder.glob(f".{glob.escape(of)}*.part*"):
        path.unlink(missing_ok=True)


def remove_parts_of(output: Path, name: str) -> None:
    """Remove the unfinished files that a killed run left of a sequence."""
    for folder in (".", OVERLAY_FOLDER, CUTOUT_FOLDER, SOFT_FOLDER):
        remove_parts(output / folder / name)
    for film in (film_path(output, name), gif_path(output, name)):
        remove_parts(film.parent, f"{film.name}.")


def _remove_files(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern) if folder.is_dir() else ():
        path.unlink()
    # Other files keep their folder.
    with contextlib.suppress(OSError):
        folder.rmdir()
