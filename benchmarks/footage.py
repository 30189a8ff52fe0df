"""Memory and time of `sfc propagate CLIP`: the same small clip, short and long; and the speed of decoding.

The clip is the bundled sample to and fro, encoded as MPEG-4. Peak memory must not grow with it. With
`--decode` a clip of its own (H.264) is only read, in turn through OpenCV, as it once was, and through PyAV.
Usage:

    python benchmarks/footage.py [--frames 100,3000] [--height 192] [-- --overlay --cutout ...]
    python benchmarks/footage.py --decode [--frames 300] [--height 1080]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.film import FilmBasis, FilmWriter
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.videos import open_video
from sfc_cli.settings.locations import find_data


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", default="100,3000")
    parser.add_argument("--height", type=int, default=192)
    parser.add_argument("options", nargs="*", help="for sfc propagate, after --")
    parser.add_argument("--decode", action="store_true", help="only read, through OpenCV and through PyAV")
    options = parser.parse_args()
    if options.decode:
        compare_decoding(int(options.frames.split(",")[0]), options.height)
        return
    rows = []
    for count in (int(part) for part in options.frames.split(",")):
        with tempfile.TemporaryDirectory() as folder:
            clip, mask = make_clip(Path(folder), count, options.height)
            rows.append(measure(clip, mask, Path(folder) / "out", options.options, count))
            print(json.dumps(rows[-1]), flush=True)
    growth = rows[-1]["peak_mb"] / rows[0]["peak_mb"] - 1
    print(f"peak memory from {rows[0]['frames']} to {rows[-1]['frames']} frames: {growth:+.1%}")


def compare_decoding(count: int, height: int, rounds: int = 5) -> None:
    """Print frames a second and processor time a frame of both ways, best of several turns each."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        images = sample_images(height)
        film = FilmWriter(path, "mp4", FilmBasis())
        for number in range(count):
            film.add(images[number % len(images)], number / 24)
        film.finish()
        ways = {"OpenCV": lambda: read_by_opencv(path), "PyAV": lambda: read_by_sfc(path)}
        best = dict.fromkeys(ways, (float("inf"), float("inf")))
        for _ in range(rounds):
            for name, read in ways.items():
                started, spent = time.perf_counter(), time.process_time()
                assert read() == count
                taken = time.perf_counter() - started, time.process_time() - spent
                best[name] = (min(best[name][0], taken[0]), min(best[name][1], taken[1]))
    for name, (seconds, processor) in best.items():
        row = {
            "decoder": name,
            "size": f"{images[0].shape[1]}x{height}",
            "frames_per_second": round(count / seconds, 1),
            "cpu_ms_per_frame": round(1000 * processor / count, 2),
        }
        print(json.dumps(row))


def read_by_opencv(path: Path) -> int:
    capture, count = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG), 0
    while capture.grab():
        cv2.cvtColor(capture.retrieve()[1], cv2.COLOR_BGR2RGB)
        count += 1
    return count


def read_by_sfc(path: Path) -> int:
    return sum(1 for _ in open_video([str(path)]).frames())


def sample_images(height: int) -> list[np.ndarray]:
    """Return the bundled sample's frames, RGB, at a height, to and fro."""
    sample = DavisDataset(root=find_data("sample"))
    images = [read_frame(path) for path in sample.frames(sample.sequences()[0])]
    width = 2 * round(height * images[0].shape[1] / images[0].shape[0] / 2)
    images = [cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA) for image in images]
    return images + images[-2:0:-1]


def make_clip(folder: Path, count: int, height: int) -> tuple[Path, Path]:
    """Write a clip of ``count`` frames and the mask of its first."""
    sample = DavisDataset(root=find_data("sample"))
    name = sample.sequences()[0]
    paths = sample.frames(name)
    there_and_back = [cv2.cvtColor(image, cv2.COLOR_RGB2BGR) for image in sample_images(height)]
    width = there_and_back[0].shape[1]
    writer = cv2.VideoWriter(str(folder / "clip.mp4"), cv2.VideoWriter.fourcc(*"mp4v"), 24, (width, height))
    for number in range(count):
        writer.write(there_and_back[number % len(there_and_back)])
    writer.release()
    first = read_ids(sample.first_annotation(name, paths[0]))
    small = cv2.resize(first, (width, height), interpolation=cv2.INTER_NEAREST)
    write_mask(folder / "first.png", np.asarray(small, np.uint8))
    return folder / "clip.mp4", folder / "first.png"


def measure(clip: Path, mask: Path, output: Path, options: list[str], count: int) -> dict[str, float]:
    """Run the command in a process of its own; return seconds and peak resident memory."""
    command = [
        sys.executable,
        "-m",
        "sfc_cli",
        "propagate",
        str(clip),
        "--mask",
        str(mask),
        "-o",
        str(output),
    ]
    started = time.perf_counter()
    with subprocess.Popen([*command, *options], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"sfc propagate ended with {process.returncode}")
    seconds = time.perf_counter() - started
    written = len(list((output / clip.stem).glob("*.png")))
    if written != count:
        raise SystemExit(f"{written} masks for {count} frames")
    return {"frames": count, "seconds": round(seconds, 1), "peak_mb": round(usage.ru_maxrss / 1024, 1)}


if __name__ == "__main__":
    main()
