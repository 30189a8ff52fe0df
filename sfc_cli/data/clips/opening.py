"""From what a user typed to a clip: one video, a folder of images, a pattern or a list of images."""

from __future__ import annotations

from collections.abc import Sequence

from sfc_cli.data.clips.clip import Clip


def open_clip(
    sources: Sequence[str], *, frames_per_second: float | None = None, allow_truncated: bool = False
) -> Clip:
    """Open footage: a video file, a folder of images, a pattern such as ``shots/*.jpg``, or several images.

    Args:
        sources: What was typed.
        frames_per_second: How fast images follow each other; 24 if None. Of a video, its own rate is kept.
        allow_truncated: Whether to open a video whose file ends too early, for its readable part.

    Raises:
        InputError: If the footage is missing, damaged, or no clip.
        UsageError: If several videos, or videos and images, are given.
    """
    raise NotImplementedError(sources, frames_per_second, allow_truncated)
