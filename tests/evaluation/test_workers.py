from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from sfc_cli.errors import SfcError, UsageError
from sfc_cli.evaluation.measures import boundary_accuracy
from sfc_cli.evaluation.workers import in_processes


def square(number: int) -> tuple[int, int]:
    return number * number, os.getpid()


def die(number: int) -> int:
    if number == 3:
        os._exit(9)
    return number


def fail(number: int) -> int:
    raise ValueError(f"job {number}")


def measure(seed: int) -> float:
    rng = np.random.default_rng(seed)
    return boundary_accuracy(rng.integers(0, 2, (300, 400)), rng.integers(0, 2, (300, 400)))


@pytest.mark.parametrize("workers", [1, 2])
def test_in_processes__does_every_job_once(workers: int) -> None:
    done = dict(in_processes(square, range(20), workers))
    assert {index: value for index, (value, _) in done.items()} == {n: n * n for n in range(20)}
    assert (os.getpid() in {process for _, process in done.values()}) == (workers == 1)


def test_in_processes__short_work_starts_no_process() -> None:
    assert {process for _, (_, process) in in_processes(square, range(3))} == {os.getpid()}


def test_in_processes__no_jobs() -> None:
    assert list(in_processes(square, [], 2)) == []


def test_in_processes__a_dying_process_is_an_error() -> None:
    with pytest.raises(SfcError, match="`workers` 1"):
        list(in_processes(die, range(8), 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_in_processes__errors_come_back(workers: int) -> None:
    with pytest.raises(ValueError, match="job"):
        list(in_processes(fail, range(8), workers))


def test_in_processes__refuses_no_workers() -> None:
    with pytest.raises(UsageError, match="`workers` is -1"):
        list(in_processes(square, range(8), -1))


def test_in_processes__works_after_the_caller_used_opencv_threads() -> None:
    image = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    cv2.GaussianBlur(cv2.resize(image, (3000, 3000)), (15, 15), 3)
    assert dict(in_processes(measure, range(8), 2)) == {seed: measure(seed) for seed in range(8)}
