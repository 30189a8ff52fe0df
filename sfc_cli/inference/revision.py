"""A sequence whose masks are changed and propagated again: only the frames that differ are computed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from sfc_cli.data.object_table import ObjectTable, absent_row, measure_objects
from sfc_cli.data.videos import FrameStamp
from sfc_cli.errors import UsageError
from sfc_cli.files import write_text
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.certainty import CertaintyLog, certainty_of
from sfc_cli.inference.origins import LEDGER_NAME, Ledger, backward_origins, forward_origins
from sfc_cli.inference.outputs import Finished, InTurn, Output, open_outputs
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.inference.record import REVISED
from sfc_cli.inference.resumption import LastingMemory, kept_frames, open_state, remove_state
from sfc_cli.inference.sequence_run import SequenceRun, Steps
from sfc_cli.inference.streams import Stamped
from sfc_cli.settings.propagation import MASKS_ALONE

_CERTAINTY = "certainty.jsonl"


class _LedgerOutput:
    """Enters every frame into the ledger, in order and once its mask is there, and tells of it."""

    def __init__(
        self,
        ledger: Ledger,
        anchors: MaskAnchors,
        origins: list[str],
        begin: int,
        tell: Callable[[int, float | None], None],
    ) -> None:
        self._ledger, self._anchors, self._origins = ledger, anchors, origins
        self._begin, self._tell = begin, tell

    def make(self, finished: Finished) -> InTurn | None:
        rows = measure_objects(finished.resolved.mask, finished.resolved.confidence, self._anchors.objects)
        sure, ids = certainty_of(finished)
        index = self._begin + finished.index
        return partial(self._add, index, finished.stamp, rows=rows, confidence=sure, ids=ids)

    def _add(self, index: int, stamp: FrameStamp, **facts: Any) -> None:
        self._ledger.add(index, self._origins[index], name=stamp.name, number=stamp.number, **facts)
        self._tell(index, None if index in self._anchors.masks else facts["confidence"])

    def finish(self) -> None: ...

    def abandon(self) -> None: ...


@dataclass(frozen=True, kw_only=True)
class SequenceRevision(SequenceRun):
    """A video on its way into a results folder, which it may have been to before with other masks.

    Beside the results, the state of every frame stays in the folder: its labels, so that any frame can be
    gone on from, and what it was made of. Masks are those of a run in one piece; where an object is new,
    earlier frames stay as they are, which is the same up to rounding.
    """

    def finished_frames(self) -> list[str]:
        """Return none: what still holds is looked at frame by frame."""
        return []

    def _propagate(self, propagator: VideoPropagator) -> Steps[None]:
        started = time.perf_counter()
        stamps, anchors = self.sequence.frames.stamps, self.sequence.anchors
        if stamps is None or not isinstance(anchors, MaskAnchors):
            raise UsageError("Only a video whose frames were counted can be revised.")
        folder = self._open_state(propagator)
        origins = forward_origins(
            anchors,
            len(stamps),
            is_whitened=propagator.settings.whitening is not None,
            both_ways=self.sequence.both_ways,
        )
        with contextlib.ExitStack() as stack:
            ledger = stack.enter_context(closing(Ledger(folder / LEDGER_NAME)))
            backward = self._backward_memory(propagator, folder, stack) if self.sequence.both_ways else None
            begin, end = self._range(ledger, origins, stamps, folder)
            steps_back = 0 if backward is None else max(0, backward.until - backward.done)
            self.progress.begin(self.name, end - begin + steps_back)
            self._warn_of_small_objects(propagator)
            if begin < end:
                # They belong to masks that are about to change.
                self.results.remove_extras(self.name)
                memory = LastingMemory(folder, propagator.settings.context_frames, done=begin, until=end)
                stream = self._stream.labelled(propagator, memory, folder, backward)

                def outputs() -> list[Output]:
                    opened = open_outputs(self.results, self.name, anchors, MASKS_ALONE)
                    return [*opened, _LedgerOutput(ledger, anchors, origins, begin, self._tell)]

                height, width = propagator.label_size(self.sequence.input_size, anchors)
                waiting = self._stream.frames_waiting(4 * anchors.label_count * height * width)
                yield from self._write(outputs, _not_done(stream), waiting, propagator.extractor.device)
            self._remove_stale(ledger)
            self._enter(ledger, stamps, folder, end - begin, time.perf_counter() - started)
        names = [stamp.name for stamp in self.sequence.result_stamps or []]
        # Soft labels are kept, but not as results; the table is there.
        wanted = replace(self.choice, soft=False, objects=False)
        lacks = self.results.lacking(self.name, names, wanted)
        if not lacks.is_empty:
            self._write_extras(lacks)

    def _open_state(self, propagator: VideoPropagator) -> Path:
        identity = self.record.identity()
        video = {name: value for name, value in (identity.get("clip") or {}).items() if name not in REVISED}
        size = propagator.label_size(self.sequence.input_size, self.sequence.anchors)
        text = json.dumps([{**identity, "clip": video}, size], sort_keys=True, default=str)
        key = "revision " + hashlib.sha256(text.encode()).hexdigest()
        folder = self.results.resume(self.name)
        if self.record.settings.long_memory:
            # It reaches back to frames before the window: such a run starts over.
            remove_state(folder)
        return open_state(folder, key)

    def _range(
        self, ledger: Ledger, origins: list[str], stamps: list[FrameStamp], folder: Path
    ) -> tuple[int, int]:
        """Return the first frame that must be computed, and the one after the last."""
        first = self.sequence.without_result
        labelled = kept_frames(folder)
        kept = {
            index
            for index, stamp in enumerate(stamps)
            if (index in labelled or index < self.sequence.anchors.first)
            and self.results.mask(self.name, stamp.name).is_file()
        }
        wanted = dict(enumerate(origins[first:], first))
        changed = ledger.changed(wanted, kept)
        return (changed[0], changed[-1] + 1) if changed else (len(stamps), len(stamps))

    def _backward_memory(
        self, propagator: VideoPropagator, folder: Path, stack: contextlib.ExitStack
    ) -> LastingMemory:
        """Return what the pass backwards keeps, and has to do."""
        anchors = self._anchors
        # Frames are counted from the last mask back, and the labels of all have one shape.
        state = open_state(folder / "backwards", f"{anchors.last} {anchors.label_count}")
        last = anchors.last
        origins = backward_origins(anchors, is_whitened=propagator.settings.whitening is not None)
        ledger = stack.enter_context(closing(Ledger(state / LEDGER_NAME)))
        kept = {last - index for index in kept_frames(state)}
        changed = ledger.changed(dict(enumerate(origins)), kept)
        return LastingMemory(
            state,
            propagator.settings.context_frames,
            done=last - changed[-1] if changed else last + 1,
            until=last + 1 - changed[0] if changed else last + 1,
            on_kept=lambda index: ledger.add(last - index, origins[last - index]),
        )

    @property
    def _anchors(self) -> MaskAnchors:
        assert isinstance(self.sequence.anchors, MaskAnchors)
        return self.sequence.anchors

    def _tell(self, frame: int, confidence: float | None) -> None:
        self.progress.advance(self.name, 0, frame=frame, confidence=confidence)

    def _remove_stale(self, ledger: Ledger) -> None:
        """Remove the masks of frames that have a result no longer."""
        wanted = {stamp.name for stamp in self.sequence.result_stamps or []}
        for entry in ledger.entries.values():
            if entry["name"] not in wanted:
                self.results.mask(self.name, entry["name"]).unlink(missing_ok=True)

    def _enter(
        self, ledger: Ledger, stamps: list[FrameStamp], folder: Path, new: int, seconds: float
    ) -> None:
        """Write the table of objects, and enter the sequence into the record."""
        anchors, first = self._anchors, self.sequence.without_result
        table = ObjectTable(self.results.table, self.name)
        lines = []
        try:
            for index in range(first, len(stamps)):
                entry = ledger.entries[index]
                rows = {int(row[0]): tuple(row) for row in entry["rows"]}
                table.add(
                    stamps[index],
                    [rows.get(identity) or absent_row(identity) for identity in anchors.objects.tolist()],
                )
                if index not in anchors.masks:
                    told = (entry["name"], entry["number"], entry["confidence"], entry["ids"])
                    lines.append(json.dumps([index - first, *told]) + "\n")
            table.finish()
        except BaseException:
            table.abandon()
            raise
        count = len(stamps) - first
        write_text(folder / _CERTAINTY, "".join(lines))
        log = CertaintyLog(
            folder / _CERTAINTY, self._painted, both_ways=self.sequence.both_ways, kept_frames=count
        )
        log.finish()
        self.record.sequences[self.name] = {
            **self._entry(count),
            "seconds": round(seconds, 3),
            "frames_per_second": round(new / seconds, 3),
            **log.as_entry(),
        }
        self._finish(count, new, seconds)
        for text, facts in log.advice(self.name, takes_masks=True):
            self.progress.say(text, part=self.name, **facts)


def _not_done(stream: Stamped) -> Stamped:
    """Give the frames of a stream that are not on disk yet."""
    with closing(stream):
        for stamp, labelled in stream:
            if not labelled.is_done:
                yield stamp, labelled
