"""Scoring all frames of all sequences: curves for each object, and what was noticed on the way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.evaluation.decoding import decode_ids
from sfc_cli.evaluation.measures import Curve, Flags, score_frame
from sfc_cli.evaluation.proposals import best_pairing, proposal_ids, score_proposals
from sfc_cli.evaluation.report import ObjectScores
from sfc_cli.evaluation.sequence_plan import Reading, SequencePlan
from sfc_cli.evaluation.workers import FrameJob, work_on_frames
from sfc_cli.progress import Progress


@dataclass(kw_only=True)
class SequenceScores:
    """A sequence's J and F of every frame and object, and what was noticed in its results.

    Args:
        region: J, [n, K]; with proposals [n, P, K].
        boundary: F, of the same shape.
        predicted: The objects, or proposals, of which the results have any pixel.
        present: The objects of which the truth has any pixel.
        strangers: Ids in the results that are neither an object, background nor void, each with a file.
        void: A result with void pixels; None if there is none.
        equal: Whether the results equal the truth in every pixel.
    """

    region: Curve
    boundary: Curve
    predicted: set[int]
    present: set[int]
    strangers: dict[int, Path]
    void: Path | None
    equal: bool

    @classmethod
    def empty(cls, frames: int, objects: int, reading: Reading) -> SequenceScores:
        """Return the scores of a sequence without results: zero throughout."""
        shape = (len(proposal_ids(objects)), objects) if reading == "proposals" else (objects,)
        return cls(
            region=np.zeros((frames, *shape)),
            boundary=np.zeros((frames, *shape)),
            predicted=set(),
            present=set(),
            strangers={},
            void=None,
            equal=True,
        )

    def add(self, start: int, part: SequenceScores) -> None:
        """Add the scores of some frames of the sequence, from frame ``start`` on."""
        frames = slice(start, start + len(part.region))
        self.region[frames], self.boundary[frames] = part.region, part.boundary
        self.predicted |= part.predicted
        self.present |= part.present
        self.strangers = {**part.strangers, **self.strangers}
        self.void = self.void or part.void
        self.equal &= part.equal

    def objects(self, plan: SequencePlan) -> list[ObjectScores]:
        """Return the curves of every object, each from the first frame that counts for it."""
        if plan.reading == "proposals":
            return self._paired_objects(plan)
        return [
            ObjectScores(
                sequence=plan.name,
                identity=identity,
                frames=plan.frames[start:],
                region=self.region[start:, index],
                boundary=self.boundary[start:, index],
            )
            for index, (identity, start) in enumerate(zip(plan.objects, plan.starts, strict=True))
        ]

    def _paired_objects(self, plan: SequencePlan) -> list[ObjectScores]:
        proposals = max(self.predicted, default=0)
        rows = best_pairing(self.region, self.boundary, proposals)
        return [
            ObjectScores(
                sequence=plan.name,
                identity=identity,
                frames=plan.frames,
                region=self.region[:, row, index],
                boundary=self.boundary[:, row, index],
                matched=row + 1 if row < proposals else None,
            )
            for index, (identity, row) in enumerate(zip(plan.objects, rows, strict=True))
        ]


def score_plans(
    plans: Sequence[SequencePlan], workers: int | None = None, progress: Progress | None = None
) -> list[SequenceScores]:
    """Score every frame of every sequence, see ``work_on_frames``."""
    scores = [SequenceScores.empty(len(plan.frames), len(plan.objects), plan.reading) for plan in plans]
    for job, part in work_on_frames(score_job, plans, workers, progress):
        scores[job.sequence].add(job.start, part)
    return scores


def score_job(job: FrameJob) -> SequenceScores:
    """Score a few frames; runs in a worker process and keeps one pair of masks at a time in memory."""
    scores = SequenceScores.empty(len(job.truth), len(job.objects), job.reading)
    predictable = proposal_ids(len(job.objects)) if job.reading == "proposals" else job.objects
    for index, (truth_path, result_path) in enumerate(zip(job.truth, job.results, strict=True)):
        truth, result = decode_ids(truth_path), decode_ids(result_path)
        if job.reading == "foreground":
            truth, result = (truth != 0).view(np.uint8), (result != 0).view(np.uint8)
        score = score_proposals if job.reading == "proposals" else score_frame
        frame = score(result, truth, job.objects)
        scores.region[index], scores.boundary[index] = frame.region, frame.boundary
        scores.predicted.update(_chosen(predictable, frame.predicted))
        scores.present.update(_chosen(job.objects, frame.present))
        for identity in frame.strangers:
            scores.strangers.setdefault(identity, result_path)
        if frame.has_void and scores.void is None:
            scores.void = result_path
        scores.equal &= frame.equal
    return scores


def _chosen(objects: Sequence[int], flags: Flags) -> list[int]:
    return [identity for identity, flag in zip(objects, flags, strict=True) if flag]
