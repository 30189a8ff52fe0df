"""Which frames vote for a frame: frame 0 at any distance, and the window of frames just before it."""

from __future__ import annotations

from typing import Final

FIRST_SLOT: Final = 0


def window_frames(target: int, context_frames: int) -> list[int]:
    """Return the frames of the window of frame ``target``, oldest first.

    The window holds the ``context_frames`` frames before the target; where it reaches beyond the start of
    the video, frame 0 takes the place. These copies count: each may be among the top k.

    >>> window_frames(2, 4)
    [0, 0, 0, 1]
    """
    return [max(0, frame) for frame in range(target - context_frames, target)]


def copies_of_first(target: int, context_frames: int) -> int:
    """Return how often frame 0 stands in the window of frame ``target``."""
    return max(0, context_frames - target + 1)


def slot_of(frame: int, context_frames: int) -> int:
    """Return the place of a frame in the memory of labels: frame 0 stays, the others take turns."""
    return FIRST_SLOT if frame == 0 else 1 + (frame - 1) % context_frames
