"""What is to be scored: the frames and objects of a sequence, and where their masks lie."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

Reading = Literal["ids", "foreground", "proposals"]
Progress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class SequencePlan:
    """One sequence to score.

    Args:
        name: The sequence.
        objects: The ids to score, K of them.
        frames: The names of the scored frames, n of them, in order.
        folder: Where the results of the sequence lie.
        truth: The annotation of every scored frame.
        results: The result of every scored frame; None if the sequence is missing and scores zero.
        starts: For every object the index of the first frame that counts for it.
        pictures: Where the frames themselves lie; None where there are none.
        reading: ``ids`` takes the stored numbers as they are, ``foreground`` takes every non-zero pixel as
            object 1, ``proposals`` scores every id of the result against every object.
    """

    name: str
    objects: tuple[int, ...]
    frames: tuple[str, ...]
    folder: Path
    truth: tuple[Path, ...]
    results: tuple[Path, ...] | None
    starts: tuple[int, ...]
    pictures: Path | None = None
    reading: Reading = "ids"


@dataclass(frozen=True, kw_only=True)
class FrameJob:
    """A few frames of one sequence: what a worker process scores at a time."""

    sequence: int
    start: int
    truth: tuple[Path, ...]
    results: tuple[Path, ...]
    objects: tuple[int, ...]
    reading: Reading


def split_into_jobs(plans: Sequence[SequencePlan], frames_per_job: int) -> list[FrameJob]:
    """Cut the sequences that have results into jobs of a few frames, so that no long sequence comes last."""
    jobs = []
    for number, plan in enumerate(plans):
        if plan.results is None:
            continue
        for start in range(0, len(plan.frames), frames_per_job):
            stop = start + frames_per_job
            jobs.append(
                FrameJob(
                    sequence=number,
                    start=start,
                    truth=plan.truth[start:stop],
                    results=plan.results[start:stop],
                    objects=plan.objects,
                    reading=plan.reading,
                )
            )
    return jobs
