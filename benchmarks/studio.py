"""`sfc studio`: time from start to the first frame, latency of a stroke, memory at 100 and 3,000 frames.

The clip is the bundled sample to and fro, encoded as MPEG-4. Usage:

    python benchmarks/studio.py [--frames 100,3000]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from typing import Any

from footage import make_clip

STROKES = 20
# Around the car of the sample's first frame and across it.
LOOP = [
    (310, 200),
    (380, 120),
    (480, 95),
    (600, 92),
    (650, 130),
    (658, 240),
    (610, 290),
    (480, 285),
    (330, 275),
]
STROKE = [(340, 235), (430, 190), (470, 150), (600, 130), (620, 200), (590, 240), (440, 230)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", default="100,3000")
    parser.add_argument("--height", type=int, default=480)
    options = parser.parse_args()
    for count in map(int, options.frames.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            clip, _ = make_clip(Path(folder), count, options.height)
            row = {
                "height": options.height,
                **measure(clip, Path(folder) / "out", count, options.height / 480),
            }
            print(json.dumps(row), flush=True)


def measure(clip: Path, output: Path, count: int, scale: float) -> dict[str, Any]:
    began = time.perf_counter()
    command = [sys.executable, "-m", "sfc_cli", "studio", str(clip), "--no-browser", "-o", str(output)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = next(line for line in process.stdout if "http://" in line)
    address = next(word for word in line.split() if word.startswith("http://"))
    try:
        urllib.request.urlopen(f"{address}api/frames/0").read()
        first, first_cpu = time.perf_counter() - began, seconds_of(process.pid)
        everyone = wait_until_idle(process.pid)
        latencies = [solve(address, number, scale) for number in range(STROKES + 1)][1:]
        stroke_cpu = (sum(map(seconds_of, everyone)) - sum(everyone.values())) / (STROKES + 1)
        while not json.load(urllib.request.urlopen(f"{address}api/state"))["clip"]["is_read"]:
            time.sleep(0.5)
        read = time.perf_counter() - began
        status = Path(f"/proc/{process.pid}/status").read_text()
        peak = next(int(row.split()[1]) for row in status.splitlines() if row.startswith("VmHWM"))
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(600)
    return {
        "frames": count,
        "first_frame_s": round(first, 2),
        "first_frame_cpu_s": round(first_cpu, 2),
        "stroke_median_ms": round(statistics.median(latencies)),
        "stroke_worst_ms": round(max(latencies)),
        "stroke_cpu_ms": round(1000 * stroke_cpu),
        "all_read_s": round(read, 1),
        "server_peak_mb": round(peak / 1024),
    }


def seconds_of(process: int) -> float:
    """Return the seconds of the processors that a process has taken: on a busy machine they say more."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(") ", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait_until_idle(server: int) -> dict[int, float]:
    """Wait until the processes of the page have loaded what they need; return the seconds of each."""
    before = -1.0
    while True:
        lists = Path(f"/proc/{server}/task").glob("*/children")
        children = [child for each in lists for child in each.read_text().split()]
        everyone = {each: seconds_of(each) for each in [server, *map(int, children)]}
        if sum(everyone.values()) - before < 0.02 and before > 0:
            return everyone
        before = sum(everyone.values())
        time.sleep(2)


def solve(address: str, number: int, scale: float) -> float:
    """Return the milliseconds from a stroke to its mask."""
    moved = [(x * scale, (y + number % 5) * scale) for x, y in STROKE]
    loop = [(x * scale, y * scale) for x, y in LOOP]
    marks = {"object": 1, "loop": loop, "strokes": [{"points": moved, "is_object": True}]}
    request = urllib.request.Request(f"{address}api/solve/0", json.dumps(marks).encode(), method="POST")
    began = time.perf_counter()
    urllib.request.urlopen(request).read()
    return 1000 * (time.perf_counter() - began)


if __name__ == "__main__":
    main()
