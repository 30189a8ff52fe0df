"""The exact fast path in PyTorch: affinities only inside the window, and top-k over group maxima.

A group is one key cell over all frames of the window, or a run of consecutive cells of frame 0. The k
largest affinities of a cell always lie in the k groups with the largest maxima, so after one pass of matrix
products only k groups are read again: exact up to ties, at a twentieth of the cost of selecting from all.
"""

from __future__ import annotations

import queue
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

from sfc_cli.core.devices import writes_into_views
from sfc_cli.core.propagation.matching import (
    Matcher,
    Votes,
    copies_of_first,
    is_remembered,
    memory_slots,
    slot_of,
)
from sfc_cli.core.propagation.tiles import Tile, plan_window
from sfc_cli.settings.propagation import PropagationSettings

_LOWEST: Final = -3.0e38
# Rows of frame 0 per matrix product: its keys stay in the second-level cache.
_FIRST_ROWS: Final = 1280


class WindowedMatcher(Matcher):
    """Matches frames tile by tile, two threads or more at a time on a CPU.

    Memory: the features of ``context_frames`` + 1 frames and of ``memory_frames``, and per thread one score
    buffer of (key cells within reach · frames + M·N) · tile cells floats, M frames being in the long memory.
    Nothing grows with the video's length.

    Args:
        first: Unit features of frame 0, [C, h, w].
        settings: ``top_k``, ``radius``, ``temperature``, ``context_frames`` and ``memory_frames`` are used.
        threads: Tiles at work at once; None for PyTorch's number of threads on a CPU and one elsewhere.
    """

    def __init__(self, first: Tensor, settings: PropagationSettings, *, threads: int | None = None) -> None:
        super().__init__(first, settings)
        self._writes_into_views = writes_into_views(self.device)
        self._threads = threads or (torch.get_num_threads() if self.device.type == "cpu" else 1)
        self._plan = plan_window(self.height, self.width, settings.radius, self.channels, self.device)
        # A group of frame 0 is as long as a full window's, within bounds that keep both selections cheap.
        self._run = min(max(settings.context_frames, 8), 32)
        self._runs = -(-self.cells // self._run)
        # Frame 0, and behind it the frames of the long memory that it waits for: [M·N padded, C].
        self._padded = self._runs * self._run
        self._first = first.new_zeros(self._padded, self.channels)
        self._first[: self.cells] = first.flatten(1).T
        self._memory_slots = torch.zeros(1, dtype=torch.int64, device=self.device)  # [M]
        self._waiting: list[tuple[int, int, Tensor]] = []
        self._ring = _FeatureRing(self.height, self.width, self.channels, settings.context_frames, first)
        self._workspaces: queue.SimpleQueue[_Workspace] = queue.SimpleQueue()
        for _ in range(self._threads):
            self._workspaces.put(_Workspace(self.device))

    def advance(self, frames: Tensor, wanted: Tensor | None = None) -> Votes:
        """Match the next frames one after the other. See ``Matcher.advance``."""
        k = self.settings.top_k
        weights = frames.new_zeros(len(frames), self.height, self.width, k)
        sources = torch.zeros(weights.shape, dtype=torch.int64, device=self.device)
        tiles = self._tiles_with(wanted)
        for frame, frame_weights, frame_sources in zip(frames, weights, sources, strict=True):
            self._match(tiles, frame, frame_weights, frame_sources)
            self.remember(frame)
        return Votes(weights.flatten(1, 2), sources.flatten(1, 2))

    def _tiles_with(self, wanted: Tensor | None) -> Sequence[Tile]:
        """Return the tiles that hold any wanted cell."""
        if wanted is None:
            return self._plan.tiles
        grid = wanted.view(self.height, self.width).cpu()
        return [tile for tile in self._plan.tiles if bool(grid[tile.rows, tile.columns].any())]

    def remember(self, frame: Tensor) -> None:
        """See ``Matcher.remember``."""
        window, named = self.settings.context_frames, self.settings.memory_frames
        if window:
            self._ring.append(frame, slot_of(self.target, window) - 1)
        for slot in memory_slots(self.target, self.settings):
            self._waiting.append((named[slot - 1 - window], slot, frame))
        self.target += 1

    def skip(self, frames: int) -> None:
        """See ``Matcher.skip``."""
        super().skip(frames)
        if frames:
            # The window is full: its frames come in the order of time, not of their slots.
            self._ring.frames = self.settings.context_frames

    def _remember_for_good(self) -> None:
        """Let frames of the long memory that have left the window vote beside frame 0."""
        for entry in list(self._waiting):
            named, slot, frame = entry
            if is_remembered(named, self.target, self.settings.context_frames):
                keys = frame.new_zeros(self._padded, self.channels)
                keys[: self.cells] = frame.flatten(1).T
                self._first = torch.cat([self._first, keys])
                self._memory_slots = torch.cat([self._memory_slots, self._memory_slots.new_tensor([slot])])
                self._waiting.remove(entry)

    def _match(self, tiles: Sequence[Tile], query: Tensor, weights: Tensor, sources: Tensor) -> None:
        self._remember_for_good()

        def work(tile: Tile) -> None:
            # Gradient mode belongs to a thread, and writing into buffers needs it off.
            with torch.no_grad():
                workspace = self._workspaces.get()
                try:
                    self._match_tile(tile, query, weights, sources, workspace)
                finally:
                    self._workspaces.put(workspace)

        if self._threads == 1:
            for tile in tiles:
                work(tile)
        else:
            list(_pool(self._threads).map(work, tiles))

    def _match_tile(
        self, tile: Tile, query: Tensor, weights: Tensor, sources: Tensor, workspace: _Workspace
    ) -> None:
        """Write the votes of one tile of Q query cells.

        All affinities of the tile are rows of one buffer [S, Q], group after group: each of the P key cells
        within reach over the F windowed frames so far, then frame 0 in runs of cells.
        """
        queries = query[:, tile.rows, tile.columns].flatten(1)  # [C, Q]
        frames = self._ring.frames
        # Frame 1 has no windowed frames yet: copies of frame 0 are counted, not matched again.
        positions = tile.positions if frames else 0
        scores, maxima = workspace.buffers(
            positions * frames + len(self._first),
            positions + self._runs * len(self._memory_slots),
            queries.shape[1],
        )  # [S, Q], [G, Q]
        if frames:
            self._score_window(tile, queries, scores, maxima)
        self._score_first(queries, scores[positions * frames :], maxima[positions:])
        best, group, offset = self._select(scores, maxima, positions)  # [Q, k] each

        # In the window the group is the key cell and the offset its frame; in frame 0 both give the cell.
        in_window = group < positions
        windowed_cell = tile.cells[group.clamp(max=tile.positions - 1)]
        row = ((group - positions) * self._run + offset).clamp(min=0)
        memory, first_cell = row // self._padded, row % self._padded
        # The last run may be longer than the map. What pads it, or what is out of reach, gets the weight 0,
        # but its source must still exist.
        cell = torch.where(in_window, windowed_cell, first_cell).clamp_(max=self.cells - 1)
        slot = torch.where(in_window & (best > _LOWEST), 1 + offset, 0)
        slot = torch.where(in_window, slot, self._memory_slots[memory])

        k = best.shape[1]
        shape = (tile.height, tile.width, k)
        weights[tile.rows, tile.columns, :k] = self._weigh(best, cell, slot, tile).view(shape)
        sources[tile.rows, tile.columns, :k] = (slot * self.cells + cell).view(shape)
        # Copies of frame 0 can make up for fewer candidates than top_k: the rest are votes of weight 0.
        weights[tile.rows, tile.columns, k:] = 0
        sources[tile.rows, tile.columns, k:] = 0

    def _select(self, scores: Tensor, maxima: Tensor, positions: int) -> tuple[Tensor, Tensor, Tensor]:
        """Choose the top k of each query from the k groups with the largest maxima.

        Args:
            scores: Affinities [S, Q], as ``_match_tile`` lays them out.
            maxima: The largest affinity of each group, [G, Q]; ``_LOWEST`` where the group is out of reach.
            positions: P, how many of the groups are the window's; they come first.

        Returns:
            Affinities, the largest first, their groups and the offsets within them, [Q, k] each.
        """
        frames, run, top_k = self._ring.frames, self._run, self.settings.top_k
        groups = maxima.T.contiguous().topk(min(top_k, len(maxima)), sorted=False).indices.T  # [g, Q]
        in_window = groups < positions
        size = torch.where(in_window, frames, run)
        # The first row of a group: frame 0 begins after the P·F rows of the window.
        start = torch.where(in_window, groups * frames, groups * run + positions * (frames - run))

        # Both kinds of groups are read as if they were of the longer one's length e; a shorter group repeats
        # its last element, and the repetitions are taken out again.
        length = max(frames, run)
        element = torch.arange(length, device=self.device)[:, None]  # [e, 1]
        rows = start[:, None] + torch.minimum(element, size[:, None] - 1)  # [g, e, Q]
        candidates = scores.gather(0, rows.flatten(0, 1)).unflatten(0, rows.shape[:2])  # [g, e, Q]
        # The radius was applied to the maxima alone: a key cell is out of reach in all frames or in none.
        is_void = (element >= size[:, None]) | (maxima.gather(0, groups) <= _LOWEST)[:, None]
        candidates = candidates.masked_fill_(is_void, _LOWEST).flatten(0, 1).T.contiguous()  # [Q, g·e]

        best, index = candidates.topk(min(top_k, candidates.shape[1]))  # [Q, k] each
        return best, groups.T.gather(1, index // length), index % length

    def _score_window(self, tile: Tile, queries: Tensor, scores: Tensor, maxima: Tensor) -> None:
        """Write the affinities with the windowed frames, one row of key cells at a time."""
        frames = self._ring.frames
        for row in tile.key_rows:
            keys = self._ring.span(row.row, row.left, row.right)  # [n·F, C]
            groups = slice(row.first, row.first + row.right - row.left)
            out = scores[groups.start * frames : groups.stop * frames, row.queries]  # [n·F, q]
            if self._writes_into_views:
                torch.mm(keys, queries[:, row.queries], out=out)
                torch.amax(out.unflatten(0, (-1, frames)), 1, out=maxima[groups, row.queries])
            else:
                products = keys @ queries[:, row.queries]
                out.copy_(products)
                maxima[groups, row.queries] = products.unflatten(0, (-1, frames)).amax(1)
        # This covers the queries that a row cannot reach, whose entries were not written.
        maxima[: tile.positions].masked_fill_(tile.beyond_radius, _LOWEST)

    def _score_first(self, queries: Tensor, scores: Tensor, maxima: Tensor) -> None:
        """Write the affinities with the long memory, some runs of cells of a frame at a time."""
        step = max(1, _FIRST_ROWS // self._run)
        for memory in range(len(self._memory_slots)):
            of_frame = slice(memory * self._padded, (memory + 1) * self._padded)
            keys, frame_scores = self._first[of_frame], scores[of_frame]
            for a in range(0, self._runs, step):
                b = min(self._runs, a + step)
                out = frame_scores[a * self._run : b * self._run]
                torch.mm(keys[a * self._run : b * self._run], queries, out=out)
                # The cells that pad the last run must not win.
                if b == self._runs:
                    frame_scores[self.cells :] = _LOWEST
                groups = slice(memory * self._runs + a, memory * self._runs + b)
                torch.amax(out.unflatten(0, (-1, self._run)), 1, out=maxima[groups])

    def _weigh(self, best: Tensor, cell: Tensor, slot: Tensor, tile: Tile) -> Tensor:
        """Turn sorted affinities [Q, k] into weights [Q, k], counting the copies of frame 0 in the window.

        A copy has the affinity of the original, so each takes the next of the k votes until none is left.
        """
        weights = torch.exp((best - best[:, :1]) / self.settings.temperature)
        copies = copies_of_first(self.target, self.settings.context_frames)
        # Frames of the long memory that are not there yet are copies, too, which vote from any distance.
        waiting = len(self.settings.memory_frames) + 1 - len(self._memory_slots)
        if copies or waiting:
            # The copies are windowed frames, the original is not: the radius applies to the copies only.
            counts = 1 + copies * ((slot == 0) & self._plan.within_radius(cell, tile))
            if waiting:
                counts += waiting * (slot == 0)
            before = counts.cumsum(1) - counts  # how many votes the better candidates take
            weights *= torch.minimum(counts, (self.settings.top_k - before).clamp_(min=0))
        return weights / weights.sum(1, keepdim=True)


class _FeatureRing:
    """The windowed frames' features in one buffer, frames innermost but channels: [h, w, F, C].

    A span of neighbouring cells over all frames is then one contiguous matrix. Until the window is full the
    buffer is laid out for the frames that there are, so that no empty slot is ever multiplied.
    """

    def __init__(self, height: int, width: int, channels: int, capacity: int, like: Tensor) -> None:
        self._shape = (height, width, channels)
        self._buffer = like.new_empty(height * width * capacity * channels)
        self.frames = 0

    def _view(self, frames: int) -> Tensor:
        height, width, channels = self._shape
        return self._buffer[: height * width * frames * channels].view(height, width, frames, channels)

    def append(self, features: Tensor, slot: int) -> None:
        """Put a frame's features [C, h, w] in a slot, which may be one more than there are."""
        if slot == self.frames:
            self._widen()
        self._view(self.frames)[:, :, slot] = features.permute(1, 2, 0)

    def _widen(self) -> None:
        # From the last row to the first: where a row moves to, no row that is still to move is overwritten.
        old, new = self._view(self.frames), self._view(self.frames + 1)
        if self.frames:
            for row in reversed(range(self._shape[0])):
                new[row, :, : self.frames] = old[row].clone()
        self.frames += 1

    def span(self, row: int, left: int, right: int) -> Tensor:
        """Return the features of cells left … right−1 of a row over all frames, [n·F, C], contiguous."""
        return self._view(self.frames)[row, left:right].flatten(0, 1)


class _Workspace:
    """The buffers of one thread, grown to the largest tile and then reused."""

    def __init__(self, device: torch.device) -> None:
        self._scores = torch.empty(0, device=device)
        self._maxima = torch.empty(0, device=device)

    def buffers(self, rows: int, groups: int, queries: int) -> tuple[Tensor, Tensor]:
        """Return uninitialised scores [rows, Q] and maxima [groups, Q]."""
        if self._scores.numel() < rows * queries:
            self._scores = self._scores.new_empty(rows * queries)
        if self._maxima.numel() < groups * queries:
            self._maxima = self._maxima.new_empty(groups * queries)
        scores = self._scores[: rows * queries].view(rows, queries)
        return scores, self._maxima[: groups * queries].view(groups, queries)


@lru_cache(maxsize=4)
def _pool(threads: int) -> ThreadPoolExecutor:
    # One thread of ours for each core, each with a single-threaded matrix product: faster than the reverse.
    return ThreadPoolExecutor(threads, initializer=lambda: torch.set_num_threads(1))
