"""What a run writes for a sequence: heavy work in any thread, films and tables in the frames' order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np

from sfc_cli.data.film import FilmBasis, FilmKind, FilmWriter
from sfc_cli.data.frames import Frame
from sfc_cli.data.gif import GifWriter, encode_gif_frame, gif_delay
from sfc_cli.data.jhmdb import Joints, find_joints, write_joints
from sfc_cli.data.masks import Ids, read_ids, write_mask
from sfc_cli.data.object_table import ObjectTable, measure_objects
from sfc_cli.data.overlay import blend, cutout_picture, write_cutout, write_overlay
from sfc_cli.data.results import ResultsFolder, remove_parts
from sfc_cli.data.soft_labels import Resolved, given_mask, write_soft_labels
from sfc_cli.data.videos import FrameStamp
from sfc_cli.errors import UsageError
from sfc_cli.inference.anchors import Anchors, JointAnchors
from sfc_cli.inference.concurrency import InOrder, WriteBehind
from sfc_cli.inference.propagator import Labelled
from sfc_cli.settings.propagation import MOST_GIF_FRAMES, OutputChoice

InTurn = Callable[[], None]

# The films of each choice.
_OVERLAY_FILMS: dict[str, FilmKind] = {"video": "mp4", "webm": "webm"}
_CUTOUT_FILMS: dict[str, FilmKind] = {"webm": "clear-webm", "prores": "clear-prores"}

_SHORTER = "Choose the `overlay` video, or take fewer frames."


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A frame whose labels are known.

    Args:
        index: Its index among the frames added.
        stamp: The name of its files, its number in the video, and when it is shown.
        frame: uint8 [H, W, 3], RGB.
        resolved: Mask, confidence and soft labels.
        is_done: Whether an interrupted run wrote its mask and all that needs labels.
    """

    index: int
    stamp: FrameStamp
    frame: Frame
    resolved: Resolved
    is_done: bool


class Output(Protocol):
    """One kind of output. ``finish`` or ``abandon`` follows the last frame."""

    def make(self, finished: Finished) -> InTurn | None:
        """Do the work that any thread may do, at any time; return what must wait for the frame's turn."""

    def finish(self) -> None:
        """Complete what holds all frames."""

    def abandon(self) -> None:
        """Remove what is unfinished; harmless after ``finish``."""


class _Files:
    """One file a frame, whole as soon as it is there.

    Args:
        path: Gives a frame's file for its name.
        write: Writes it.
        needs_labels: Whether a mask alone is not enough, so that finished frames have their files.
    """

    def __init__(
        self,
        path: Callable[[str], Path],
        write: Callable[[Path, Finished], None],
        *,
        needs_labels: bool = False,
    ) -> None:
        self._path, self._write, self._needs_labels = path, write, needs_labels

    def make(self, finished: Finished) -> InTurn | None:
        path = self._path(finished.stamp.name)
        if not finished.is_done or not (self._needs_labels or path.is_file()):
            self._write(path, finished)
        return None

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


class _Film:
    """The overlay or the cut-out as a film.

    Args:
        film: Takes the pictures.
        draw: Makes one of a frame and its mask.
    """

    def __init__(self, film: FilmWriter, draw: Callable[[Frame, Ids], Frame]) -> None:
        self._film, self._draw = film, draw

    def make(self, finished: Finished) -> InTurn | None:
        picture = self._draw(finished.frame, finished.resolved.mask)
        return partial(self._film.add, picture, finished.stamp.seconds)

    def finish(self) -> None:
        self._film.finish()

    def abandon(self) -> None:
        self._film.abandon()


class _Gif:
    """The overlay as a GIF."""

    def __init__(self, path: Path, name: str, frames_per_second: float) -> None:
        self._gif = GifWriter(path)
        self._name, self._frames_per_second = name, frames_per_second

    def make(self, finished: Finished) -> InTurn | None:
        require_gif_length(self._name, finished.index + 1)
        delay = gif_delay(finished.index, self._frames_per_second)
        size, block = encode_gif_frame(finished.frame, finished.resolved.mask, delay)
        return partial(self._gif.add, size, block, finished.stamp.seconds)

    def finish(self) -> None:
        self._gif.finish()

    def abandon(self) -> None:
        self._gif.abandon()


class _Table:
    """The sequence's rows of objects.csv; those of finished frames are there."""

    def __init__(self, table: ObjectTable, objects: Ids) -> None:
        self._table, self._objects = table, objects

    def make(self, finished: Finished) -> InTurn | None:
        if finished.is_done:
            return None
        rows = measure_objects(finished.resolved.mask, finished.resolved.confidence, self._objects)
        return partial(self._table.add, finished.stamp, rows)

    def finish(self) -> None:
        self._table.finish()

    def abandon(self) -> None:
        self._table.abandon()


class _JointsFile:
    """The joints of all frames of a video, in one file."""

    def __init__(self, path: Path, anchors: JointAnchors) -> None:
        self._path, self._anchors = path, anchors
        self._joints: list[Joints] = []

    def make(self, finished: Finished) -> InTurn | None:
        joints = self._anchors.joints
        if finished.index > 0:
            joints = find_joints(finished.resolved.labels[1:], self._anchors.size)
        return partial(self._joints.append, joints)

    def finish(self) -> None:
        write_joints(self._path, np.stack(self._joints))

    def abandon(self) -> None: ...


def require_gif_length(name: str, frame_count: int) -> None:
    """Make sure that a GIF of so many frames can be written.

    Raises:
        UsageError: If it would have too many.
    """
    if frame_count > MOST_GIF_FRAMES:
        raise UsageError(
            f"A GIF of {name} would have {frame_count} frames or more, and {MOST_GIF_FRAMES} are the most.",
            _SHORTER,
        )


