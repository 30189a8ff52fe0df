"""J of masks that `sfc studio` makes of a loop, a stroke and corrections, as people might draw them.

Usage: python benchmarks/strokes.py [DAVIS]. The marks are simulated and know the truth: people will do worse.
"""

from __future__ import annotations

import itertools
import statistics
import sys
import time
from pathlib import Path

import cv2
import numpy as np

from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import read_ids
from sfc_cli.studio.marks import Marks, Stroke, crop_of, solve_marks

ROUNDS = 4
Points = list[tuple[float, float]]


def loose_loop(truth: np.ndarray, rng: np.random.Generator) -> Points:
    """Return a loop some pixels around an object, of corners that jitter."""
    wide = cv2.dilate(truth, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (31, 31)))
    contours, _ = cv2.findContours(wide, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    around = cv2.convexHull(np.concatenate(contours)) if len(contours) > 1 else contours[0]
    corners = around.reshape(-1, 2)[:: max(1, len(around) // 30)].astype(float)
    return [tuple(corner) for corner in corners + rng.normal(0, 2, corners.shape)]


def stroke_along(region: np.ndarray, rng: np.random.Generator) -> Points:
    """Return a line through the middle of a region's largest part, along its longer axis."""
    _, parts, numbers, _ = cv2.connectedComponentsWithStats(region)
    part = (parts == 1 + numbers[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    depth = cv2.distanceTransform(cv2.copyMakeBorder(part, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 5)
    depth = depth[1:-1, 1:-1]
    y, x = np.nonzero(part)
    places = np.stack([x, y], 1).astype(float)
    centred = places - places.mean(0)
    axis = np.linalg.svd(centred.T @ centred)[0][:, 0]
    along = centred @ axis
    cuts = np.quantile(along, np.linspace(0.1, 0.9, 7))
    points = []
    for begin, end in itertools.pairwise(cuts):
        chosen = places[(along >= begin) & (along <= end)]
        deepest = chosen[depth[chosen[:, 1].astype(int), chosen[:, 0].astype(int)].argmax()]
        points.append(tuple(deepest + rng.normal(0, 0.5, 2)))
    return points


def jaccard(one: np.ndarray, other: np.ndarray) -> float:
    """Return the intersection over the union."""
    union = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / union if union else 1.0


def measure(davis: Path, name: str) -> tuple[list[float], list[float]]:
    """Return J after each round, and the milliseconds of one core that each took."""
    rng = np.random.default_rng(0)
    frame = read_frame(davis / "JPEGImages" / "480p" / name / "00000.jpg")
    truth = (read_ids(davis / "Annotations" / "480p" / name / "00000.png") == 1).astype(np.uint8)
    loop, strokes = loose_loop(truth, rng), [Stroke(stroke_along(truth, rng), is_object=True)]
    scores, times = [], []
    for _ in range(ROUNDS):
        marks = Marks(loop, list(strokes))
        began = time.process_time()
        rows, columns = crop_of(marks, truth.shape)
        crop = np.ascontiguousarray(frame[rows, columns])
        found = np.zeros_like(truth)
        found[rows, columns] = solve_marks(crop, marks, (rows.start, columns.start))
        times.append(1000 * (time.process_time() - began))
        scores.append(jaccard(truth, found))
        missing, wrong = truth & (1 - found), found & (1 - truth)
        largest = [
            cv2.connectedComponentsWithStats(part)[2][1:, cv2.CC_STAT_AREA].max(initial=0)
            for part in (missing, wrong)
        ]
        if max(largest):
            is_object = bool(largest[0] >= largest[1])
            strokes.append(Stroke(stroke_along(missing if is_object else wrong, rng), is_object=is_object))
    return scores, times


def main() -> None:
    davis = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared" / "davis")
    cv2.setNumThreads(1)
    names = sorted(path.name for path in (davis / "JPEGImages" / "480p").glob("*/"))
    if not names:
        print(f"No sequences of DAVIS in {davis}: nothing measured.")
        return
    measured = {name: measure(davis, name) for name in names}
    for name, (scores, times) in measured.items():
        print(f"{name:18}", *(f"{score:.3f}" for score in scores), f"{max(times):6.0f} ms")
    columns = zip(*(scores for scores, _ in measured.values()), strict=True)
    print(f"{'mean of ' + str(len(names)):18}", *(f"{statistics.mean(column):.3f}" for column in columns))
    times = sorted(each for _, all_times in measured.values() for each in all_times)
    print(f"one solution: median {statistics.median(times):.0f} ms, worst {times[-1]:.0f} ms")


if __name__ == "__main__":
    main()
