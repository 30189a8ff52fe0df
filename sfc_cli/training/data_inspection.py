"""What a training is about to use, and what looks wrong with it, before any hour is spent."""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Sequence

from sfc_cli.data.frame_index import PUBLISHED_VIDEOS, FrameIndex, Video
from sfc_cli.errors import InputError
from sfc_cli.progress import Progress
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.wording import counted

_FEW_VIDEOS = 0.9
_LISTED = 5


def inspect_data(index: FrameIndex, settings: PretrainingSettings, progress: Progress) -> None:
    """Say what a training set has, and warn of what deserves a look.

    Raises:
        InputError: If more files are unreadable than the settings allow.
    """
    if len(index.unreadable) > settings.max_unreadable:
        raise InputError(
            f"{counted(len(index.unreadable), 'file')} below {index.root} cannot be read, more than the "
            f"{settings.max_unreadable} of `max_unreadable`: {_few_unreadable(index)}.",
            "Repair the data set, or raise the limit.",
        )
    rows = describe_data(index, settings.crop_size)
    width = max(map(len, rows))
    for name, value in rows.items():
        progress.say(f"{name:<{width}}  {value}")
    for warning in warnings_about(index, settings.crop_size):
        progress.say(f"warning: {warning}")


def describe_data(index: FrameIndex, crop_size: int) -> dict[str, str]:
    """Return the rows of the table about a training set."""
    counts = [len(video.frames) for video in index.videos]
    listed = f", listed in {index.source}" if index.source else ""
    return {
        "data": f"{index.root} ({index.kind}{listed})",
        "videos": f"{len(counts):,}",
        "frames": f"{sum(counts):,}",
        "frames per video": f"{min(counts)} … {statistics.median(counts):g} … {max(counts)}",
        "gaps in numbering": f"{sum(map(count_gaps, index.videos)):,}",
        "unreadable, skipped": f"{len(index.unreadable):,}",
        f"smaller than {crop_size} pixels": f"{_count_small(index, crop_size):,}",
    }


def warnings_about(index: FrameIndex, crop_size: int) -> list[str]:
    """Return what deserves a look in a training set."""
    found = []
    steps = [step for video in index.videos if (step := numbering_step(video)) is not None]
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
    if index.unreadable:
        found.append(
            f"Skipped {counted(len(index.unreadable), 'unreadable file')}: {_few_unreadable(index)}."
        )
    small = _count_small(index, crop_size)
    if small > index.frame_count / 2:
        found.append(
            f"{small:,} of {index.frame_count:,} frames are smaller than a view of {crop_size} pixels: "
            "their crops are enlarged."
        )
    return found


def numbering_step(video: Video) -> int | None:
    """Return by how much a video's frame numbers rise as a rule; None if its names have no rising numbers."""
    differences = _differences(video)
    if not differences or min(differences) <= 0:
        return None
    return statistics.mode(differences)


def count_gaps(video: Video) -> int:
    """Count how often frame numbers rise by more than they do as a rule."""
    step = numbering_step(video)
    return 0 if step is None else sum(difference > step for difference in _differences(video))


def _differences(video: Video) -> Sequence[int]:
    found = [re.search(r"(\d+)\.[^.]*$", name) for name in video.frames]
    if not all(found):
        return []
    numbers = sorted(int(match[1]) for match in found if match)
    return [after - before for before, after in itertools.pairwise(numbers)]


def _count_small(index: FrameIndex, crop_size: int) -> int:
    return sum(count for *size, count in index.sizes if min(size) < crop_size)


def _few_unreadable(index: FrameIndex) -> str:
    texts = [f"{path} ({problem})" for path, problem in index.unreadable]
    more = f" and {len(texts) - _LISTED} more" if len(texts) > _LISTED else ""
    return ", ".join(texts[:_LISTED]) + more
