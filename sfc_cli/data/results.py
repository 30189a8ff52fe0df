"""The results folder: where a run's masks, extras and record lie, which are there, and how they are removed.

Whoever reads or writes such a folder asks here; no other module spells a name in it.
"""

from __future__ import annotations

import contextlib
import glob
import json
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sfc_cli.data.object_table import frames_in_table, remove_from_table
from sfc_cli.errors import InputError
from sfc_cli.files import inside, is_same_or_below, require_inside_name
from sfc_cli.settings.propagation import OutputChoice

RECORD_NAME = "run.json"
TABLE_NAME = "objects.csv"
OVERLAY_FOLDER, CUTOUT_FOLDER, SOFT_FOLDER = "overlay", "cutout", "soft"
# Folders of extras, beside which the folders of masks lie.
EXTRA_FOLDERS = (OVERLAY_FOLDER, CUTOUT_FOLDER, SOFT_FOLDER)
# What one file has all frames of.
_FILM_SUFFIXES = {"video": ".mp4", "webm": ".webm", "gif": ".gif"}
_CUTOUT_SUFFIXES = {"webm": ".webm", "prores": ".mov"}
# Where an interrupted run keeps what it needs to continue.
RESUME_FOLDER = ".resume"
# What was painted in `sfc studio`, and where its work stands.
STUDIO_FOLDER = ".studio"
# A sequence of such a name would mix its masks with what lies there.
RESERVED_NAMES = frozenset({*EXTRA_FOLDERS, RESUME_FOLDER, STUDIO_FOLDER, TABLE_NAME, RECORD_NAME})
# Runs lie here unless a user says otherwise.
DEFAULT_ROOT = Path("results")


