"""Propagates body joints through the videos of JHMDB, as soft labels with one plane a joint."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.jhmdb import JhmdbDataset, Joints, read_joints, write_joints
from sfc_cli.data.joint_labels import draw_joints, find_joints
from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.errors import InputError
from sfc_cli.inference.concurrency import ReadAhead
from sfc_cli.inference.painting import Anchor
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.runner import Observer
from sfc_cli.inference.video import Size, VideoPropagator

# The protocol of UVC and CRW brings frames to 320×320, whatever their shape.
INPUT_SIZE: Size = (320, 320)
_FRAMES_AHEAD = 16


@dataclass(frozen=True, kw_only=True)
class KeypointJob:
    """One video to propagate joints through.

    Args:
        name: ``<action>/<video>``.
        frames: Its frame files in order, at least two.
        first_joints: The first frame's joints in pixels, float64 [15, 2].
        input_size: Height and width for the networks.
    """

    name: str
    frames: tuple[Path, ...]
    first_joints: Joints
    input_size: Size = INPUT_SIZE

    def is_complete(self, output: Path) -> bool:
        """Tell whether the video's joints are there."""
        try:
            return len(read_joints(ResultsFolder(output).joints(self.name))) == len(self.frames)
        except InputError:
            return False


def prepare_keypoint_jobs(dataset: JhmdbDataset, sequences: Sequence[str]) -> list[KeypointJob]:
    """Check every video before any is begun.

    JHMDB annotates fewer frames than some videos have; only annotated frames are propagated to.

    Raises:
        InputError: If frames or joints are missing.
        UsageError: If SciPy, which reads the joints, is not installed.
    """
    jobs = []
    for name in sequences:
        joints, frames = dataset.joints(name), dataset.frames(name)
        count = min(len(joints), len(frames))
        if count < 2:
            raise InputError(
                f"Video {name} has {count} annotated frames.", "There is nothing to propagate to."
            )
        jobs.append(KeypointJob(name=name, frames=tuple(frames[:count]), first_joints=joints[0]))
    return jobs


def run_keypoint_jobs(
    jobs: Sequence[KeypointJob],
    propagator: VideoPropagator,
    output: Path,
    record: RunRecord,
    observer: Observer,
    *,
    overwrite: bool = False,
    keep_record: bool = True,
) -> None:
    """Propagate the first joints of videos and write ``<output>/<action>/<video>.json`` for each.

    Args:
        jobs: What to do.
        propagator: Does it.
        output: The results folder, opened with ``open_output``.
        record: Gets an entry for each finished video.
        observer: Hears of the progress.
        overwrite: Do complete videos again.
        keep_record: Write run.json after each video.

    Raises:
        InputError: If a frame cannot be read.
    """
    todo = []
    for job in jobs:
        if not overwrite and job.is_complete(output):
            observer.skipped(job.name)
        else:
            todo.append(job)
    observer.plan(sum(len(job.frames) for job in todo))
    for job in todo:
        observer.sequence(job.name, len(job.frames))
        started = time.perf_counter()
        write_joints(ResultsFolder(output).joints(job.name), _propagate_joints(job, propagator, observer))
        seconds = time.perf_counter() - started
        observer.finished(job.name, len(job.frames), seconds)
        record.sequences[job.name] = {
            "frames": len(job.frames),
            "seconds": round(seconds, 3),
            "frames_per_second": round(len(job.frames) / seconds, 3),
        }
        if keep_record:
            record.write(output)


def _propagate_joints(job: KeypointJob, propagator: VideoPropagator, observer: Observer) -> Joints:
    frame_size = read_frame(job.frames[0]).shape[:2]
    frames = ReadAhead(_read(job, frame_size), _FRAMES_AHEAD)
    found = [job.first_joints]

    def first_labels(height: int, width: int) -> SoftLabels:
        drawn = draw_joints(job.first_joints, frame_size, height, width)
        # Joints overlap and leave no background: its plane stays empty.
        return np.concatenate([np.zeros_like(drawn[:1]), drawn])

    planes = tuple(range(1, 1 + len(job.first_joints)))
    try:
        for tracked in propagator.track(
            frames, {0: Anchor(planes, first_labels)}, 1 + len(planes), input_size=job.input_size
        ):
            if tracked.place > 0 and tracked.labels is not None:
                found.append(find_joints(tracked.labels()[1:], frame_size))
            observer.frame()
    finally:
        frames.close()
    return np.stack(found)


def _read(job: KeypointJob, size: tuple[int, ...]) -> Iterator[Frame]:
    for path in job.frames:
        frame = read_frame(path)
        if frame.shape[:2] != size:
            raise InputError(
                f"{path} has {frame.shape[1]}×{frame.shape[0]} pixels, the first frame of its video "
                f"{size[1]}×{size[0]}.",
                "All frames of a video must have one size.",
            )
        yield frame
