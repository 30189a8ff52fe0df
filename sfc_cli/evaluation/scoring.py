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
        shown: Whether the truth has any pixel of the object in the frame, [n, K].
        found: Whether the result has any pixel of the object, or of the proposal, [n, K] or [n, P].
        strangers: Ids in the results that are neither an object, background nor void, each with a file.
        void: A result with void pixels; None if there is none.
        equal: Whether the results equal the truth in every pixel.
    """

    region: Curve
    boundary: Curve
    predicted: set[int]
    present: set[int]
    shown: Flags
    found: Flags
    strangers: dict[int, Path]
    void: Path | None
    equal: bool

    @classmethod
    def empty(cls, frames: int, objects: int, reading: Reading) -> SequenceScores:
        """Return the scores of a sequence without results: zero throughout."""
        rows = len(proposal_ids(objects)) if reading == "proposals" else objects
        shape = (rows, objects) if reading == "proposals" else (objects,)
        return cls(
            region=np.zeros((frames, *shape)),
            boundary=np.zeros((frames, *shape)),
            predicted=set(),
            present=set(),
            shown=np.zeros((frames, objects), np.bool_),
            found=np.zeros((frames, rows), np.bool_),
            strangers={},
            void=None,
            equal=True,
        )

    def add(self, start: int, part: SequenceScores) -> None:
        """Add the scores of some frames of the sequence, from frame ``start`` on."""
        frames = slice(start, start + len(part.region))
        self.region[frames], self.boundary[frames] = part.region, part.boundary
        self.shown[frames], self.found[frames] = part.shown, part.found
        self.predicted |= part.predicted
        self.present |= part.present
        self.strangers = {**part.strangers, **self.strangers}
        self.void = self.void or part.void
        self.equal &= part.equal

    def objects(self, plan: SequencePlan) -> list[ObjectScores]:
        """Return the curves of every object, over the frames that count for it.

        An object for which no frame counts is left out.
        """
        if plan.reading == "proposals":
            return self._paired_objects(plan)
        return [
            ObjectScores(
                sequence=plan.name,
                identity=identity,
                frames=tuple(plan.frames[t] for t in counted),
                region=self.region[counted, index],
                boundary=self.boundary[counted, index],
                shown=self.shown[counted, index],
            )
            for index, identity in enumerate(plan.objects)
            if len(counted := self._counted(plan, index))
        ]

    def _counted(self, plan: SequencePlan, index: int) -> list[int]:
        """Return which of the plan's frames count for an object."""
        start = plan.starts[index]
        if plan.protocol.start == "seen" and plan.results is not None:
            seen = np.flatnonzero(self.shown[:, index] | self.found[:, index])
            start = int(seen[0]) if len(seen) else len(plan.frames)
        given = plan.given[index] if "given" in plan.protocol.skip else None
        end = len(plan.frames)
        if "gone" in plan.protocol.skip and plan.gone[index] in plan.frames:
            end = plan.frames.index(plan.gone[index])
        return [t for t in range(start, end) if plan.frames[t] != given]

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
                shown=self.shown[:, index],
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
        if job.reading == "proposals":
            frame = score_proposals(result, truth, job.objects, job.protocol.bound)
        else:
            frame = score_frame(
                result,
                truth,
                job.objects,
                job.protocol.bound,
                smooths_region=job.protocol.smooths_region,
            )
        scores.region[index], scores.boundary[index] = frame.region, frame.boundary
        scores.shown[index], scores.found[index] = frame.present, frame.predicted
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
