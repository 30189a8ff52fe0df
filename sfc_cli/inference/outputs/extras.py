"""The kinds of output of a sequence, each with its work for any thread and its work in the frames' order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from sfc_cli.data.film import FilmWriter, as_film_picture
from sfc_cli.data.frames import Frame
from sfc_cli.data.gif import GifWriter, encode_gif_frame, gif_delay
from sfc_cli.data.masks import Ids, write_mask
from sfc_cli.data.object_table import ObjectTable, measure_objects
from sfc_cli.data.overlay import blend, write_cutout, write_overlay
from sfc_cli.data.soft_files import write_soft_labels
from sfc_cli.data.soft_labels import Resolved
from sfc_cli.errors import InputError, UsageError
from sfc_cli.inference.outputs import places
from sfc_cli.settings.propagation import MOST_GIF_FRAMES, OutputChoice

InTurn = Callable[[], None]

_SHORTER = "Use --overlay video, or take fewer frames."


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A frame whose labels are known.

    Args:
        stem: The name of its files.
        place: Its place among the frames added.
        number: Its place in the footage.
        seconds: When it is shown; None if unknown.
        frame: uint8 [H, W, 3], RGB.
        resolved: Mask, confidence and soft labels.
    """

    stem: str
    place: int
    number: int
    seconds: float | None
    frame: Frame
    resolved: Resolved


class Extra(Protocol):
    """One kind of output. ``finish`` or ``abandon`` follows the last frame."""

    def make(self, finished: Finished) -> InTurn | None:
        """Do the work that any thread may do, at any time; return what must wait for the frame's turn."""

    def finish(self) -> None:
        """Complete what holds all frames."""

    def abandon(self) -> None:
        """Remove what is unfinished; harmless after ``finish``."""


class _Files:
    """Outputs with one file a frame, whole as soon as it is there.

    Args:
        write: Writes a frame's file.
    """

    def __init__(self, write: Callable[[Finished], None]) -> None:
        self._write = write

    def make(self, finished: Finished) -> InTurn | None:
        self._write(finished)
        return None

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class _Film:
    """The overlay as MP4."""

    def __init__(self, path: Path, frames_per_second: float) -> None:
        self._film = FilmWriter(path, frames_per_second)
        self.finish, self.abandon = self._film.finish, self._film.abandon

    def make(self, finished: Finished) -> InTurn | None:
        picture = as_film_picture(blend(finished.frame, finished.resolved.mask))
        return partial(self._film.add, picture)


class _Gif:
    """The overlay as GIF."""

    def __init__(self, path: Path, name: str, frames_per_second: float) -> None:
        self._gif = GifWriter(path)
        self._name, self._frames_per_second = name, frames_per_second
        self.finish, self.abandon = self._gif.finish, self._gif.abandon

    def make(self, finished: Finished) -> InTurn | None:
        if finished.place >= MOST_GIF_FRAMES:
            raise InputError(
                f"{self._name} has more than {MOST_GIF_FRAMES} frames, too many for a GIF.", _SHORTER
            )
        delay = gif_delay(finished.place, self._frames_per_second)
        return partial(self._gif.add, *encode_gif_frame(finished.frame, finished.resolved.mask, delay))


class _Table:
    """The sequence's rows of objects.csv."""

    def __init__(self, path: Path, name: str, objects: Ids) -> None:
        self._table = ObjectTable(path, name)
        self._objects = objects
        self.finish, self.abandon = self._table.finish, self._table.abandon

    def make(self, finished: Finished) -> InTurn | None:
        rows = measure_objects(finished.resolved.mask, finished.resolved.confidence, self._objects)
        return partial(self._table.add, finished.stem, finished.number, finished.seconds, rows)


def require_possible(choice: OutputChoice, name: str, frame_count: int | None) -> None:
    """Refuse, before anything is computed, what a sequence is too long for.

    Args:
        choice: What is to be written.
        name: The sequence.
        frame_count: How many frames it has; None if nobody knows.

    Raises:
        UsageError: If a GIF would get too many frames.
    """
    if choice.overlay == "gif" and frame_count is not None and frame_count > MOST_GIF_FRAMES:
        raise UsageError(
            f"--overlay gif: {name} has {frame_count} frames, and a GIF takes {MOST_GIF_FRAMES} at most.",
            _SHORTER,
        )


def open_extras(
    output: Path, name: str, choice: OutputChoice, objects: Ids, frames_per_second: float, *, masks: bool
) -> list[Extra]:
    """Open all outputs of a sequence, its masks among them; see ``SequenceOutputs`` for the arguments.

    Raises:
        InputError: If one cannot be written; the others are abandoned.
    """
    opened: list[Extra] = []

    def write_masks(finished: Finished) -> None:
        write_mask(places.mask_path(output, name, finished.stem), finished.resolved.mask)

    def write_picture(finished: Finished) -> None:
        path = places.picture_path(output, name, finished.stem)
        write_overlay(path, finished.frame, finished.resolved.mask)

    def write_objects(finished: Finished) -> None:
        path = places.cutout_path(output, name, finished.stem)
        write_cutout(path, finished.frame, finished.resolved.mask)

    def write_soft(finished: Finished) -> None:
        height, width = finished.resolved.mask.shape
        path = places.soft_path(output, name, finished.stem)
        write_soft_labels(path, finished.resolved.labels, objects, (height, width))

    wanted: list[tuple[bool, Callable[[], Extra]]] = [
        (masks, lambda: _Files(write_masks)),
        (choice.overlay == "frames", lambda: _Files(write_picture)),
        (choice.cutout, lambda: _Files(write_objects)),
        (choice.soft, lambda: _Files(write_soft)),
        (choice.overlay == "video", lambda: _Film(places.film_path(output, name), frames_per_second)),
        (choice.overlay == "gif", lambda: _Gif(places.gif_path(output, name), name, frames_per_second)),
        (choice.objects, lambda: _Table(places.table_path(output), name, objects)),
    ]
    try:
        for is_wanted, open_it in wanted:
            if is_wanted:
                opened.append(open_it())
    except BaseException:
        for extra in opened:
            extra.abandon()
        raise
    return opened
