"""How fast `sfc evaluate` scores, beside decoding alone and a plain implementation, on real annotations.

Results are made from the annotations (moved, and worn off), so that every object has an outline to compare.
Everything runs in the same number of processes, on the same jobs. Usage:

    python benchmarks/evaluation.py [--data ../shared/davis] [--workers 2] [--repeats 3]
"""

from __future__ import annotations

import argparse
import math
import resource
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.evaluation import evaluate_davis
from sfc_cli.evaluation.decoding import decode_ids, inflater
from sfc_cli.evaluation.workers import in_processes

Pair = tuple[Path, Path]
_FRAMES_PER_JOB = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "davis")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    if not options.data.is_dir():
        print(f"skipped: {options.data} is missing; give a DAVIS folder with --data")
        return
    with tempfile.TemporaryDirectory() as folder:
        results = Path(folder) / "results"
        pairs = make_results(options.data, results)
        print(f"{len(pairs)} frames, {options.workers} processes, best of {options.repeats} turns")
        print(f"inflating with {inflater().__name__}")
        compare(options.data, results, pairs, options.workers, options.repeats)
        memory(options.data, Path(folder), results)


def make_results(data: Path, results: Path) -> list[Pair]:
    """Write results that are the annotations moved by (4, 3) pixels and worn off by one."""
    dataset = DavisDataset(root=data)
    pairs = []
    for name in dataset.sequences():
        annotations = dataset.annotations(name)
        for path in annotations:
            moved = np.roll(cv2.erode(read_ids(path), np.ones((3, 3), np.uint8)), (4, 3), axis=(0, 1))
            write_mask(results / name / path.name, moved)
        pairs += [(path, results / name / path.name) for path in annotations[1:-1]]
    return pairs


def compare(data: Path, results: Path, pairs: Sequence[Pair], workers: int, repeats: int) -> None:
    jobs = [pairs[at : at + _FRAMES_PER_JOB] for at in range(0, len(pairs), _FRAMES_PER_JOB)]
    runs: dict[str, Callable[[], Any]] = {
        "decode alone, Pillow": partial(run_all, decode_with_pillow, jobs, workers),
        "decode alone, sfc": partial(run_all, decode_with_sfc, jobs, workers),
        "plain: every object, full frame": partial(run_all, score_plainly, jobs, workers),
        "sfc evaluate": partial(evaluate_davis, data, results, workers=workers),
    }
    seconds = dict.fromkeys(runs, math.inf)
    processor = dict(seconds)
    outcomes = {}
    # In turns, so that a disturbance does not fall on one of them alone.
    for _ in range(repeats):
        for name, run in runs.items():
            start, used = time.perf_counter(), processor_seconds()
            outcomes[name] = run()
            seconds[name] = min(seconds[name], time.perf_counter() - start)
            processor[name] = min(processor[name], processor_seconds() - used)
    for name in runs:
        each = 1000 * seconds[name] / len(pairs)
        print(
            f"{name:34s} {seconds[name]:7.3f} s  {each:6.3f} ms a frame  processor {processor[name]:7.3f} s"
        )
    pillow, own, plain, ours = seconds.values()
    print(f"plain / sfc            {plain / ours:5.2f}  (target: at least 4)")
    print(f"sfc / Pillow's decode  {ours / pillow:5.2f}  (target: at most 1.5)")
    print(f"sfc / own decode       {ours / own:5.2f}")
    outcome = outcomes["sfc evaluate"]
    parts = outcomes["plain: every object, full frame"]
    plain_mean = float(np.mean([region for part in parts for region, _ in part]))
    frames = np.concatenate([scores.region for scores in outcome.objects])
    print(f"mean J over all frames: plain {plain_mean:.12f}, sfc {float(frames.mean()):.12f}")


def processor_seconds() -> float:
    """Return the processor time of this process and of its ended children."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def memory(data: Path, folder: Path, results: Path) -> None:
    """Print the largest memory of a worker for one video and for a video ten times as long."""
    name = DavisDataset(root=data).sequences()[0]
    annotations = sorted((data / "Annotations" / "480p" / name).glob("*.png"))
    for times in (1, 10):
        root = folder / f"times-{times}"
        for sub, source in (("Annotations/480p", data / "Annotations" / "480p"), ("results", results)):
            (root / sub / name).mkdir(parents=True)
            for number in range(times * len(annotations)):
                original = source / name / annotations[number % len(annotations)].name
                (root / sub / name / f"{number:05d}.png").symlink_to(original.resolve())
        evaluate_davis(root, root / "results", split="all", workers=2)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(
            f"{times * len(annotations):5d} frames: worker peak {peak:.1f} MB, main process peak {own:.1f} MB"
        )


def run_all(work: Callable[[Sequence[Pair]], Any], jobs: Sequence[Sequence[Pair]], workers: int) -> list[Any]:
    return [part for _, part in in_processes(work, jobs, workers)]


def decode_with_pillow(pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        for path in pair:
            np.asarray(Image.open(path))


def decode_with_sfc(pairs: Sequence[Pair]) -> None:
    for pair in pairs:
        for path in pair:
            decode_ids(path)


def score_plainly(pairs: Sequence[Pair]) -> list[tuple[float, float]]:
    """Score each object on the full frame, as one writes it down at first."""
    scores = []
    for truth_path, result_path in pairs:
        truth, result = np.asarray(Image.open(truth_path)), np.asarray(Image.open(result_path))
        for identity in range(1, max(int(truth.max()), 1) + 1):
            mine, true = result == identity, truth == identity
            union = np.sum(mine | true)
            scores.append((float(np.sum(mine & true) / union) if union else 1.0, plain_boundary(mine, true)))
    return scores


def plain_boundary(mine: Any, true: Any) -> float:
    radius = math.ceil(0.008 * math.hypot(*true.shape))
    reach = np.arange(-radius, radius + 1) ** 2
    disk = (reach[:, None] + reach[None] <= radius**2).astype(np.uint8)
    edges = [full_frame_edges(mask) for mask in (mine, true)]
    found, present = (np.sum(edge) for edge in edges)
    if not found or not present:
        return float(found == present)
    grown = [cv2.dilate(edge.astype(np.uint8), disk) for edge in edges]
    precision, recall = np.sum(edges[0] * grown[1]) / found, np.sum(edges[1] * grown[0]) / present
    return float(2 * precision * recall / (precision + recall)) if precision + recall else 0.0


def full_frame_edges(mask: Any) -> Any:
    right, below, diagonal = (np.zeros_like(mask) for _ in range(3))
    right[:, :-1], below[:-1], diagonal[:-1, :-1] = mask[:, 1:], mask[1:], mask[1:, 1:]
    edges = (mask ^ right) | (mask ^ below) | (mask ^ diagonal)
    edges[-1], edges[:, -1] = mask[-1] ^ right[-1], mask[:, -1] ^ below[:, -1]
    edges[-1, -1] = False
    return edges


if __name__ == "__main__":
    main()
