"""One sequence of a run: what of its results is there, and the way of the rest from frames to files."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import time
from collections.abc import Callable, Generator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch

from sfc_cli.data.jhmdb import read_joints
from sfc_cli.data.masks import Ids, read_ids
from sfc_cli.data.object_table import ObjectTable, frames_waiting
from sfc_cli.data.results import ResultsFolder
from sfc_cli.errors import InputError
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.certainty import CertaintyLog, kept_lines, listed
from sfc_cli.inference.concurrency import WriteBehind, writers_for
from sfc_cli.inference.outputs import Output, SequenceWriter, open_outputs
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.resumption import ContextMemory, open_state, remove_state
from sfc_cli.inference.sequences import FrameSequence
from sfc_cli.inference.streams import SequenceStream, Stamped
from sfc_cli.progress import Progress
from sfc_cli.settings.propagation import OutputChoice
from sfc_cli.wording import counted

logger = logging.getLogger(__name__)

T = TypeVar("T")
Steps = Generator[None, None, T]


@dataclass(frozen=True, kw_only=True)
class SequenceRun:
    """A sequence on its way into a results folder.

    Args:
        sequence: What is propagated.
        results: The results folder.
        record: The run's record.
        choice: What to write beside the masks.
        progress: Receives every frame.
    """

    sequence: FrameSequence
    results: ResultsFolder
    record: RunRecord
    choice: OutputChoice
    progress: Progress

    @property
    def name(self) -> str:
        """The sequence's."""
        return self.sequence.name

    @property
    def _stream(self) -> SequenceStream:
        return SequenceStream(sequence=self.sequence, results=self.results, progress=self.progress)

    def finished_frames(self) -> list[str]:
        """Return the names of all frames of a complete sequence; none if it is not complete.

        Masks that an earlier run made of other first masks do not count.
        """
        anchors, stamps = self.sequence.anchors, self.sequence.result_stamps
        if not isinstance(anchors, MaskAnchors):
            with contextlib.suppress(InputError):
                if len(read_joints(self.results.joints(self.name))) == self.sequence.expected:
                    return [stamp.name for stamp in stamps or []]
            return []
        if stamps is None:
            entry = self.record.sequences.get(self.name) or {}
            names = sorted(path.stem for path in self.results.masks(self.name).glob("[!.]*.png"))
            is_complete = entry.get("frames") == len(names)
        else:
            names = [stamp.name for stamp in stamps]
            is_complete = all(self.results.mask(self.name, name).is_file() for name in names)
        if not names or not is_complete:
            return []
        begin = self.sequence.without_result
        try:
            unchanged = all(
                anchors.agrees(index, read_ids(self.results.mask(self.name, names[index - begin])))
                for index in anchors.masks
            )
        except InputError:
            return []
        return names if unchanged else []

    def add_extras(self) -> None:
        """Write the chosen extras, none of which needs labels, from frames and finished masks.

        Raises:
            InputError: If a frame or mask cannot be read, or an extra not written.
        """
        self.record.sequences.setdefault(self.name, self._entry(len(self.finished_frames())))
        if not self.choice.is_empty:
            self._write_extras(self.choice)
        remove_state(self.results.resume(self.name))

    def _write_extras(self, choice: OutputChoice) -> None:
        started = time.perf_counter()
        self.progress.begin(self.name, self.sequence.expected)
        outputs = partial(
            open_outputs,
            self.results,
            self.name,
            self.sequence.anchors,
            choice,
            basis=self.sequence.basis,
            has_masks=True,
        )
        stream, waiting = self._stream.stored(), self._stream.frames_waiting()
        count = _exhaust(self._write(outputs, stream, waiting, torch.device("cpu")))
        self._finish(count, count, time.perf_counter() - started)

    def propagate(self, propagator: VideoPropagator) -> None:
        """Propagate the labels, write everything and enter it into the record; see ``steps``."""
        _exhaust(self.steps(propagator))

    def steps(self, propagator: VideoPropagator) -> Steps[None]:
        """Propagate the labels, write everything and enter it into the record, in steps of about a frame.

        What an interrupted run finished stays; so it does if the steps are closed before the last. Where a
        card's memory is too small, it continues with fewer frames at once.

        Raises:
            InputError: If a frame cannot be read, a file not written, or nothing fits into the card's memory.
        """
        while True:
            self.progress.begin(self.name, self.sequence.steps)
            try:
                yield from self._propagate(propagator)
                return
            except torch.OutOfMemoryError:
                # Outside of this block the error no longer holds the frames' tensors.
                pass
            torch.cuda.empty_cache()
            if not propagator.use_less_memory():
                height, width = self.sequence.frames.size
                raise InputError(
                    f"Sequence {self.name} ({width}×{height}) does not fit into the card's memory.",
                    "Use smaller frames, the `device` cpu, or fewer `context_frames`.",
                )
            logger.warning("%s: out of memory on the card, fewer frames at once", self.name)

    def _propagate(self, propagator: VideoPropagator) -> Steps[None]:
        started = time.perf_counter()
        folder = self.results.resume(self.name)
        memory = self._memory(folder, propagator.settings.context_frames)
        done = memory.done if memory is not None else 0
        if done:
            self.progress.say(f"{self.name}: continuing after frame {done - 1}", part=self.name, done=done)
        elif not self.finished_frames():
            # They belong to masks that are about to change.
            self.results.remove_extras(self.name)
        self._warn_of_small_objects(propagator)
        kept, table = max(0, done - self.sequence.without_result), None
        if self.choice.objects:
            table = ObjectTable(self.results.table, self.name, rows=_rows(folder), kept_frames=kept)
        log: CertaintyLog | None = None
        if isinstance(self.sequence.anchors, MaskAnchors):
            log = CertaintyLog(
                _certainty(folder), self._painted, both_ways=self.sequence.both_ways, kept_frames=kept
            )

        def outputs() -> list[Output]:
            opened = open_outputs(
                self.results,
                self.name,
                self.sequence.anchors,
                self.choice,
                basis=self.sequence.basis,
                table=table,
            )
            return opened if log is None else [*opened, log]

        height, width = propagator.label_size(self.sequence.input_size, self.sequence.anchors)
        # Labels of pixels may be larger than their frame.
        label_bytes = 4 * self.sequence.anchors.label_count * height * width
        waiting = self._stream.frames_waiting(label_bytes, at_once=propagator.most_at_once)
        types: list[torch.dtype] = []
        stream = self._stream.labelled(propagator, memory, folder, types=types)
        count = yield from self._write(outputs, stream, waiting, propagator.extractor.device)
        remove_state(folder)
        seconds = time.perf_counter() - started
        # An interrupted run made the others, in a time of its own.
        self.record.sequences[self.name] = {
            **self._entry(count),
            "seconds": round(seconds, 3),
            "frames_per_second": round((count - kept) / seconds, 3),
            **({"data_type": "bfloat16"} if propagator.extractor.has_fallen_back(types) else {}),
            **({} if log is None else log.as_entry()),
        }
        self._finish(count, count - kept, seconds)
        if log is not None:
            for text, facts in log.advice(self.name, takes_masks=self.sequence.takes_masks):
                self.progress.say(text, part=self.name, **facts)

    def _finish(self, count: int, new: int, seconds: float) -> None:
        text = f"done, {counted(count, 'frame')} in {seconds:.1f} s, {new / seconds:.2f} frames/s"
        self.progress.finish(self.name, text, frames=count, seconds=round(seconds, 3))

    def _warn_of_small_objects(self, propagator: VideoPropagator) -> None:
        """Name the objects that are lost before anything is propagated: no cell would carry them."""
        anchors = self.sequence.anchors
        if not isinstance(anchors, MaskAnchors):
            return
        height, width = propagator.label_size(self.sequence.input_size, anchors)
        lost = anchors.lost_at(height, width)
        if lost:
            larger = "a larger `size`"
            has_cells = propagator.settings.label_patch == 1
            remedy = f"the `protocol` improved, or {larger}" if has_cells else larger
            self.progress.say(
                f"{self.name}: {listed(lost)} too small for the {height}×{width} labels of a frame and will "
                f"be lost. Use {remedy}.",
                part=self.name,
                too_small=lost,
            )

    def _entry(self, frames: int) -> dict[str, Any]:
        anchors = self.sequence.anchors
        objects = {"objects": anchors.objects.tolist()} if isinstance(anchors, MaskAnchors) else {}
        return {"frames": frames, **objects}

    def _memory(self, folder: Path, context_frames: int) -> ContextMemory | None:
        """Return what an interrupted run left, or an empty memory if its files are not all there."""
        # A long memory reaches back to frames that no state keeps: such a run starts over.
        if not isinstance(self.sequence.anchors, MaskAnchors) or self.record.settings.long_memory:
            remove_state(folder)
            return None
        memory = ContextMemory(open_state(folder, self._key()), context_frames)
        if memory.done and not self._has_results_of(memory.done, folder):
            remove_state(folder)
            memory = ContextMemory(open_state(folder, self._key()), context_frames)
        return memory

    def _has_results_of(self, done: int, folder: Path) -> bool:
        """Return whether all files of the first frames are there that cannot be made from their masks."""
        count = done - self.sequence.without_result
        waiting = frames_waiting(_rows(folder))[:count]
        stamps = self.sequence.result_stamps
        # Where no frame is known without reading, the rows that wait tell how the first are named.
        names = waiting if stamps is None else [stamp.name for stamp in stamps[:count]]

        def has_all(path: Callable[[str, str], Path]) -> bool:
            return all(path(self.name, name).is_file() for name in names)

        return (
            len(names) == count
            and has_all(self.results.mask)
            and (not self.choice.soft or has_all(self.results.soft))
            and (not self.choice.objects or len(waiting) == count)
            and kept_lines(_certainty(folder), self._painted, count) is not None
        )

    @property
    def _painted(self) -> dict[int, Ids]:
        """The objects of each painted frame, by its index among those that have a result."""
        anchors, before = self.sequence.anchors, self.sequence.without_result
        assert isinstance(anchors, MaskAnchors)
        return {index - before: shown for index, shown in anchors.shown.items()}

    def _key(self) -> str:
        """Return what tells this sequence with these settings and masks from any other."""
        digest = hashlib.sha256(json.dumps(self.record.identity(), sort_keys=True, default=str).encode())
        assert isinstance(self.sequence.anchors, MaskAnchors)  # others keep nothing
        for index, mask in self.sequence.anchors.masks.items():
            digest.update(f"{index} {mask.shape}".encode() + mask.tobytes())
        for path in self.sequence.inputs:
            # What is no longer there is found missing where it is read.
            with contextlib.suppress(OSError):
                state = path.stat()
                digest.update(f"{path} {state.st_size} {state.st_mtime_ns}".encode(errors="surrogateescape"))
        return digest.hexdigest()

    def _write(
        self, open_them: Callable[[], list[Output]], stream: Stamped, waiting: int, device: torch.device
    ) -> Steps[int]:
        """Hand a stream that a device computes to the outputs; return how many frames it had."""
        count = 0
        # The stream's reader must stop before its thread outlives the run.
        with closing(WriteBehind(writers_for(device), waiting)) as writing, closing(stream):
            writer = SequenceWriter(open_them(), writing)
            try:
                for stamp, labelled in stream:
                    writer.add(stamp, labelled)
                    count += 1
                    self.progress.advance(self.name)
                    yield
                writer.finish()
            except BaseException:
                writer.abandon()
                raise
        return count


def _exhaust(steps: Steps[T]) -> T:
    """Go through all steps; return what they lead to."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


def _rows(folder: Path) -> Path:
    """Return where the rows of the objects wait while a sequence is unfinished."""
    return folder / "rows.csv"


def _certainty(folder: Path) -> Path:
    """Return where the numbers of the certainty lie while a sequence is unfinished."""
    return folder / "certainty.jsonl"
