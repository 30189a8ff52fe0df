"""Context beyond the window: every n-th frame that has left it, thinned out so that memory stays bounded."""

from __future__ import annotations

import torch
from torch import Tensor

from sfc_cli.core.propagation.matching import within_radius
from sfc_cli.settings.propagation import PropagationSettings

# Things move farther in more frames than a window holds.
_REACH = 2
MOST_FRAMES = 12
_QUERIES_AT_ONCE = 256


class LongMemory:
    """Frames before the window that stay context, and their votes beside those of the window.

    Once there are more than twelve, every other one is forgotten and the distance between them doubles.

    Args:
        first: Unit features of frame 0, [C, h, w].
        settings: ``memory_distance`` is the distance of the frames; all that decides votes is used.
    """

    def __init__(self, first: Tensor, settings: PropagationSettings) -> None:
        self._settings = settings
        self._distance = settings.memory_distance
        _, height, width = first.shape
        cell = torch.arange(height * width, device=first.device)
        self._y, self._x = cell // width, cell % width
        # The context as the sources of votes name it: slot · N + cell.
        self._slots = first.new_zeros(1 + settings.context_frames, height * width, len(first))  # [1+F, N, C]
        self._slots[0] = first.flatten(1).T
        self._kept: dict[int, tuple[Tensor, Tensor]] = {}

    def replace(self, slot: int, frame: int, features: Tensor, rows: Tensor) -> None:
        """Put a frame into its slot; the one that it replaces has left the window.

        Args:
            slot: Which.
            frame: The frame's index.
            features: Its unit features, [C, h, w].
            rows: The labels that the slot held so far, [N, K].
        """
        leaving = frame - self._settings.context_frames
        if leaving > 0 and leaving % self._distance == 0:
            self._kept[leaving] = (self._slots[slot].clone(), rows.clone())
            if len(self._kept) > MOST_FRAMES:
                self._distance *= 2
                self._kept = {
                    index: kept for index, kept in self._kept.items() if index % self._distance == 0
                }
        self._slots[slot] = features.flatten(1).T

    def labels(self, query: Tensor, weights: Tensor, sources: Tensor, rows: Tensor) -> Tensor | None:
        """Label a frame from the best of the window's votes and of the older frames.

        Args:
            query: Unit features of the frame, [C, h, w].
            weights: Of the window's votes, [N, k]; those of weight 0 do not count.
            sources: The window's votes, [N, k], rows of the label memory.
            rows: The label memory, [(1+F)·N, K].

        Returns:
            Labels [N, K]; None as long as no frame is kept.
        """
        if not self._kept:
            return None
        k, temperature = self._settings.top_k, self._settings.temperature
        cells = query.flatten(1).T  # [N, C]
        features = torch.cat([kept for kept, _ in self._kept.values()])  # [L·N, C]
        table = torch.cat([rows, *(kept for _, kept in self._kept.values())])  # [(1+F+L)·N, K]
        result = []
        for part in torch.arange(len(cells), device=query.device).split(_QUERIES_AT_ONCE):
            own = cells[part]  # [q, C]
            window = torch.einsum("qkc,qc->qk", self._slots.flatten(0, 1)[sources[part]], own)
            window.masked_fill_(weights[part] == 0, float("-inf"))
            dy, dx = (side[part, None] - side for side in (self._y, self._x))
            near = within_radius(dy, dx, _REACH * self._settings.radius)  # [q, N]
            older = own @ features.T  # [q, L·N]
            older.unflatten(1, (-1, len(cells))).masked_fill_(~near[:, None], float("-inf"))
            best, index = older.topk(min(k, older.shape[1]), dim=1)
            affinity, chosen = torch.cat([window, best], 1).topk(k, dim=1)  # [q, k]
            candidates = torch.cat([sources[part], index + len(rows)], 1)
            shares = torch.softmax(affinity / temperature, dim=1)
            result.append(
                torch.nn.functional.embedding_bag(
                    candidates.gather(1, chosen),
                    table,
                    mode="sum",
                    per_sample_weights=shares.to(table.dtype),
                )
            )
        return torch.cat(result)
