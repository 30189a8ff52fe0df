"""What a training is about to use, and what looks wrong with it, before any hour is spent."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sfc_cli.data.frame_folders import FrameIndex, Video
from sfc_cli.data.youtube_vos import PUBLISHED_VIDEOS
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import PretrainingSettings

_FEW_VIDEOS = 0.9
_LISTED = 5


@dataclass(frozen=True)
class Preflight:
    """The table before a training, and its warnings.

    Args:
        rows: Names and values.
        warnings: What deserves a look.
    """

    rows: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]


def inspect(index: FrameIndex, settings: PretrainingSettings) -> Preflight:
    """Describe a training set.

    Raises:
        InputError: If more files are unreadable than the settings allow.
    """
    unreadable = [f"{path} ({problem})" for path, problem in index.unreadable]
    if len(unreadable) > settings.max_unreadable:
        raise InputError(
            f"{len(unreadable)} files below {index.root} cannot be read, more than the "
            f"{settings.max_unreadable} of --max-unreadable: {_few(unreadable)}.",
            "Repair the data set, or raise the limit.",
        )
    counts = [len(video.frames) for video in index.videos]
    steps = [step for video in index.videos if (step := numbering_step(video)) is not None]
    gaps = sum(count_gaps(video) for video in index.videos)
    small = sum(count for *size, count in index.sizes if min(size) < settings.crop_size)
    rows = (
        ("data", f"{index.root} ({index.kind}{', listed in ' + index.source if index.source else ''})"),
        ("videos", f"{len(counts):,}"),
        ("frames", f"{sum(counts):,}"),
        ("frames per video", f"{min(counts)} … {statistics.median(counts):g} … {max(counts)}"),
        ("gaps in numbering", f"{gaps:,}"),
        ("unreadable, skipped", f"{len(unreadable):,}"),
        (f"smaller than {settings.crop_size} pixels", f"{small:,}"),
    )
    return Preflight(rows, tuple(_warnings(index, steps, unreadable, small, settings)))


def _warnings(
    index: FrameIndex,
    steps: Sequence[int],
    unreadable: Sequence[str],
    small: int,
    settings: PretrainingSettings,
) -> list[str]:
    found = []
    if steps and statistics.median(steps) > 1:
        found.append(
            f"Most videos number only every {statistics.median(steps):g}th frame: this looks like a "
            "thinned-out copy. YouTube-VOS has all frames in train_all_frames."
        )
    if index.kind == "YouTube-VOS" and len(index.videos) < _FEW_VIDEOS * PUBLISHED_VIDEOS:
        found.append(
            f"{len(index.videos):,} videos are far fewer than the {PUBLISHED_VIDEOS:,} of YouTube-VOS's "
            "training set: is the copy complete?"
        )
    if unreadable:
        found.append(f"Skipped {len(unreadable)} unreadable files: {_few(unreadable)}.")
    if small > index.frame_count / 2:
        found.append(
            f"{small:,} of {index.frame_count:,} frames are smaller than --crop-size {settings.crop_size}: "
            "their crops are enlarged."
        )
    return found


def numbering_step(video: Video) -> int | None:
    """Return by how much a video's frame numbers rise as a rule; None if its names hold no rising numbers."""
    differences = _differences(video)
    if not differences or min(differences) <= 0:
        return None
    return statistics.mode(differences)


def count_gaps(video: Video) -> int:
    """Count the places where frame numbers rise by more than they do as a rule."""
    step = numbering_step(video)
    return 0 if step is None else sum(difference > step for difference in _differences(video))


def _differences(video: Video) -> list[int]:
    found = [re.search(r"(\d+)\.[^.]*$", name) for name in video.frames]
    if not all(found):
        return []
    numbers = sorted(int(match[1]) for match in found if match)
    return [after - before for before, after in itertools.pairwise(numbers)]


def _few(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more
