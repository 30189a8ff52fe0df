"""Runs a data set's sequences one after the other: read ahead, propagate, write behind, keep the record."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import object_ids
from sfc_cli.errors import InputError
from sfc_cli.inference.completion import add_extras, has_masks, lacking
from sfc_cli.inference.concurrency import ReadAhead, WriteBehind
from sfc_cli.inference.jobs import Job
from sfc_cli.inference.outputs import SequenceOutputs, remove_extras
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.video import VideoPropagator
from sfc_cli.settings.propagation import MASKS_ALONE, OutputChoice

logger = logging.getLogger(__name__)

_FRAMES_AHEAD = 16


class Observer(Protocol):
    """Hears how a run goes on."""

    def plan(self, frames: int | None) -> None:
        """``frames`` are to be done in all; None if nobody knows."""

    def sequence(self, name: str, frames: int | None) -> None:
        """A sequence begins; its number of frames is None if nobody knows."""

    def frame(self) -> None:
        """One more frame is done."""

    def finished(self, name: str, frames: int, seconds: float) -> None:
        """A sequence is complete on disk."""

    def skipped(self, name: str) -> None:
        """A sequence was complete already."""


def run_jobs(
    jobs: Sequence[Job],
    propagator: VideoPropagator,
    output: Path,
    record: RunRecord,
    observer: Observer,
    *,
    overwrite: bool = False,
    choice: OutputChoice = MASKS_ALONE,
    writers: int = 2,
    keep_record: bool = True,
) -> None:
    """Propagate sequences one after the other, reading ahead and writing behind, across sequences too.

    A sequence that fails does not stop the others.

    Args:
        jobs: What to do.
        propagator: Does it.
        output: The results folder, opened with ``open_output``.
        record: Gets an entry for each finished sequence.
        observer: Hears of the progress.
        overwrite: Do complete sequences again.
        choice: What to write beside the masks; of complete sequences, what they lack.
        writers: Threads that enlarge, encode and write.
        keep_record: Write run.json after each sequence; off where another process writes it.

    Raises:
        InputError: At the end, if sequences failed: the first failure, and how many more there are.
    """
    todo, extras = _plan(jobs, output, choice, overwrite)
    for job, _ in extras:
        observer.skipped(job.name)
    observer.plan(sum(len(job.frames) for job in todo))

    failures: list[InputError] = []
    frames = ReadAhead(_read_all(todo), _FRAMES_AHEAD)
    writing = WriteBehind(writers, _FRAMES_AHEAD)
    try:
        for job, lacks in extras:
            try:
                add_extras(job, output, lacks, writing)
            except InputError as error:
                failures.append(error)
        stream = iter(frames)
        for job in todo:
            attempt = _Attempt(
                job=job,
                propagator=propagator,
                output=output,
                writing=writing,
                observer=observer,
                choice=choice,
            )
            try:
                record.sequences[job.name] = attempt.run_within_memory(stream)
            except InputError as error:
                failures.append(error)
                continue
            if keep_record:
                record.write(output)
    finally:
        frames.close()
        writing.close()
    if failures:
        more = f" {len(failures) - 1} more sequences failed." if len(failures) > 1 else ""
        raise InputError(
            failures[0].message, f"{failures[0].hint}{more} All other sequences are complete.".strip()
        )


def _plan(
    jobs: Sequence[Job], output: Path, choice: OutputChoice, overwrite: bool
) -> tuple[list[Job], list[tuple[Job, OutputChoice]]]:
    """Tell the sequences to propagate from those that have their masks, with the extras they lack."""
    todo: list[Job] = []
    extras: list[tuple[Job, OutputChoice]] = []
    for job in jobs:
        is_there = has_masks(job, output)
        lacks = lacking(job, output, choice)
        if is_there and not overwrite and not lacks.needs_labels:
            extras.append((job, lacks))
            continue
        if not is_there:
            # They belong to masks that are about to change.
            remove_extras(output, job.name)
        todo.append(job)
    return todo, extras


@dataclass(frozen=True, kw_only=True)
class _Attempt:
    """One sequence on its way from frames to files."""

    job: Job
    propagator: VideoPropagator
    output: Path
    writing: WriteBehind
    observer: Observer
    choice: OutputChoice

    def run_within_memory(self, stream: Iterator[_Read]) -> dict[str, object]:
        """Run, and where a card's memory is too small, begin again with fewer frames at once."""
        self.observer.sequence(self.job.name, len(self.job.frames))
        frames = _frames_of(self.job, stream)
        while True:
            try:
                return self._run(frames)
            except torch.OutOfMemoryError:
                # Outside of this block the error no longer holds the frames' tensors.
                pass
            torch.cuda.empty_cache()
            if not self.propagator.use_less_memory():
                height, width = self.job.first_mask.shape
                raise InputError(
                    f"Sequence {self.job.name} ({width}×{height}) does not fit into the card's memory.",
                    "Use --device cpu, or fewer --context-frames.",
                )
            logger.warning("%s: out of memory on the card, fewer frames at once", self.job.name)
            frames = _frames_of(self.job, _read_all([self.job]))

    def _run(self, frames: Iterator[Frame]) -> dict[str, object]:
        job = self.job
        started = time.perf_counter()
        outputs = SequenceOutputs(
            self.output,
            job.name,
            self.choice,
            self.writing,
            objects=object_ids(job.first_mask),
            frame_count=len(job.frames),
        )
        try:
            labelled = self.propagator.run(frames, job.first_mask, input_size=job.resized)
            for one, path in zip(labelled, job.frames, strict=True):
                outputs.add(path.stem, one)
                self.observer.frame()
            outputs.finish()
        except BaseException:
            outputs.abandon()
            raise
        seconds = time.perf_counter() - started
        self.observer.finished(job.name, len(job.frames), seconds)
        return {
            "frames": len(job.frames),
            "objects": [int(identity) for identity in object_ids(job.first_mask)],
            "seconds": round(seconds, 3),
            "frames_per_second": round(len(job.frames) / seconds, 3),
        }


@dataclass(frozen=True)
class _Read:
    """A frame read for a sequence, or the error met in reading it."""

    sequence: str
    path: Path
    frame: Frame | None
    error: InputError | None = None
    is_last: bool = False


def _read_all(jobs: Sequence[Job]) -> Iterator[_Read]:
    """Read the frames of all sequences; an unreadable one ends its own sequence only."""
    for job in jobs:
        for path in job.frames:
            try:
                frame = read_frame(path)
            except InputError as error:
                yield _Read(job.name, path, None, error, is_last=True)
                break
            yield _Read(job.name, path, frame, is_last=path is job.frames[-1])


def _frames_of(job: Job, stream: Iterator[_Read]) -> Iterator[Frame]:
    """Give one sequence's frames; whatever a failed sequence before it left is passed over."""
    for read in stream:
        if read.sequence != job.name:
            continue
        if read.error is not None:
            raise read.error
        assert read.frame is not None  # a read without error holds a frame
        if read.frame.shape[:2] != job.first_mask.shape:
            raise InputError(
                f"{read.path} has {read.frame.shape[1]}×{read.frame.shape[0]} pixels, the first mask of its "
                f"sequence {job.first_mask.shape[1]}×{job.first_mask.shape[0]}.",
                "All frames of a sequence and its mask must have one size.",
            )
        yield read.frame
        if read.is_last:
            return
