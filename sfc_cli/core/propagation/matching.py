"""What the backends share: which cells vote for which, and the form in which a backend gives its votes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import PropagationSettings

# No grid has cells so far apart.
_LARGEST = float(1 << 62)


class Votes(NamedTuple):
    """The votes for every cell of B frames.

    Args:
        weights: float32 [B, N, k], each row sums to 1; a row may end in votes of weight 0.
        sources: int64 [B, N, k], rows of the label memory: slot · N + cell, slots as in ``slot_of``.
    """

    weights: Tensor
    sources: Tensor


class Matcher(ABC):
    """Holds the features of the context and matches new frames against them.

    Args:
        first: Unit features of frame 0, [C, h, w], float32.
        settings: ``top_k``, ``radius``, ``temperature`` and ``context_frames`` are used.

    Raises:
        UsageError: If a cell can reach fewer than ``top_k`` context cells.
    """

    frames_at_once = 1

    def __init__(self, first: Tensor, settings: PropagationSettings) -> None:
        self.settings = settings
        self.channels, self.height, self.width = first.shape
        self.cells = self.height * self.width
        self.device = first.device
        # The index of the next frame to match; frame 0 is the annotated one.
        self.target = 1
        require_reachable(self.height, self.width, settings)

    @abstractmethod
    def advance(self, frames: Tensor, wanted: Tensor | None = None) -> Votes:
        """Match the next B frames of the video, each against its own context, and make them context.

        Affinities do not depend on labels, so a backend may work on all B frames at once.

        Args:
            frames: Unit features [B, C, h, w] of consecutive frames, on the device of the first.
            wanted: Cells whose votes will be looked at, bool [N]; those of others may be of weight 0.

        Returns:
            The votes of the B frames.
        """

    @abstractmethod
    def remember(self, frame: Tensor) -> None:
        """Make the next frame context without matching it.

        Args:
            frame: Unit features [C, h, w], on the device of the first.
        """

    def skip(self, frames: int) -> None:
        """Go on after so many frames, as if they had been matched.

        Args:
            frames: How many; if there are any, ``context_frames`` calls of ``remember`` must follow.
        """
        self.target += frames


def window_frames(target: int, context_frames: int) -> list[int]:
    """Return the frames of the window of frame ``target``, oldest first.

    The window holds the ``context_frames`` frames before the target. Where it reaches beyond the start of
    the video, copies of frame 0 fill it; each of them counts, so each may be among the top k.

    >>> window_frames(2, 4)
    [0, 0, 0, 1]
    """
    return [max(0, frame) for frame in range(target - context_frames, target)]


def copies_of_first(target: int, context_frames: int) -> int:
    """Return how often frame 0 is in the window of frame ``target``."""
    return max(0, context_frames - target + 1)


def memory_frame(named: int) -> int:
    """Return the frame that a named frame of the long memory stands for, 0 for frame 0 itself.

    The released code counts the frames behind the copies of frame 0 from one too far; so it is kept.
    """
    return named + 1 if named else 0


def is_remembered(named: int, target: int, context_frames: int) -> bool:
    """Return whether a named frame of the long memory votes for frame ``target`` yet, in place of frame 0."""
    # Without a window the released code would match a frame with itself, before it has labels.
    return named > 0 and max(context_frames, 1) + named < target


def memory_slots(frame: int, settings: PropagationSettings) -> list[int]:
    """Return the slots behind the window that a frame takes for good in the memory of labels."""
    named = enumerate(settings.memory_frames)
    return [1 + settings.context_frames + index for index, name in named if name and name + 1 == frame]


def slot_of(frame: int, context_frames: int) -> int:
    """Return the slot of a frame in a memory of 1 + ``context_frames`` frames.

    Frame 0 keeps slot 0; the others take turns in the rest, so that a frame replaces the one that has just
    left the window.
    """
    return 0 if frame == 0 else 1 + (frame - 1) % context_frames


def within_radius(dy: Tensor, dx: Tensor, radius: float) -> Tensor:
    """Return which offsets, in whole cells, are shorter than ``radius``; one of exactly ``radius`` is not."""
    # A whole number is below r² where it is below the next whole number: no device needs float64 for that.
    limit = math.ceil(min(radius * radius, _LARGEST))
    return torch.lt(dy * dy + dx * dx, limit)


@lru_cache(maxsize=2)
def pairs_within_radius(height: int, width: int, radius: float, device: torch.device | None = None) -> Tensor:
    """Return which cells of an h × w grid are within the radius of each other, bool [N, N]."""
    cell = torch.arange(height * width, device=device)
    y, x = cell // width, cell % width
    return within_radius(y[:, None] - y, x[:, None] - x, radius)


def reach(radius: float, offset: int = 0) -> int:
    """Return the largest whole e ≥ 0 with e² + offset² < radius², or −1 if there is none."""
    limit = radius * radius
    extent = int(radius) + 1
    while extent >= 0 and extent * extent + offset * offset >= limit:
        extent -= 1
    return extent


def require_reachable(height: int, width: int, settings: PropagationSettings) -> None:
    """Make sure that every cell can reach ``top_k`` context cells.

    A corner reaches the fewest: all cells of frame 0, and in each windowed frame a quarter of the disc.

    Raises:
        UsageError: If ``top_k`` is larger than that.
    """
    corner = sum(
        min(width, reach(settings.radius, dy) + 1) for dy in range(min(height, reach(settings.radius) + 1))
    )
    reachable = height * width + settings.context_frames * corner
    if settings.top_k > reachable:
        raise UsageError(
            f"`top_k` is {settings.top_k}, but a corner of the {height}×{width} feature grid reaches only "
            f"{reachable} context cells.",
            "Choose a smaller `top_k`, a larger `radius` or more `context_frames`.",
        )
