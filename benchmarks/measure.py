"""What every benchmark shares: medians and spread, the machine's ceilings, peak memory, a line of JSON."""

from __future__ import annotations

import json
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch


def timed(call: Callable[[], object], *, device: str = "cpu") -> float:
    """Return the seconds of one call, waiting for the device."""
    if device == "cuda":
        torch.cuda.synchronize()
    started = time.perf_counter()
    call()
    if device == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def summary(seconds: list[float]) -> dict[str, float]:
    """Return the median and the range of several times in seconds."""
    return {
        "median_s": round(statistics.median(seconds), 5),
        "min_s": round(min(seconds), 5),
        "max_s": round(max(seconds), 5),
    }


def gemm_ceiling(device: str = "cpu", size: int = 2048) -> float:
    """Return the best measured rate of a float32 matrix product on the whole device, in GFLOP/s."""
    a, b = (torch.randn(size, size, device=device) for _ in range(2))
    timed(lambda: a @ b, device=device)
    return 2 * size**3 / min(timed(lambda: a @ b, device=device) for _ in range(8)) / 1e9


def copy_ceiling(device: str = "cpu", megabytes: int = 512) -> float:
    """Return the best measured rate of a large copy, read and written bytes together, in GB/s."""
    source = torch.ones(megabytes << 18, device=device)
    target = torch.empty_like(source)
    timed(lambda: target.copy_(source), device=device)
    return (
        2
        * megabytes
        * 2**20
        / min(timed(lambda: target.copy_(source), device=device) for _ in range(5))
        / 1e9
    )


def peak_memory_gb() -> float:
    """Return this process's largest resident memory so far, in GB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def machine() -> dict[str, Any]:
    """Return the machine and the versions that a figure belongs to."""
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        cpu = next(
            (
                line.split(":")[1].strip()
                for line in info.read_text().splitlines()
                if line.startswith("model name")
            ),
            cpu,
        )
    return {
        "date": time.strftime("%Y-%m-%d"),
        "cpu": cpu,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def report(name: str, figures: dict[str, Any]) -> None:
    """Print the figures as one line of JSON, for the log and for programs."""
    print(json.dumps({"benchmark": name, **machine(), **figures}))
