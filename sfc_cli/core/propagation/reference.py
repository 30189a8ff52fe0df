"""The readable oracle: the whole affinity of a frame against its context, as the published method has it."""

from __future__ import annotations

import torch
from torch import Tensor

from sfc_cli.core.propagation.context import FIRST_SLOT, slot_of, window_frames
from sfc_cli.core.propagation.matching import Matcher, Votes
from sfc_cli.settings.propagation import PropagationSettings

_QUERIES_AT_ONCE = 64


class ReferenceMatcher(Matcher):
    """Dense affinities [frames · N, N] per frame: slow and large on purpose, nothing is hidden.

    At 480p (N = 6420) one frame's affinities against 21 context frames take 3.5 GB.
    """

    def __init__(self, first: Tensor, settings: PropagationSettings) -> None:
        super().__init__(first, settings)
        self._features = {0: first.flatten(1)}  # frame → [C, N]
        self._too_far = ~within_radius(self.height, self.width, settings.radius, self.device)  # [N, N]

    def advance(self, frames: Tensor) -> Votes:
        """Match the next frames one after the other. See ``Matcher.advance``."""
        votes = [self._match(frame.flatten(1)) for frame in frames]
        return Votes(torch.stack([v.weights for v in votes]), torch.stack([v.sources for v in votes]))

    def remember(self, frame: Tensor) -> None:
        """See ``Matcher.remember``."""
        self._features[self.target] = frame.flatten(1)
        self.target += 1
        self._features.pop(self.target - self.settings.context_frames - 1 or -1, None)

    def _match(self, query: Tensor) -> Votes:
        settings, cells = self.settings, self.cells
        window = window_frames(self.target, settings.context_frames)
        context = torch.stack([self._features[frame] for frame in (0, *window)])  # [1+F, C, N]
        affinity = torch.einsum("fcp,cq->fpq", context, query)  # [1+F, N, N]
        affinity[1:].masked_fill_(self._too_far, float("-inf"))

        weights, candidates = [], []
        for part in affinity.flatten(0, 1).split(_QUERIES_AT_ONCE, dim=1):  # [(1+F)·N, part]
            best, index = part.topk(settings.top_k, dim=0)  # [k, part]
            weights.append(torch.softmax(best / settings.temperature, dim=0).T)
            candidates.append(index.T)
        index = torch.cat(candidates)  # [N, k]

        slots = [FIRST_SLOT] + [slot_of(frame, settings.context_frames) for frame in window]
        slot_of_place = torch.tensor(slots, device=self.device)
        sources = slot_of_place[index // cells] * cells + index % cells

        self.remember(query)
        return Votes(torch.cat(weights), sources)


def within_radius(height: int, width: int, radius: float, device: torch.device | None = None) -> Tensor:
    """Return which pairs of cells lie nearer than ``radius`` to each other: bool [N, N]."""
    rows = torch.arange(height, device=device).repeat_interleave(width)
    columns = torch.arange(width, device=device).repeat(height)
    squared = (rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2
    return squared.double() < radius * radius
