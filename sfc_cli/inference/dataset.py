"""A propagation run over a data set: names resolved, networks loaded, the results folder opened, then run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sfc_cli.core.ranks import Ranks, gathered, joined, read_ranks
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.inference.jobs import Job, open_output, share_of
from sfc_cli.inference.keypoints import KeypointJob, run_keypoint_jobs
from sfc_cli.inference.layouts import find_jobs
from sfc_cli.inference.networks import NetworkChoice, default_output
from sfc_cli.inference.outputs import require_possible
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.runner import Observer, run_jobs
from sfc_cli.inference.video import VideoPropagator
from sfc_cli.settings.locations import find_data
from sfc_cli.settings.propagation import MASKS_ALONE, OutputChoice

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class DatasetRun:
    """A run that has passed every check that can be made before it begins.

    Args:
        jobs: The sequences.
        output: The results folder.
        record: What run.json will say.
        propagator: Networks and settings.
        ranks: This process among those that share the sequences.
    """

    jobs: list[Job] | list[KeypointJob]
    output: Path
    record: RunRecord
    propagator: VideoPropagator
    ranks: Ranks

    @classmethod
    def prepare(
        cls,
        *,
        data: str,
        split: str | None,
        sequences: Sequence[str] | None,
        output: Path | None,
        networks: NetworkChoice,
    ) -> DatasetRun:
        """Resolve names and settings, check the data and load the networks; nothing is written.

        Args:
            data: A data set's name or path.
            split: The split's name; None for the layout's own.
            sequences: Only these; None for all.
            output: The results folder; None for the default.
            networks: Networks and settings as the user chose them.

        Raises:
            UsageError: If a choice is impossible.
            InputError: If a file is missing or damaged.
        """
        root = find_data(data)
        found = networks.resolve()
        jobs = find_jobs(root, split, sequences)
        found.require_reachable(job.input_size for job in jobs)
        ranks = read_ranks()
        propagator = found.load(ranks)
        record = found.record(
            propagator, dataset=_name_of(data, root), data=root, input_size=_common_resize(jobs)
        )
        return cls(
            jobs=jobs,
            output=output or default_output(record.dataset, found),
            record=record,
            propagator=propagator,
            ranks=ranks,
        )

    def describe(self) -> str:
        """Say in one line what will be done."""
        frames = sum(len(job.frames) for job in self.jobs)
        return self.record.describe(f"{self.record.dataset}: {len(self.jobs)} sequences, {frames} frames")

    def execute(
        self, observer: Observer, *, overwrite: bool = False, choice: OutputChoice = MASKS_ALONE
    ) -> None:
        """Open the results folder and run all sequences. See ``open_output`` and ``run_jobs``.

        Raises:
            UsageError: If the data set cannot have what is to be written, or the folder is of another run.
            InputError: If sequences failed.
        """
        self._require_possible(choice)
        with joined(self.ranks, torch.device("cpu")):
            self._open(overwrite)
            failure: InputError | None = None
            try:
                self._run(observer, overwrite=overwrite, choice=choice)
            except InputError as error:
                failure = error
            for sequences in gathered(self.record.sequences, self.ranks):
                self.record.sequences.update(sequences)
            if self.ranks.leads:
                self.record.write(self.output)
        if failure is not None:
            raise failure

    def _require_possible(self, choice: OutputChoice) -> None:
        for job in self.jobs:
            if isinstance(job, KeypointJob) and not choice.is_empty:
                raise UsageError(
                    f"{self.record.dataset} has joints, not masks.",
                    "Leave out --overlay, --cutout and --soft.",
                )
            require_possible(choice, job.name, len(job.frames))

    def _run(self, observer: Observer, *, overwrite: bool, choice: OutputChoice) -> None:
        """Run this process's share."""
        share = share_of(self.jobs, self.ranks.rank, self.ranks.world)
        masks = [job for job in share if isinstance(job, Job)]
        keypoints = [job for job in share if isinstance(job, KeypointJob)]
        where = (self.propagator, self.output, self.record, observer)
        keep_record = self.ranks.world == 1
        if keypoints:
            run_keypoint_jobs(keypoints, *where, overwrite=overwrite, keep_record=keep_record)
        else:
            run_jobs(masks, *where, overwrite=overwrite, choice=choice, keep_record=keep_record)

    def _open(self, overwrite: bool) -> None:
        """Let the first process open the results folder; all of them stop if it cannot."""
        failure: SfcError | None = None
        if self.ranks.leads:
            try:
                open_output(self.output, self.record, [job.name for job in self.jobs], overwrite=overwrite)
            except SfcError as error:
                failure = error
        failed = gathered(failure is not None, self.ranks)
        if failure is not None:
            raise failure
        if any(failed):
            raise UsageError("The first process could not open the results folder.")


def _common_resize(jobs: Sequence[Job | KeypointJob]) -> tuple[int, int] | None:
    """Return the size to which all frames of a layout are brought, if they are."""
    first = jobs[0]
    return first.resized if isinstance(first, Job) else first.input_size


def _name_of(data: str, root: Path) -> str:
    return root.resolve().name if Path(data).expanduser() == root else data
