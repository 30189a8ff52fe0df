"""What every backend does: find for each cell of a frame the context cells that vote for it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from torch import Tensor

from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import PropagationSettings


class Votes(NamedTuple):
    """The votes for every cell of B frames; N = h·w.

    Args:
        weights: float32 [B, N, k], each row sums to 1; a row may end in votes of weight 0.
        sources: int64 [B, N, k], rows of the label memory: slot · N + cell, slots as in ``context.slot_of``.
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
        # The next frame to match; frame 0 is the annotated one.
        self.target = 1
        require_reachable(self.height, self.width, settings)

    @abstractmethod
    def advance(self, frames: Tensor) -> Votes:
        """Match the next B frames of the video, each against its own context, and make them context.

        Affinities do not depend on labels, so a backend may work on all B frames at once.

        Args:
            frames: Unit features [B, C, h, w] of consecutive frames, on the device of the first.

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
        """Go on after so many frames, as if they had been matched; those of the window are told next.

        Args:
            frames: How many; if there are any, ``context_frames`` calls of ``remember`` follow.
        """
        self.target += frames

    def close(self) -> None:  # noqa: B027  # most backends hold nothing but tensors
        """Give back what the matcher holds."""


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
            f"--top-k is {settings.top_k}, but a corner of the {height}×{width} feature grid reaches only "
            f"{reachable} context cells.",
            "Choose a smaller --top-k, a larger --radius or more --context-frames.",
        )
