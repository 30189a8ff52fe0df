"""The open video and all around it: what was painted, and the processes that solve and propagate."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.painted_masks import PaintedMask
from sfc_cli.data.results import ResultsFolder, runs_of
from sfc_cli.data.videos import Video, open_video
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.files import unwritable, write_bytes
from sfc_cli.inference.origins import ledger_of, read_entries
from sfc_cli.settings.propagation import OutputChoice
from sfc_cli.studio.clip_frames import ClipFrames
from sfc_cli.studio.command_line import Opening, command_line
from sfc_cli.studio.events import Events
from sfc_cli.studio.marks import Binary, Marks, crop_of, solve_marks
from sfc_cli.studio.project import DIRECTIONS, Project, page_colour
from sfc_cli.studio.propagation_worker import Message, PropagationWorker, Work

logger = logging.getLogger(__name__)

_FRAMES = "frames"
_OVERLAYS = (None, "video", "frames", "gif")
# What people's mask files end in; the name of an upload decides nothing else.
_LONGEST_SUFFIX = 8


class Workbench:
    """Does what the page asks for. Opens nothing and starts nothing until ``start``.

    Args:
        opening: What is to be opened.
        events: Hears of everything that happens.

    Raises:
        InputError: If the video cannot be read, or the folder not be written to.
        UsageError: If a choice is impossible.
    """

    def __init__(self, opening: Opening, events: Events) -> None:
        self.opening, self.events = opening, events
        self.video: Video = open_video(
            opening.sources,
            frames_per_second=opening.frames_per_second,
        )
        output = opening.output or runs_of(self.video.name) / "studio"
        self.results = ResultsFolder(output)
        self.project = Project(
            results=self.results,
            size=self.video.size,
            clip={
                "sources": [str(Path(one).absolute()) for one in opening.sources],
                **opening.chosen(),
                "identity": {
                    name: value
                    for name, value in self.video.identity().items()
                    if name not in ("path", "modified")
                },
            },
            sequence=self.video.name,
        )
        self._lock = _locked(self.project.folder)
        try:
            self.was_restored = self.project.restore()
            self.project.save()
        except BaseException:
            self._lock.release()
            raise
        self.frames = ClipFrames(
            self.video, opening.selection, self.project.folder / _FRAMES, self._tell_of_frames
        )
        self.worker = PropagationWorker(self._hear)
        self._solver = _new_solver()
        self._progress: dict[str, Any] = {}
        self._told = 0

    def start(self) -> None:
        """Begin to read the video, and load what solves and propagates."""
        # While it loads, the search path is not what the processes should inherit.
        import cv2  # noqa: F401

        self.frames.start()
        self._solver.submit(_warm_up)
        self.worker.start()

    def close(self) -> None:
        """Stop everything; what is finished stays."""
        self.worker.close()
        self._solver.shutdown(wait=False, cancel_futures=True)
        self.frames.close()
        self._lock.release()

    def state(self) -> dict[str, Any]:
        """Return all that the page must know, ready for JSON."""
        height, width = self.video.size
        problem = self.frames.problem
        return {
            "clip": {
                "name": self.video.name,
                "source": str(self.video.source),
                "width": width,
                "height": height,
                "frames_per_second": self.frames_per_second,
                "count": self.frames.count,
                "read": len(self.frames.stamps),
                "is_read": self.frames.is_read,
                "problem": None if problem is None else str(problem),
            },
            "objects": {str(key): value for key, value in sorted(self.project.objects.items())},
            "anchors": {str(key): value for key, value in sorted(self.project.anchors.items())},
            "marks": {str(key): value for key, value in sorted(self.project.marks.items())},
            "colours": [page_colour(identity) for identity in range(1, VOID)],
            "direction": self.project.direction,
            "results": str(self.results.root),
            "frames": self.frame_states(),
            "was_restored": self.was_restored,
            "is_busy": self.worker.is_busy,
            "progress": self._progress,
            "command": self.command(),
        }

    @property
    def frames_per_second(self) -> float:
        """How fast the taken frames follow each other."""
        stamps = self.frames.stamps
        if len(stamps) > 1 and stamps[-1].seconds > stamps[0].seconds:
            return (len(stamps) - 1) / (stamps[-1].seconds - stamps[0].seconds)
        return self.video.frames_per_second

    def frame_states(self) -> dict[str, float | None]:
        """Return how sure each finished frame is, by its index; None for a painted one."""
        entries = read_entries(ledger_of(self.results, self.video.name))
        masks = self.results.masks(self.video.name)
        there = {path.stem for path in masks.glob("[!.]*.png")} if masks.is_dir() else set()
        stamps = self.frames.stamps
        states: dict[str, float | None] = {}
        for index, stamp in enumerate(stamps):
            if stamp.name in there:
                told = entries.get(index, {}).get("confidence")
                states[str(index)] = None if index in self.project.anchors else told
        return states

    def mask(self, index: int, which: str) -> Ids | None:
        """Return a frame's mask: ``shown``, the ``result`` alone, or that ``before`` the latest run."""
        stamps = self.frames.stamps
        result = None
        if index < len(stamps):
            result = self.project.result(stamps[index].name, before=which == "before")
        return result if which != "shown" else self.project.shown(index, result)

    def keep_marks(self, index: int, content: Any) -> Marks | None:
        """Keep what was drawn on a frame and is not accepted yet; None forgets it.

        Raises:
            UsageError: If that is something else than marks.
        """
        if content is None:
            self.project.set_marks(index, None)
            return None
        marks = Marks.parse(content)
        identity = content.get("object")
        if not isinstance(identity, int) or not 0 < identity < VOID:
            raise UsageError("Objects have ids from 1 to 254.")
        self.project.set_marks(index, marks.to_json(identity))
        return marks

    def solve(self, index: int, marks: Marks) -> tuple[Binary, tuple[slice, slice]]:
        """Find an object from marks; return its mask within a part of the frame, and which part.

        Raises:
            UsageError: If the marks are incomplete.
            InputError: If the frame cannot be read.
        """
        marks.require_complete()
        rows, columns = crop_of(marks, self.video.size)
        crop = np.ascontiguousarray(self.frames.exact(index)[rows, columns])
        origin = rows.start, columns.start
        for _ in range(2):
            try:
                return self._solver.submit(solve_marks, crop, marks, origin).result(), (rows, columns)
            except BrokenProcessPool:
                self._solver = _new_solver()
        raise InputError("The marks could not be solved: the process was ended from outside.", "Try again.")

    def import_mask(self, index: int, content: bytes, name: str) -> dict[str, Any]:
        """Take over a mask file, painted in any program.

        Raises:
            InputError: If it cannot be read, or has another size.
        """
        suffix = Path(name).suffix.lower()
        if not suffix.lstrip(".").isalnum() or len(suffix) > _LONGEST_SUFFIX:
            suffix = ".png"
        path = self.project.import_path(suffix)
        write_bytes(path, content)
        try:
            mask = self._read_mask(index, path)
        except SfcError as error:
            path.unlink(missing_ok=True)
            raise type(error)(error.message.replace(str(path), name or "The file"), error.hint) from None
        self.project.set_mask(index, mask.ids, sorted(mask.legend))
        return {"remarks": [remark.replace(str(path), name) for remark in mask.remarks]}

    def _read_mask(self, index: int, path: Path) -> PaintedMask:
        """Read the mask of a frame from any file that a run takes as one, one of several frames included."""
        from sfc_cli.inference.given_masks import FrameMask, open_masks, read_masks

        given = open_masks([FrameMask(path=path)])
        masks = given.masks
        if len(masks) > 1:
            stamps = self.frames.stamps
            name = stamps[index].name if index < len(stamps) else ""
            masks = [mask for mask in masks if mask.stem == name]
            if not masks:
                raise InputError(f"{path} has masks of several frames, and none of them is {name}.")
        frames = [partial(self.frames.exact, index)]
        return read_masks(given, masks[:1], size=self.video.size, strict_size=False, frames=frames)[0]

    def begin(self, content: Any) -> None:
        """Propagate, and write what was chosen beside the masks.

        Raises:
            UsageError: If nothing is painted, a choice is impossible, or a run is under way.
        """
        if not isinstance(content, dict):
            raise UsageError("The request is not an object.")
        direction, overlay = content.get("direction", self.project.direction), content.get("overlay")
        if direction not in DIRECTIONS or overlay not in _OVERLAYS:
            raise UsageError(f"`direction` {direction!r} or `overlay` {overlay!r} is not known.")
        if not self.frames.is_read:
            raise UsageError("The video is still being read.", "Try again in a moment.")
        self.project.direction = direction
        work = Work(
            sources=self.opening.sources,
            selection=self.opening.selection,
            frames_per_second=self.opening.frames_per_second,
            masks=self.project.masks([stamp.number for stamp in self.frames.stamps]),
            direction=direction,
            size=self.opening.size,
            networks=self.opening.networks,
            output=self.results.root,
            choice=OutputChoice(overlay=overlay, cutout=bool(content.get("cutout")), objects=True),
            coco=bool(content.get("coco")),
            overwrite=bool(content.get("replace")),
        )
        if not self.worker.is_busy:
            self.project.keep_before()
        self.worker.begin(work)
        self._progress = {"total": None, "done": 0}
        self.project.save()
        self.events.publish("busy", is_busy=True)

    def clear(self) -> None:
        """Forget what was painted; masks that were propagated stay until the next run."""
        self.project.clear()
        self.was_restored = False
        self.project.save()

    def command(self, extras: tuple[str, ...] = ()) -> str:
        """Return the command line that makes the same results; empty as long as nothing is painted."""
        stamps, project = self.frames.stamps, self.project
        masks = {
            stamps[index].number: project.mask_path(index)
            for index in sorted(project.anchors)
            if index < len(stamps)
        }
        return command_line(self.opening, masks, project.direction, self.results.root, extras)

    def _hear(self, message: Message) -> None:
        """Pass on what the worker says."""
        kind = message["kind"]
        if kind == "plan":
            self._progress = {"total": message["total"], "done": message["done"]}
        elif kind == "advance":
            self._progress["done"] = self._progress.get("done", 0) + message["count"]
            message = {**message, **self._progress}
        elif kind in ("done", "error"):
            self._progress = {}
        if kind == "error":
            logger.warning("%s", message["text"])
        self.events.publish(**message)

    def _tell_of_frames(self) -> None:
        read = len(self.frames.stamps)
        if self.frames.is_read or read == 1 or read - self._told >= 25:
            self._told = read
            problem = self.frames.problem
            if problem is not None:
                logger.warning("%s", problem)
            self.events.publish(
                "read",
                read=read,
                count=self.frames.count,
                is_read=self.frames.is_read,
                problem=None if problem is None else str(problem),
            )


def _locked(folder: Path) -> FileLock:
    """Keep a second page on the same folder out, until this one ends or is killed.

    Raises:
        UsageError: If there is one already.
        InputError: If the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / "lock")
        lock.acquire(timeout=0)
    except Timeout:
        raise UsageError(
            f"Another `sfc studio` has {folder.parent} open.", "Close it first, or choose another `output`."
        ) from None
    except OSError as error:
        raise unwritable(folder, error) from None
    return lock


def _new_solver() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, mp_context=get_context("spawn"), initializer=_end_with_parent)


def _end_with_parent() -> None:
    """End this process when the server is gone, even if it was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def _warm_up() -> None:
    """Load what the first marks need."""
    with contextlib.suppress(Exception):
        marks = Marks([(2, 2), (60, 2), (60, 60), (2, 60)], [])
        solve_marks(np.zeros((64, 64, 3), np.uint8), marks)
