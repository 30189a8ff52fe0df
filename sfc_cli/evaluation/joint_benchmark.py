"""JHMDB poses: the share of propagated joints that are near the true ones (PCK)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.jhmdb import JOINT_NAMES, JhmdbDataset, Joints, read_joints
from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.sequence_names import in_short
from sfc_cli.errors import InputError
from sfc_cli.evaluation.measures import Curve
from sfc_cli.evaluation.report import FrameCurves, JointPlan, Rates
from sfc_cli.evaluation.sequence_plan import Problems, check_results_folder, record_of
from sfc_cli.evaluation.whereabouts import did_you_mean, holds_file, holds_folder
from sfc_cli.wording import counted

THRESHOLDS = (0.1, 0.2, 0.3, 0.4, 0.5)
# The protocol takes 0.6 of the diagonal of the box around a person's joints as the person's size.
_BOX_SHARE = 0.6


def evaluate_jhmdb(
    data: Path | str, results: Path | str, split: str = "1", sequences: Sequence[str] | None = None
) -> Rates:
    """Score propagated joints by PCK at 0.1, 0.2, … 0.5, as the correspondence literature does.

    A joint is right if its distance to the true one is at most the threshold times the size of the person.
    The first frame of a video, which is given, does not count, and neither do joints that were lost.
    Each joint's rate is taken over all frames of all videos; the global number is the mean over the joints.

    Args:
        data: The data set's folder, in the JHMDB layout.
        results: The folder with ``<action>/<video>.json``.
        split: The number of the split; its test videos are scored.
        sequences: Score only these, as ``<action>/<video>``.

    Raises:
        InputError: If a file is missing, damaged or does not fit; the message names all of them.
        UsageError: If SciPy, which reads the annotations, is not installed.
    """
    data, results = Path(data), Path(results)
    dataset = JhmdbDataset(root=data)
    if data.is_dir() and not (data / "joint_positions").is_dir():
        guess = did_you_mean("data", data, holds_folder("joint_positions"))
        if guess:
            raise InputError(f"Cannot find the annotations: {data / 'joint_positions'} is missing.", guess)
    names = dataset.sequences(split, sequences)
    check_results_folder(results)
    problems = Problems()
    parts, frames, lost = [], 0, 0
    joints = {}
    for name in names:
        path = ResultsFolder(results).joints(name)
        if not path.is_file() and (guess := did_you_mean("results", results, holds_file(f"{name}.json"))):
            problems.add("sequence", name, f"{path} is missing.", guess)
            continue
        try:
            truth, found = dataset.joints(name), read_joints(path)
        except InputError as error:
            problems.add_error(name, error)
            continue
        if len(found) != len(truth):
            problems.add(
                "length",
                name,
                f"{path} has {counted(len(found), 'frame')}, the annotation {len(truth)}.",
                "Propagate the video again.",
            )
            continue
        distances = joint_distances(found, truth)
        parts.append(distances)
        pictures = _scored_pictures(dataset, name, len(truth))
        if pictures:
            joints[name] = JointPlan(frames=pictures, truth=truth[1:], found=found[1:])
        frames += len(distances)
        lost += int(np.isnan(distances).sum())
    problems.raise_if_any()
    videos = dict(zip(names, parts, strict=True))
    every = np.concatenate(parts)  # [frames of all videos, 15]
    rates = {f"PCK@{threshold}": _rates(every, threshold) for threshold in THRESHOLDS}
    if not len(every) or np.isnan(every).all():
        raise InputError(
            f"No joints to score in {results}.", "Every frame after the first is lost or missing."
        )
    warnings = [f"{lost} of {every.size} joints were lost and do not count."] if lost else []
    if not np.nan_to_num(every).any():
        warnings.append("The results equal the truth. Are they the annotations? Check the results' folder.")
    known = {path.as_posix() for path in map(ResultsFolder(results).joints, dataset.sequences(split))}
    extra = sorted(path for path in results.glob("*/*.json") if path.as_posix() not in known)
    if extra:
        names_of = [path.relative_to(results).with_suffix("").as_posix() for path in extra]
        warnings.append(
            f"Not scored, because the split does not have them: {in_short(names_of, 5)}. Check the split."
        )
    return Rates(
        benchmark=f"JHMDB split {split}",
        data=data,
        results=results,
        sequences=len(names),
        frames=frames,
        global_scores={name: float(np.nanmean(values)) for name, values in rates.items()},
        each="joint",
        rows={
            joint: {name: float(values[index]) for name, values in rates.items()}
            for index, joint in enumerate(JOINT_NAMES)
        },
        warnings=warnings,
        split=split,
        counted="every frame with joints but the first of each video",
        run=record_of(results),
        per_sequence={name: _video_rates(distances) for name, distances in videos.items()},
        curves={
            name: FrameCurves(
                frames=tuple(str(t) for t in range(1, len(distances) + 1)),
                values={f"PCK@{threshold}": _rates(distances.T, threshold) for threshold in THRESHOLDS},
            )
            for name, distances in videos.items()
        },
        sequence_counts={name: _near_and_all(distances) for name, distances in videos.items()},
        score_of=_mean_rate,
        joints=joints,
    )


def _scored_pictures(dataset: JhmdbDataset, name: str, count: int) -> tuple[Path, ...]:
    """Return the files of a video's frames but the first; none if they are not all there."""
    try:
        files = dataset.frames(name)[:count]
    except InputError:
        return ()
    return tuple(files[1:]) if len(files) == count else ()