class ResultsFolder:
    """The layout of one results folder; nothing is read or written by making one.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root

    @property
    def record(self) -> Path:
        """The record of the run, ``run.json``."""
        return self.root / RECORD_NAME

    @property
    def table(self) -> Path:
        """The table of all objects in all frames, ``objects.csv``."""
        return self.root / TABLE_NAME

    def masks(self, sequence: str) -> Path:
        """Return the folder of a sequence's masks.

        Raises:
            InputError: If the sequence's name leads out of the folder; so do all methods below.
        """
        return inside(self.root, sequence)

    def mask(self, sequence: str, frame: str) -> Path:
        """Return the mask of a frame, named without its suffix."""
        return inside(self.masks(sequence), f"{frame}.png")

    def joints(self, sequence: str) -> Path:
        """Return the propagated joints of a video."""
        return inside(self.root, f"{sequence}.json")

    def overlay(self, sequence: str, frame: str) -> Path:
        """Return the overlay of a frame."""
        return inside(self._extras(OVERLAY_FOLDER, sequence), f"{frame}.jpg")

    def film(self, sequence: str, kind: str = "video") -> Path:
        """Return a sequence's overlay in one file: a ``video`` (MP4), ``webm`` or ``gif``."""
        return inside(self.root / OVERLAY_FOLDER, f"{sequence}{_FILM_SUFFIXES[kind]}")

    def cutout_film(self, sequence: str, kind: str) -> Path:
        """Return a sequence's objects in one file with transparency: ``webm`` or ``prores``."""
        return inside(self.root / CUTOUT_FOLDER, f"{sequence}{_CUTOUT_SUFFIXES[kind]}")

    def films(self, sequence: str) -> list[Path]:
        """Return all the films that a sequence can have."""
        overlays = [self.film(sequence, kind) for kind in _FILM_SUFFIXES]
        return [*overlays, *(self.cutout_film(sequence, kind) for kind in _CUTOUT_SUFFIXES)]

    def written(self, sequence: str | None, choice: OutputChoice) -> dict[str, Path]:
        """Return what a run writes, by what it is: that of one sequence, or of all."""

        def folder(name: str) -> Path:
            return self.root / name if sequence is None else self._extras(name, sequence)

        found = {"masks": self.root if sequence is None else self.masks(sequence)}
        if choice.overlay is not None:
            found["overlay"] = folder(OVERLAY_FOLDER)
        if choice.cutout is not None:
            found["cutout"] = folder(CUTOUT_FOLDER)
        if choice.soft:
            found["soft"] = folder(SOFT_FOLDER)
        if choice.objects:
            found["objects"] = self.table
        if sequence is not None and choice.overlay in _FILM_SUFFIXES:
            found["overlay"] = self.film(sequence, choice.overlay)
        if sequence is not None and choice.cutout in _CUTOUT_SUFFIXES:
            found["cutout"] = self.cutout_film(sequence, str(choice.cutout))
        return found

    def cutout(self, sequence: str, frame: str) -> Path:
        """Return the objects of a frame on a transparent ground."""
        return inside(self._extras(CUTOUT_FOLDER, sequence), f"{frame}.png")

    def soft(self, sequence: str, frame: str) -> Path:
        """Return the soft labels of a frame."""
        return inside(self._extras(SOFT_FOLDER, sequence), f"{frame}.npz")

    def resume(self, sequence: str) -> Path:
        """Return the folder of what an interrupted run needs to continue a sequence."""
        # One folder for each, never one in another's: the first to finish would remove both.
        return inside(self.root / RESUME_FOLDER, sequence.replace("%", "%25").replace("/", "%2F"))

    @property
    def studio(self) -> Path:
        """The folder of what was painted in ``sfc studio``."""
        return self.root / STUDIO_FOLDER

    def outputs_of(self, sequence: str) -> list[Path]:
        """Return all folders and files that hold the results of one sequence alone."""
        folders = [self.masks(sequence), *(self._extras(folder, sequence) for folder in EXTRA_FOLDERS)]
        return [*folders, *self.films(sequence)]

    def has_inside(self, sequence: str) -> bool:
        """Return whether what a sequence has lies in the folder itself, not behind a link out of it."""
        paths = (*self.outputs_of(sequence), self.joints(sequence), self.resume(sequence))
        return all(is_same_or_below(path, self.root) for path in paths)

    def lacking(self, sequence: str, frames: Sequence[str], choice: OutputChoice) -> OutputChoice:
        """Return those of the chosen extras that a sequence does not have for all its frames.

        Args:
            sequence: Its name.
            frames: The names of its frames, without suffixes.
            choice: What it should have.

        Raises:
            InputError: If ``objects.csv`` is another table.
        """

        def has_all(paths: Iterable[Path]) -> bool:
            return all(path.is_file() for path in paths)

        has_overlay = (
            choice.overlay is None
            or (choice.overlay == "frames" and has_all(self.overlay(sequence, frame) for frame in frames))
            or (choice.overlay in _FILM_SUFFIXES and self.film(sequence, choice.overlay).is_file())
        )
        has_cutout = (
            choice.cutout is None
            or (choice.cutout == "png" and has_all(self.cutout(sequence, frame) for frame in frames))
            or (
                choice.cutout in _CUTOUT_SUFFIXES and self.cutout_film(sequence, str(choice.cutout)).is_file()
            )
        )
        return OutputChoice(
            overlay=None if has_overlay else choice.overlay,
            cutout=None if has_cutout else choice.cutout,
            soft=choice.soft and not has_all(self.soft(sequence, frame) for frame in frames),
            objects=choice.objects and not frames_in_table(self.table, sequence).issuperset(frames),
            audio=choice.audio,
        )

    def remove_extras(self, sequence: str) -> None:
        """Remove what a sequence has beside its masks, before its masks change.

        Raises:
            InputError: If ``objects.csv`` is another table or cannot be written.
        """
        for film in self.films(sequence):
            film.unlink(missing_ok=True)
        for folder, pattern in zip(EXTRA_FOLDERS, ("*.jpg", "*.png", "*.npz"), strict=True):
            _remove_files(self._extras(folder, sequence), pattern)
        remove_from_table(self.table, sequence)

    def remove(self, sequence: str) -> None:
        """Remove all that a sequence has: masks, joints and extras.

        Raises:
            InputError: If ``objects.csv`` is another table or cannot be written.
        """
        _remove_files(self.masks(sequence), "*.png")
        self.joints(sequence).unlink(missing_ok=True)
        shutil.rmtree(self.resume(sequence), ignore_errors=True)
        self.remove_extras(sequence)

    def remove_empty_resume(self) -> None:
        """Remove the folder of unfinished states, once no process of the run has one."""
        with contextlib.suppress(OSError):
            (self.root / RESUME_FOLDER).rmdir()

    def remove_parts(self, sequence: str | None = None) -> None:
        """Remove the unfinished files that a killed run left, in the folder itself or of a sequence."""
        if sequence is None:
            remove_parts(self.root)
            return
        for folder in (self.masks(sequence), *(self._extras(name, sequence) for name in EXTRA_FOLDERS)):
            remove_parts(folder)
        for film in self.films(sequence):
            remove_parts(film.parent, f"{film.name}.")

    def _extras(self, folder: str, sequence: str) -> Path:
        return inside(self.root / folder, sequence)


