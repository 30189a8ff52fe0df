"""Which ids occur in which annotated frame, for benchmarks whose objects are not all in the first one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.workers import run_jobs

_FRAMES_PER_JOB = 16


def ids_by_frame(paths: Sequence[Path], workers: int | None = None) -> list[frozenset[int]]:
    """Return the ids of every mask, background left out, in the order of the files.

    Raises:
        InputError: If a file is damaged or holds colours.
    """
    jobs = [paths[at : at + _FRAMES_PER_JOB] for at in range(0, len(paths), _FRAMES_PER_JOB)]
    parts = dict(run_jobs(survey_job, jobs, workers))
    return [ids for index in range(len(jobs)) for ids in parts[index]]


def survey_job(paths: Sequence[Path]) -> list[frozenset[int]]:
    """Return the ids of a few masks; runs in a worker process."""
    counts = [np.bincount(decode_ids(path).ravel(), minlength=1) for path in paths]
    return [frozenset((np.flatnonzero(count[1:]) + 1).tolist()) for count in counts]
