"""A propagation run over a data set: names resolved, networks loaded, the results folder opened, then run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from sfc_cli.core.encoders import EncoderSource, find_encoder, load_encoder
from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.manifest import sha256_of
from sfc_cli.core.propagation import backend_for
from sfc_cli.core.propagation.matching import require_reachable
from sfc_cli.core.ranks import Ranks, gathered, joined, read_ranks
from sfc_cli.core.trunk import STRIDE
from sfc_cli.errors import InputError, SfcError, UsageError
from sfc_cli.inference.jobs import Job, open_output, share_of
from sfc_cli.inference.keypoints import KeypointJob, run_keypoint_jobs
from sfc_cli.inference.layouts import find_jobs
from sfc_cli.inference.record import RunRecord
from sfc_cli.inference.runner import Observer, run_jobs
from sfc_cli.inference.video import VideoPropagator
from sfc_cli.settings.locations import checkpoints_folder, find_data
from sfc_cli.settings.propagation import Backend, Precision, preset_for

logger = logging.getLogger(__name__)

DEFAULT_ENCODER = "mini"


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
        fine_grained: str | None,
        semantic: str | None,
        checkpoints: Path | None,
        output: Path | None,
        chosen: Mapping[str, Any],
        device: str = "auto",
        backend: Backend = "auto",
        precision: Precision = "exact",
    ) -> DatasetRun:
        """Resolve names and settings, check the data and load the networks; nothing is written.

        Args:
            data: A data set's name or path.
            split: The split's name; None for the layout's own.
            sequences: Only these; None for all.
            fine_grained: The network of ``--fc``; the bundled ``mini`` if no network is named at all.
            semantic: The network of ``--semantic``.
            checkpoints: Their folder; None for the default.
            output: The results folder; None for the default.
            chosen: Settings that the user chose; None values leave the preset's.
            device: ``auto``, ``cpu`` or ``cuda``.
            backend: See ``propagate_labels``.
            precision: See ``FeatureExtractor``.

        Raises:
            UsageError: If a choice is impossible.
            InputError: If a file is missing or damaged.
        """
        if not fine_grained and not semantic:
            fine_grained = DEFAULT_ENCODER
        names = [name for name in (fine_grained, semantic) if name]
        settings = replace(
            preset_for(fine_grained, semantic),
            **{name: value for name, value in chosen.items() if value is not None},
        )
        root = find_data(data)
        folder = checkpoints_folder(checkpoints)
        sources = {
            option: find_encoder(name, folder)
            for option, name in (("fc", fine_grained), ("semantic", semantic))
            if name
        }
        jobs = find_jobs(root, split, sequences)
        for height, width in {job.input_size for job in jobs}:
            require_reachable(-(-height // STRIDE), -(-width // STRIDE), settings)
        ranks = read_ranks()
        place = choose_device(device, ranks)
        trunks = [load_encoder(name, checkpoints=folder, batchnorm=settings.batchnorm) for name in names]
        extractor = FeatureExtractor(
            trunks, fusion_weight=settings.fusion_weight, device=place, precision=precision
        )
        chosen_backend = backend_for(backend, place)
        record = RunRecord(
            dataset=_name_of(data, root),
            data=root,
            fine_grained=fine_grained,
            semantic=semantic,
            settings=settings,
            precision=precision,
            input_size=_common_resize(jobs),
            checkpoints={option: _checkpoint_entry(source) for option, source in sources.items()},
            device=torch.cuda.get_device_name(place) if place.type == "cuda" else "cpu",
            backend=chosen_backend,
        )
        return cls(
            jobs=jobs,
            output=output or default_output(record.dataset, fine_grained, semantic),
            record=record,
            propagator=VideoPropagator(extractor, settings, backend=chosen_backend),
            ranks=ranks,
        )

    def describe(self) -> str:
        """Say in one line what will be done."""
        settings, frames = self.record.settings, sum(len(job.frames) for job in self.jobs)
        networks = " + ".join(name for name in (self.record.fine_grained, self.record.semantic) if name)
        return (
            f"{networks} on {self.record.dataset}: {len(self.jobs)} sequences, {frames} frames; "
            f"k {settings.top_k}, radius {settings.radius:g}, temperature {settings.temperature:g}, "
            f"{settings.context_frames} context frames, BatchNorm {settings.batchnorm}; "
            f"{self.record.device}, {self.record.backend}"
        )

    def execute(self, observer: Observer, *, overwrite: bool = False, overlay: bool = False) -> None:
        """Open the results folder and run all sequences. See ``open_output`` and ``run_jobs``."""
        with joined(self.ranks, torch.device("cpu")):
            self._open(overwrite)
            failure: InputError | None = None
            try:
                self._run(observer, overwrite=overwrite, overlay=overlay)
            except InputError as error:
                failure = error
            for sequences in gathered(self.record.sequences, self.ranks):
                self.record.sequences.update(sequences)
            if self.ranks.leads:
                self.record.write(self.output)
        if failure is not None:
            raise failure

    def _run(self, observer: Observer, *, overwrite: bool, overlay: bool) -> None:
        """Run this process's share."""
        share = share_of(self.jobs, self.ranks.rank, self.ranks.world)
        masks = [job for job in share if isinstance(job, Job)]
        keypoints = [job for job in share if isinstance(job, KeypointJob)]
        where = (self.propagator, self.output, self.record, observer)
        keep_record = self.ranks.world == 1
        if keypoints:
            run_keypoint_jobs(keypoints, *where, overwrite=overwrite, keep_record=keep_record)
        else:
            run_jobs(masks, *where, overwrite=overwrite, overlay=overlay, keep_record=keep_record)

    def _open(self, overwrite: bool) -> None:
        """Let the first process open the results folder; all of them stop if it cannot."""
        failure: SfcError | None = None
        if self.ranks.leads:
            try:
                open_output(self.output, self.record, self.jobs, overwrite=overwrite)
            except SfcError as error:
                failure = error
        failed = gathered(failure is not None, self.ranks)
        if failure is not None:
            raise failure
        if any(failed):
            raise UsageError("The first process could not open the results folder.")


def choose_device(name: str, ranks: Ranks) -> torch.device:
    """Resolve ``auto``, ``cpu`` or ``cuda``; several processes on a machine take its cards in turn.

    Raises:
        UsageError: If CUDA is asked for and not there.
    """
    available = torch.cuda.is_available()
    if name == "cuda" and not available:
        raise UsageError(
            "--device cuda, but PyTorch finds no CUDA device.", "Use --device cpu, or check the driver."
        )
    if name == "cpu" or not available:
        return torch.device("cpu")
    return torch.device("cuda", ranks.local_rank % torch.cuda.device_count())


def _common_resize(jobs: Sequence[Job | KeypointJob]) -> tuple[int, int] | None:
    """Return the size to which all frames of a layout are brought, if they are."""
    first = jobs[0]
    return first.resized if isinstance(first, Job) else first.input_size


def default_output(dataset: str, fine_grained: str | None, semantic: str | None) -> Path:
    """Return ``results/<dataset>/<fc>+<semantic>``, with a checkpoint's path standing in by its stem."""
    names = [Path(name).stem for name in (fine_grained, semantic) if name]
    return Path("results") / dataset / "+".join(names)


def _name_of(data: str, root: Path) -> str:
    return root.resolve().name if Path(data).expanduser() == root else data


def _checkpoint_entry(source: EncoderSource) -> dict[str, str | None]:
    if source.path is None:
        return {"file": None, "sha256": None}
    return {"file": source.path.name, "sha256": sha256_of(source.path)}