def open_outputs(
    results: ResultsFolder,
    name: str,
    anchors: Anchors,
    choice: OutputChoice,
    *,
    basis: FilmBasis | None = None,
    table: ObjectTable | None = None,
    has_masks: bool = False,
) -> list[Output]:
    """Open all outputs of a sequence.

    Args:
        results: The results folder.
        name: The sequence.
        anchors: Whose objects are written.
        choice: What to write beside the masks.
        basis: What films take over from the video.
        table: Takes the rows of the objects, if they are chosen; the sequence's own if None.
        has_masks: The masks are there already.

    Raises:
        InputError: If one cannot be written; the others are abandoned.
    """
    results.remove_parts(name)
    if isinstance(anchors, JointAnchors):
        return [_JointsFile(results.joints(name), anchors)]
    opened: list[Output] = []
    basis = basis or FilmBasis()
    silent = replace(basis, sound=None)

    def write_soft(path: Path, finished: Finished) -> None:
        write_soft_labels(path, finished.resolved.labels, anchors.objects, anchors.size)

    def write_ids(path: Path, finished: Finished) -> None:
        write_mask(path, finished.resolved.mask)

    def open_gif() -> Output:
        return _Gif(results.film(name, "gif"), name, basis.frames_per_second)

    def open_table() -> Output:
        if table is None:
            remove_parts(results.root, f"{results.table.name}.")
        return _Table(table or ObjectTable(results.table, name), anchors.objects)

    wanted: list[tuple[bool, Callable[[], Output]]] = [
        (not has_masks, lambda: _Files(partial(results.mask, name), write_ids)),
        (choice.overlay == "frames", lambda: _Files(partial(results.overlay, name), _write_overlay)),
        (choice.cutout == "png", lambda: _Files(partial(results.cutout, name), _write_cutout)),
        (choice.soft, lambda: _Files(partial(results.soft, name), write_soft, needs_labels=True)),
        (choice.overlay == "gif", open_gif),
        (choice.objects, open_table),
    ]
    for kind, film_kind in _OVERLAY_FILMS.items():
        film = partial(FilmWriter, results.film(name, kind), film_kind, basis if choice.audio else silent)
        wanted.append((choice.overlay == kind, partial(_open_film, film, blend)))
    for kind, film_kind in _CUTOUT_FILMS.items():
        film = partial(FilmWriter, results.cutout_film(name, kind), film_kind, silent)
        wanted.append((choice.cutout == kind, partial(_open_film, film, cutout_picture)))
    try:
        for is_wanted, open_it in wanted:
            if is_wanted:
                opened.append(open_it())
    except BaseException:
        for output in opened:
            output.abandon()
        raise
    return opened


def _open_film(film: Callable[[], FilmWriter], draw: Callable[[Frame, Ids], Frame]) -> Output:
    return _Film(film(), draw)


def _write_overlay(path: Path, finished: Finished) -> None:
    write_overlay(path, finished.frame, finished.resolved.mask)


def _write_cutout(path: Path, finished: Finished) -> None:
    write_cutout(path, finished.frame, finished.resolved.mask)


class SequenceWriter:
    """Hands the frames of a sequence to its outputs. ``finish`` or ``abandon`` must follow.

    Args:
        outputs: See ``open_outputs``.
        writing: Whose threads do the work, and which bounds the frames waiting; without tasks of others.
    """

    def __init__(self, outputs: Sequence[Output], writing: WriteBehind) -> None:
        self._outputs = outputs
        self._writing = writing
        self._in_order: InOrder[Sequence[InTurn]] = InOrder(_run_all)
        self._added = 0
        self._is_abandoned = False

    def add(self, stamp: FrameStamp, labelled: Labelled) -> None:
        """Add the next frame; return once few enough frames wait to be written.

        Args:
            stamp: The frame's name, number and time.
            labelled: The frame and its labels; resolved once, in another thread.

        Raises:
            InputError: If this or an earlier frame could not be written; ``abandon`` must follow.
        """
        index = self._added
        self._added += 1
        self._writing.submit(partial(self._make, index, stamp, labelled))

    def finish(self) -> None:
        """Wait until all is on disk, whole.

        Raises:
            InputError: If something could not be written; what is unfinished is removed.
        """
        try:
            self._writing.finish()
            for output in self._outputs:
                output.finish()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Stop after an error: frames not written are dropped, unfinished films and tables removed."""
        self._is_abandoned = True
        self._in_order.stop()
        # A film must not be closed under a thread that writes to it.
        self._writing.discard()
        for output in self._outputs:
            output.abandon()

    def _make(self, index: int, stamp: FrameStamp, labelled: Labelled) -> None:
        if self._is_abandoned:
            return
        finished = Finished(
            index=index,
            stamp=stamp,
            frame=labelled.frame,
            resolved=labelled.resolve(),
            is_done=labelled.is_done,
        )
        made = [output.make(finished) for output in self._outputs]
        # Last, and in turn: once it is kept, all files of this frame and of those before are there.
        self._in_order.put(index, [step for step in (*made, labelled.keep) if step is not None])


def with_stored_mask(index: int, frame: Frame, path: Path) -> Labelled:
    """Return a frame with the mask that an earlier run wrote.

    Args:
        index: The frame's index in the sequence.
        frame: uint8 [H, W, 3], RGB.
        path: The mask; read when the frame's turn comes.
    """

    def resolve() -> Resolved:
        return given_mask(read_ids(path), np.zeros((1, 0, 0), np.float32))

    return Labelled(index, frame, resolve, is_done=True)


def _run_all(steps: Sequence[InTurn]) -> None:
    for step in steps:
        step()
