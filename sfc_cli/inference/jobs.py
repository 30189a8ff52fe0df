"""What is to be done: sequences checked before any is begun, and a results folder safe to write to."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import Ids, read_first_mask
from sfc_cli.errors import InputError, UsageError
from sfc_cli.inference.outputs.places import holds_any, mask_path, places_of, remove_parts, remove_results
from sfc_cli.inference.record import RECORD_NAME, RunRecord, differences, read_record


@dataclass(frozen=True, kw_only=True)
class Job:
    """One sequence to propagate.

    Args:
        name: The sequence.
        frames: Its frame files in order, at least two.
        first_mask: Ids of the first frame, uint8 [H, W].
        resized: Height and width to which frames are brought for the networks; None for their own.
    """

    name: str
    frames: tuple[Path, ...]
    first_mask: Ids
    resized: tuple[int, int] | None = None

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of what the networks see."""
        height, width = self.first_mask.shape
        return self.resized or (height, width)

    def outputs(self, output: Path) -> list[Path]:
        """Return the mask files of all frames."""
        return [mask_path(output, self.name, frame.stem) for frame in self.frames]


class MaskDataset(Protocol):
    """A data set whose sequences have frames and a first mask."""

    def frames(self, sequence: str) -> list[Path]:
        """Return a sequence's frame files in order."""

    def first_annotation(self, sequence: str, frame: Path) -> Path:
        """Return the mask of the first frame."""


def prepare_jobs(
    dataset: MaskDataset, sequences: Sequence[str], resized: tuple[int, int] | None = None
) -> list[Job]:
    """Check every sequence before any is begun: frames, first annotation, sizes.

    Args:
        dataset: Where the files are.
        sequences: Their names.
        resized: See ``Job``.

    Raises:
        InputError: Naming the first problem and how many more there are.
    """
    jobs, problems = [], []
    for name in sequences:
        try:
            jobs.append(_prepare_job(dataset, name, resized))
        except InputError as error:
            problems.append(error)
    if problems:
        more = f" ({len(problems) - 1} more sequences have problems.)" if len(problems) > 1 else ""
        raise InputError(problems[0].message, problems[0].hint + more)
    return jobs


def _prepare_job(dataset: MaskDataset, name: str, resized: tuple[int, int] | None) -> Job:
    frames = dataset.frames(name)
    if len(frames) < 2:
        raise InputError(
            f"Sequence {name} has a single frame, {frames[0]}.",
            "There is nothing to propagate to; leave it out with --sequences.",
        )
    path = dataset.first_annotation(name, frames[0])
    mask = read_first_mask(path)
    height, width = read_frame(frames[0]).shape[:2]
    if mask.shape != (height, width):
        raise InputError(
            f"{path} has {mask.shape[1]}×{mask.shape[0]} pixels, its frame {frames[0]} {width}×{height}.",
            "Mask and frame must have one size.",
        )
    return Job(name=name, frames=tuple(frames), first_mask=mask, resized=resized)


class HasFrames(Protocol):
    """What sharing and opening need to know of a job."""

    @property
    def name(self) -> str:
        """The sequence."""

    @property
    def frames(self) -> tuple[Path, ...]:
        """Its frame files."""


AnyJob = TypeVar("AnyJob", bound=HasFrames)


def share_of(jobs: Sequence[AnyJob], rank: int, world: int) -> list[AnyJob]:
    """Return the sequences that one of several processes does: the longest first, each to the least busy.

    Args:
        jobs: All sequences, the same in every process.
        rank: The number of the process.
        world: How many processes there are.
    """
    loads = [0] * world
    mine = []
    for job in sorted(jobs, key=lambda job: (-len(job.frames), job.name)):
        least = loads.index(min(loads))
        loads[least] += len(job.frames)
        if least == rank:
            mine.append(job)
    return mine


def open_output(output: Path, record: RunRecord, names: Collection[str], *, overwrite: bool) -> None:
    """Make a results folder ready: new, or continued if it belongs to the same run.

    Args:
        output: The folder.
        record: Of the run; takes over what the folder's record says of sequences that stay.
        names: The run's sequences.
        overwrite: Remove what these sequences have; everything, if it comes from other settings.

    Raises:
        UsageError: If the folder is the data set's, or holds results of other settings.
        InputError: If the folder cannot be written to.
    """
    if output.resolve().is_relative_to(record.data.resolve()):
        raise UsageError(
            f"--output {output} lies inside {record.data}, where the frames are.",
            "Results never go there: choose another.",
        )
    for name in names:
        if holds_any(places_of(output, name), record.data):
            raise UsageError(
                f"The results of {name} in --output {output} would lie over {record.data}, which is read.",
                "Choose another --output.",
            )
    if output.exists() and not output.is_dir():
        raise InputError(f"--output {output} is a file.", "Name a folder.")
    old = read_record(output)
    stays: dict[str, dict[str, object]] = {}
    begun = _begun(old)
    if old is None:
        if not overwrite and output.is_dir() and any(path.name[0] != "." for path in output.iterdir()):
            raise UsageError(
                f"{output} is not empty and holds no {RECORD_NAME}, so it is no run to continue.",
                "Choose another --output, or type --overwrite.",
            )
    elif found := differences(old, record.identity()):
        if not overwrite:
            raise UsageError(
                f"{output} holds results of other settings ({'; '.join(found)}).",
                "Choose another --output, or type --overwrite to replace them.",
            )
    else:
        record.started = old.get("started", record.started)
        stays = dict(old.get("sequences") or {})
        record.planned += sorted(begun)
    mine = set(names)
    if overwrite:
        for name in mine | (begun - set(record.planned)):
            stays.pop(name, None)
            remove_results(output, name)
    record.planned = sorted(mine.union(record.planned))
    record.sequences.update(stays)
    remove_parts(output)
    record.write(output)


def _begun(record: dict[str, Any] | None) -> set[str]:
    """Return the sequences that a stored run finished or set out to do."""
    if record is None:
        return set()
    planned = record.get("planned")
    names = {*(record.get("sequences") or {}), *(planned if isinstance(planned, list) else [])}
    return {str(name) for name in names if ".." not in Path(str(name)).parts}