def overlaps(outputs: Sequence[Path], path: Path) -> bool:
    """Return whether a file or folder is one of the outputs, lies in one, or has one inside.

    Args:
        outputs: Of a run, see ``ResultsFolder.outputs_of``.
        path: What must not be touched.
    """
    return any(is_same_or_below(path, output) or is_same_or_below(output, path) for output in outputs)


def find_overwritten(outputs: Iterable[Path], inputs: Iterable[Path]) -> Path | None:
    """Return the first of the files that are read which is one of the outputs or lies in one, if any does.

    Args:
        outputs: Of a run, see ``ResultsFolder.outputs_of``.
        inputs: Files. Of a link, neither itself nor what it leads to may be replaced.
    """
    real = {output.resolve() for output in outputs}

    def is_met(path: Path) -> bool:
        return not real.isdisjoint((path, *path.parents))

    for path in inputs:
        if is_met(path.parent.resolve() / path.name) or (path.is_symlink() and is_met(path.resolve())):
            return path
    return None


def remove_parts(folder: Path, of: str = "") -> None:
    """Remove the unfinished files that a killed run left in a folder.

    Args:
        folder: Where to look.
        of: Only those of files whose names begin so; other processes may be writing the others.
    """
    for path in folder.glob(f".{glob.escape(of)}*.part*"):
        path.unlink(missing_ok=True)


def default_output(dataset: str, networks: Sequence[str], protocol: str) -> Path:
    """Return ``results/<dataset>/<fine-grained>+<semantic>``; a path is named by its stem, ``a:b=FILE`` a-b.

    Any protocol but the published one is named behind a hyphen, so that runs never mix.
    """
    name = "+".join(
        network.partition("=")[0].replace(":", "-") if _is_foreign(network) else Path(network).stem
        for network in networks
    )
    return runs_of(dataset) / (name if protocol == "published" else f"{name}-{protocol}")


def _is_foreign(network: str) -> bool:
    """Return whether a network is another library's: ``timm:NAME`` is no path."""
    return re.match(r"[a-z]\w+:[^/\\]", network) is not None


def runs_of(dataset: str) -> Path:
    """Return the folder of all runs on a data set."""
    return DEFAULT_ROOT / dataset


def newest_run(folder: Path) -> Path:
    """Return the folder of the newest run below a folder: the one whose record was written last.

    Raises:
        InputError: If there is none.
    """
    patterns = (RECORD_NAME, f"*/{RECORD_NAME}", f"*/*/{RECORD_NAME}")
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    if not found:
        raise InputError(
            f"No run of `sfc propagate` below {folder}.",
            "Run `sfc propagate` first, or name a folder of masks with `results`.",
        )
    return max(found, key=lambda path: (path.stat().st_mtime_ns, path.as_posix())).parent


def read_record(folder: Path) -> dict[str, Any] | None:
    """Read the ``run.json`` of a results folder; None if it has none.

    Raises:
        InputError: If the file is damaged, or names a sequence that would lie outside of the folder.
    """
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Remove it, or choose another folder.") from None
    if not _is_record(content):
        raise InputError(f"{path} is not the record of a run.", "Remove it, or choose another folder.")
    for name in begun_in(content):
        require_inside_name(name, path)
    return content


def _is_record(content: Any) -> bool:
    parts = ("settings", "checkpoints", "clip", "folders", "sequences")
    return (
        isinstance(content, dict)
        and all(isinstance(content.get(part, {}), dict) for part in parts)
        and all(isinstance(entry, dict) for entry in content.get("sequences", {}).values())
        and isinstance(content.get("planned", []), list)
        and all(isinstance(name, str) for name in content.get("planned", []))
    )


def begun_in(record: Mapping[str, Any]) -> set[str]:
    """Return the sequences that the run of a record finished or set out to do."""
    return {*record.get("sequences", ()), *record.get("planned", ())}


def _remove_files(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern) if folder.is_dir() else ():
        path.unlink()
    # Other files keep their folder.
    with contextlib.suppress(OSError):
        folder.rmdir()