def _video_rates(distances: Curve) -> dict[str, float]:
    """Return the share of a video's joints that are near, without regard to which joint they are."""
    return {
        f"PCK@{threshold}": float(_rates(distances.reshape(-1, 1), threshold)[0]) for threshold in THRESHOLDS
    }


def _near_and_all(distances: Curve) -> npt.NDArray[np.int64]:
    """Count each joint's frames that are near at the first threshold, and all that count, [2, 15]."""
    counted = ~np.isnan(distances)
    near = np.where(counted, distances, np.inf) <= THRESHOLDS[0]
    return np.stack((near.sum(axis=0), counted.sum(axis=0))).astype(np.int64)


def _mean_rate(counts: npt.NDArray[np.int64]) -> Curve:
    """Return PCK at the first threshold of counts [r, 2, 15]."""
    near, total = counts[:, 0], counts[:, 1]
    rates = np.where(total > 0, near / np.maximum(total, 1), np.nan)
    return np.asarray(np.nanmean(rates, axis=1), np.float64)


def joint_distances(found: Joints, truth: Joints) -> Curve:
    """Measure each joint's distance to the true one in sizes of the person, without the first frame.

    The size is 0.6 of the diagonal of the box around the true joints of the frame, without those that were
    lost in it.

    Args:
        found: In pixels, [T, 15, 2]; NaN where a joint was lost.
        truth: In pixels, [T, 15, 2].

    Returns:
        [T − 1, 15]; NaN where a joint was lost.
    """
    lost = np.asarray(np.isnan(found).any(axis=2))  # [T, 15]
    corners = np.where(lost[..., None], np.nan, truth)
    distances = np.full(lost.shape, np.nan)
    for t in np.flatnonzero(~lost.all(axis=1)):
        box = np.nanmax(corners[t], axis=0) - np.nanmin(corners[t], axis=0)
        size = _BOX_SHARE * float(np.linalg.norm(box))
        away = np.linalg.norm(found[t] - truth[t], axis=1)
        # All joints in one point leave nothing to measure by: only an exact hit is near.
        distances[t] = away / size if size else np.where(away > 0, np.inf, away)
    return distances[1:]


def _rates(distances: Curve, threshold: float) -> Curve:
    counted = np.isfinite(distances) | np.isposinf(distances)
    near = np.where(counted, distances, np.inf) <= threshold
    totals = counted.sum(axis=0)
    return np.where(totals > 0, near.sum(axis=0) / np.maximum(totals, 1), np.nan)
