"""Spreading frames over processes, a few at a time, so that memory does not grow with the video."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from sfc_cli.errors import SfcError, UsageError
from sfc_cli.evaluation.scoring_protocols import ScoringProtocol
from sfc_cli.evaluation.sequence_plan import Reading, SequencePlan
from sfc_cli.progress import Progress, Silent

Job = TypeVar("Job")
Result = TypeVar("Result")

_FRAMES_PER_JOB = 8
# Fewer jobs than this are done sooner than a process starts.
_FEWEST_JOBS_FOR_PROCESSES = 6
_QUEUED_PER_WORKER = 4


@dataclass(frozen=True, kw_only=True)
class FrameJob:
    """A few frames of one sequence: what a worker process scores at a time."""

    sequence: int
    start: int
    truth: tuple[Path, ...]
    results: tuple[Path, ...]
    objects: tuple[int, ...]
    reading: Reading
    protocol: ScoringProtocol


def work_on_frames(
    work: Callable[[FrameJob], Result],
    plans: Sequence[SequencePlan],
    workers: int | None,
    progress: Progress | None,
) -> Iterator[tuple[FrameJob, Result]]:
    """Do all frames of the sequences that have results, a few at a time, and yield each part as it is done.

    Args:
        work: A function of a module.
        plans: The sequences; no long one comes last, because all are cut into jobs of a few frames.
        workers: See ``in_processes``.
        progress: Receives the number of finished frames; None for no progress.
    """
    jobs = _split_into_jobs(plans)
    # If every sequence is missing, there is nothing to follow.
    progress = progress if progress is not None and jobs else Silent()
    total = sum(len(job.truth) for job in jobs)
    progress.plan(total, "frames")
    progress.begin("scoring", total)
    for index, result in in_processes(work, jobs, workers):
        progress.advance("scoring", len(jobs[index].truth))
        yield jobs[index], result
    progress.finish("scoring", "")


def _split_into_jobs(plans: Sequence[SequencePlan]) -> list[FrameJob]:
    return [
        FrameJob(
            sequence=number,
            start=start,
            truth=plan.truth[start : start + _FRAMES_PER_JOB],
            results=plan.results[start : start + _FRAMES_PER_JOB],
            objects=plan.objects,
            reading=plan.reading,
            protocol=plan.protocol,
        )
        for number, plan in enumerate(plans)
        if plan.results is not None
        for start in range(0, len(plan.frames), _FRAMES_PER_JOB)
    ]


def in_processes(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int | None = None
) -> Iterator[tuple[int, Result]]:
    """Do every job and yield its index and result as soon as it is finished, in any order.

    Args:
        work: A function of a module, so that it can be sent to a process.
        jobs: What to do.
        workers: How many processes; 1 does everything in this one, None takes one process a core, or none
            if there is little to do.

    Raises:
        UsageError: If ``workers`` is below 1.
        SfcError: If a worker process dies.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"`workers` is {workers}.", "It must be at least 1.")
    if workers is None:
        workers = available_cores() if len(jobs) >= _FEWEST_JOBS_FOR_PROCESSES else 1
    workers = min(workers, len(jobs))
    if workers <= 1:
        yield from ((index, work(job)) for index, job in enumerate(jobs))
        return
    try:
        yield from _run_in_pool(work, jobs, workers)
    except BrokenProcessPool:
        raise SfcError(
            "A worker process died before its work was done; it may have run out of memory.",
            "Try again with `workers` 1.",
        ) from None


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _run_in_pool(
    work: Callable[[Job], Result], jobs: Sequence[Job], workers: int
) -> Iterator[tuple[int, Result]]:
    # Forking takes milliseconds and asks nothing of the caller's main module; it is only safe on Linux.
    method = "fork" if sys.platform.startswith("linux") else "spawn"
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context(method), initializer=_prepare_worker)
    waiting = enumerate(jobs)
    running: dict[Future[Result], int] = {}
    try:
        while True:
            for index, job in waiting:
                running[_submit(pool, work, job)] = index
                if len(running) >= workers * _QUEUED_PER_WORKER:
                    break
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _submit(pool: ProcessPoolExecutor, work: Callable[[Job], Result], job: Job) -> Future[Result]:
    # Python 3.12 and later warn of every fork beside a thread. The workers only read files and compute on
    # arrays, and take no lock that a thread of the caller may hold.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*fork.*", category=DeprecationWarning)
        return pool.submit(work, job)


def _prepare_worker() -> None:
    # Ctrl-C is the parent's to handle: it stops the workers and says so once.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The parent's progress bar may stand in for this stream, with a lock that was taken during the fork.
    sys.stderr = sys.__stderr__ or sys.stderr
