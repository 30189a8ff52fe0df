"""The CUDA path: affinity, window and top-k in one Triton kernel that never stores the affinity.

A first pass in float16 on tensor cores keeps some candidates more than ``top_k``; a second one scores these
in float32 and makes them votes. No compiler is needed beyond Triton; without it this module still imports.
"""

from __future__ import annotations

import itertools
import math
import os
from dataclasses import dataclass
from functools import lru_cache
from importlib.util import find_spec
from typing import Final, NamedTuple

import torch
from torch import Tensor

from sfc_cli.core.propagation.matching import Matcher, Votes, reach, slot_of, within_radius
from sfc_cli.settings.propagation import PropagationSettings, VotePrecision
from sfc_cli.wording import counted

MAX_TOP_K: Final = 32
MAX_CHANNELS: Final = 2048
# Candidates beyond top_k in the first pass. On features of a ResNet-18 and a ResNet-50 of three DAVIS videos,
# 6 held all of the true top k for each of 900 query cells; none (0) did so for 98.0 to 99.7 % of them.
_MARGIN: Final = 16
# Up to so many channels the queries of a tile stay in shared memory.
_RESIDENT_CHANNELS: Final = 256
# Programs per launch: some waves on the largest cards, while the frames of a batch need memory.
_PROGRAMS: Final = 1024
_MOST_FRAMES: Final = 32
_BATCH_BYTES: Final = 600_000_000
_INT32: Final = 2**31 - 1


@dataclass(frozen=True, kw_only=True)
class Blocks:
    """How the work is divided among programs.

    Args:
        tile_height: Query rows of a tile, a power of two.
        tile_width: Query columns of a tile, a power of two.
        keys: Keys per block, a power of two from 16.
        channels: Channels per step, a power of two from 16; a video's channels are padded to a multiple.
        warps: Warps per program.
        stages: Loads in flight at a time.
        voters: Query cells per program of the second pass, a power of two.
        frames: Query frames per launch, at most.
        boxes: Keys come in boxes as large as a tile, by tensor descriptors; from compute capability 9.0 on,
            and only if ``keys`` is the size of a tile. No card chooses it yet: it has not been timed.
    """

    tile_height: int
    tile_width: int
    keys: int
    channels: int
    warps: int
    stages: int
    voters: int
    frames: int
    boxes: bool = False


class _Card(NamedTuple):
    """What suits a generation of cards.

    Args:
        few_warps: Warps per program with few channels.
        few_stages: Loads in flight with few channels.
        many_stages: Loads in flight with many channels.
        wide_slots: With so many slots blocks of 128 × 128 still fit into the registers.
    """

    few_warps: int
    few_stages: int
    many_stages: int
    wide_slots: int


# Compiles without spills for 8.0, 8.6, 8.9 and 12.0, in the shared memory of the smallest: for any card that
# the table does not name.
_SAFE: Final = _Card(few_warps=4, few_stages=3, many_stages=3, wide_slots=16)
# By the major number of the compute capability. 9 was timed on an H100, where a fourth stage won 3 % with
# many channels, but it spills when compiled by Triton 3.8; 10 is chosen by registers alone.
_CARDS: Final = {
    9: _Card(few_warps=4, few_stages=2, many_stages=3, wide_slots=32),
    10: _Card(few_warps=8, few_stages=3, many_stages=3, wide_slots=0),
}


def choose_blocks(height: int, width: int, channels: int, slots: int, *, generation: int = 0) -> Blocks:
    """Return the blocks for h × w cells of C channels, with ``slots`` candidates a query.

    Few channels: 64 queries stay in shared memory and two programs share a multiprocessor. Many channels: the
    second-level cache is the limit, and blocks of 128 × 128 read the least from it, where they fit.

    Args:
        height: h.
        width: w.
        channels: C.
        slots: A power of two.
        generation: The major number of the card's compute capability.
    """
    card = _CARDS.get(generation, _SAFE)
    is_resident = channels <= _RESIDENT_CHANNELS
    queries = 64 if is_resident else 128
    tile_height = min(8, _power_of_two(height))
    tile_width = min(queries // tile_height, _power_of_two(width))
    tile_height = queries // tile_width
    tiles = -(-height // tile_height) * -(-width // tile_width)
    # Small maps take many frames to fill a card; large ones with many channels fill its memory.
    affordable = _BATCH_BYTES // (6 * height * width * channels)
    return Blocks(
        tile_height=tile_height,
        tile_width=tile_width,
        keys=64 if is_resident or slots > card.wide_slots else 128,
        channels=max(16, _power_of_two(channels)) if is_resident else 64,
        warps=card.few_warps if is_resident else 8,
        stages=card.few_stages if is_resident else card.many_stages,
        voters=1,
        frames=max(1, min(_MOST_FRAMES, _PROGRAMS // tiles, affordable)),
    )


def why_not_fused(first: Tensor, settings: PropagationSettings) -> str | None:
    """Return why the fused backend cannot match this video, or None if it can.

    Args:
        first: Features of frame 0, [C, h, w], on the device to work on.
        settings: ``top_k`` and ``context_frames`` are used.
    """
    channels, height, width = first.shape
    if settings.memory_frames:
        return "frames of the long memory are named"
    if not settings.context_frames:
        return "there is no window"
    if find_spec("triton") is None:
        return "Triton is not installed"
    if os.environ.get("TRITON_INTERPRET") != "1":
        if first.device.type != "cuda" or torch.version.hip is not None:
            return f"the device is {first.device.type}, not an NVIDIA card"
        if torch.cuda.get_device_capability(first.device) < (8, 0):
            return "the card is older than compute capability 8.0"
    if settings.top_k > MAX_TOP_K:
        return f"top_k {settings.top_k} is above {MAX_TOP_K}"
    if channels > MAX_CHANNELS:
        return f"{channels} channels are more than {MAX_CHANNELS}"
    if (settings.context_frames + 1) * height * width > _INT32:
        return f"{counted(settings.context_frames, 'frame')} of {height}×{width} cells are too many"
    return None


class FusedMatcher(Matcher):
    """Matches several frames in one launch of each of two kernels.

    Memory: the features of ``context_frames`` + ``frames_at_once`` + 1 frames, twice: in float16 for the
    first pass and, with ``exact``, in float32 for the second. Reads, writes and FLOPs: see the kernels.

    With ``exact`` the affinities of the votes are computed in float32; a context cell can only be missed if
    the error of the first pass (below 1.1e-4 on the features above) exceeds the lead over 16 others.

    Args:
        first: Unit features of frame 0, [C, h, w], on a CUDA device (any under Triton's interpreter).
        settings: ``top_k``, ``radius``, ``temperature`` and ``context_frames`` are used.
        precision: ``exact``, or ``fast`` for votes straight from the float16 pass.
        blocks: How to cut the work; None for ``choose_blocks``.

    Raises:
        ValueError: If ``why_not_fused`` gives a reason.
    """

    def __init__(
        self,
        first: Tensor,
        settings: PropagationSettings,
        precision: VotePrecision = "exact",
        *,
        blocks: Blocks | None = None,
    ) -> None:
        super().__init__(first, settings)
        reason = why_not_fused(first, settings)
        if reason is not None:
            raise ValueError(f"the fused backend cannot be used: {reason}")
        self.precision = precision
        self._kept = settings.top_k + (_MARGIN if precision == "exact" else 0)
        self._slots = max(16, _power_of_two(self._kept))
        is_card = self.device.type == "cuda"
        generation = torch.cuda.get_device_capability(self.device)[0] if is_card else 0
        self.blocks = blocks or choose_blocks(
            self.height, self.width, self.channels, self._slots, generation=generation
        )
        self._limit = min(math.ceil(settings.radius * settings.radius), _INT32)
        find = reachable_boxes if self.blocks.boxes else reachable_cells
        reachable, counts = find(
            self.height, self.width, settings.radius, self.blocks.tile_height, self.blocks.tile_width
        )
        self._reachable, self._counts = reachable.to(self.device), counts.to(self.device)
        self.frames_at_once = self.blocks.frames
        self._rows = settings.context_frames + self.frames_at_once
        padded = -(-self.channels // self.blocks.channels) * self.blocks.channels
        shape = (1 + self._rows, self.cells, padded)
        self._rounded = torch.zeros(shape, dtype=torch.float16, device=self.device)
        self._bias = torch.zeros(shape[:2], device=self.device)
        self._exact = torch.zeros(shape if precision == "exact" else (0,), device=self.device)
        self._mean = first.flatten(1).mean(1)  # [C]
        self._boxes = self._rounded
        if self.blocks.boxes:
            from triton.tools.tensor_descriptor import TensorDescriptor

            tile = (self.blocks.tile_height, self.blocks.tile_width)
            table = self._rounded.unflatten(1, (self.height, self.width))  # [1 + rows, h, w, C]
            self._boxes = TensorDescriptor.from_tensor(table, [1, *tile, self.blocks.channels])
        self._store(first[None], 0)

    def advance(self, frames: Tensor, wanted: Tensor | None = None) -> Votes:
        """Match the next frames, ``frames_at_once`` at a time. See ``Matcher.advance``."""
        del wanted  # The kernels match all cells.
        shape = (len(frames), self.cells, self.settings.top_k)
        votes = Votes(
            torch.empty(shape, device=self.device), torch.empty(shape, dtype=torch.int64, device=self.device)
        )
        step = self.frames_at_once
        with torch.no_grad(), torch.cuda.device_of(frames):
            for weights, sources, batch in zip(
                votes.weights.split(step), votes.sources.split(step), frames.split(step), strict=True
            ):
                self._store(batch, self.target)
                self._match(weights, sources)
                self.target += len(batch)
        return votes

    def remember(self, frame: Tensor) -> None:
        """See ``Matcher.remember``."""
        self._store(frame[None], self.target)
        self.target += 1

    def _store(self, frames: Tensor, index: int) -> None:
        """Put consecutive frames [B, C, h, w], the first of that index, into their rows of the table."""
        row = slot_of(index, self._rows)
        # The rows take turns: what is beyond the last goes on in the first.
        ahead, beyond = frames[: 1 + self._rows - row], frames[1 + self._rows - row :]
        features = ahead.flatten(2).transpose(1, 2)  # [B, N, C]
        # What all features have in common would cost the rounded ones their precision.
        centred = features - self._mean
        rows = slice(row, row + len(ahead))
        self._rounded[rows, :, : self.channels] = centred
        self._bias[rows] = centred @ self._mean
        if self.precision == "exact":
            self._exact[rows, :, : self.channels] = features
        if len(beyond):
            self._store(beyond, index + len(ahead))

    def _match(self, weights: Tensor, sources: Tensor) -> None:
        """Write the votes of B stored frames from ``target`` on, [B, N, k]."""
        from sfc_cli.core.propagation.fused_kernels import select_kernel, vote_kernel

        settings, blocks = self.settings, self.blocks
        batch = (len(weights), self.cells, self._slots)
        affinities = torch.empty(batch, device=self.device)
        candidates = torch.empty(batch, dtype=torch.int32, device=self.device)
        span = self._reachable.shape[1]
        sizes = (self.target, settings.context_frames, self._rows, self.height, self.width, span, self._limit)
        tile = {"TILE_H": blocks.tile_height, "TILE_W": blocks.tile_width}
        select_kernel[len(self._counts), len(weights)](
            self._rounded,
            self._boxes,
            self._bias,
            self._reachable,
            self._counts,
            affinities,
            candidates,
            *sizes,
            **tile,
            C=self._rounded.shape[2],
            KEPT=self._kept,
            SLOTS=self._slots,
            BLOCK_K=blocks.keys,
            BLOCK_C=blocks.channels,
            BOXES=blocks.boxes,
            num_warps=blocks.warps,
            num_stages=blocks.stages,
        )
        vote_kernel[-(-self.cells // blocks.voters), len(weights)](
            self._exact,
            self._reachable,
            affinities,
            candidates,
            weights,
            sources,
            *sizes,
            1 / settings.temperature,
            **tile,
            C=self._rounded.shape[2],
            K=settings.top_k,
            SLOTS=self._slots,
            BLOCK_Q=blocks.voters,
            BLOCK_C=min(blocks.channels, 32),
            EXACT=self.precision == "exact",
            BOXES=blocks.boxes,
            num_warps=2,
        )


@lru_cache(maxsize=4)
def reachable_cells(
    height: int, width: int, radius: float, tile_height: int, tile_width: int
) -> tuple[Tensor, Tensor]:
    """List for each tile the cells within ``radius`` of any of its own, those nearest to its centre first.

    Args:
        height: h.
        width: w.
        radius: In cells; strict.
        tile_height: Rows of a tile; the last tile may have fewer.
        tile_width: Columns of a tile; the last tile may have fewer.

    Returns:
        Cells, int32 [tiles, span] on the CPU, padded with 0, and how many there are, int32 [tiles].
    """
    extent = max(reach(radius), 0)
    left = torch.arange(0, width, tile_width)[:, None]  # [tiles across, 1]
    right = (left + tile_width).clamp(max=width) - 1
    x = torch.arange(width)
    # How far a column is from the tile, and twice how far from the tile's centre, which may be half a cell.
    gap_x = torch.maximum(left - x, x - right).clamp(min=0)  # [tiles across, w]
    off_x = 2 * x - left - right
    lists, counts = [], []
    for top in range(0, height, tile_height):
        bottom = min(top + tile_height, height) - 1
        y = torch.arange(max(0, top - extent), min(height, bottom + extent + 1))[:, None]
        gap_y = torch.maximum(top - y, y - bottom).clamp(min=0)  # [rows, 1]
        is_near = within_radius(gap_y, gap_x[:, None], radius).flatten(1)  # [tiles across, rows·w]
        from_centre = ((2 * y - top - bottom) ** 2 + off_x[:, None] ** 2).flatten(1)
        order = from_centre.masked_fill(~is_near, _INT32).argsort(dim=1, stable=True)
        count = is_near.sum(1)
        lists.append((order + int(y[0]) * width)[:, : int(count.max())])
        counts.append(count)
    span = max(1, *(cells.shape[1] for cells in lists))
    reachable = torch.zeros(sum(map(len, lists)), span, dtype=torch.int32)
    first = 0
    for cells in lists:
        reachable[first : first + len(cells), : cells.shape[1]] = cells
        first += len(cells)
    return reachable, torch.cat(counts).int()


@lru_cache(maxsize=4)
def reachable_boxes(
    height: int, width: int, radius: float, tile_height: int, tile_width: int
) -> tuple[Tensor, Tensor]:
    """List for each tile boxes of its size that hold all cells of ``reachable_cells``, none of them twice.

    Args:
        height: h.
        width: w.
        radius: In cells; strict.
        tile_height: Rows of a tile and of a box; a box may go beyond the map.
        tile_width: Columns of a tile and of a box.

    Returns:
        The first cell of each box, int32 [tiles, span] on the CPU, those nearest to the tile first, padded
        with 0, and how many there are, int32 [tiles].
    """
    extent = max(reach(radius), 0)
    corners: list[list[int]] = []
    for top, left in itertools.product(range(0, height, tile_height), range(0, width, tile_width)):
        bottom, right = min(top + tile_height, height) - 1, min(left + tile_width, width) - 1
        found: list[tuple[int, int]] = []
        # Strips of boxes, each as long as the disc is wide there.
        for y in range(max(0, top - extent), min(height, bottom + extent + 1), tile_height):
            wide = reach(radius, max(top - (y + tile_height - 1), y - bottom, 0))
            ends = (max(0, left - wide), min(width, right + wide + 1)) if wide >= 0 else (0, 0)
            found += (((y - top) ** 2 + (x - left) ** 2, y * width + x) for x in range(*ends, tile_width))
        corners.append([cell for _, cell in sorted(found)])
    counts = torch.tensor([len(cells) for cells in corners], dtype=torch.int32)
    span = max(1, int(counts.max()))
    padded = [cells + [0] * (span - len(cells)) for cells in corners]
    return torch.tensor(padded, dtype=torch.int32), counts


def _power_of_two(number: int) -> int:
    """Return the smallest power of two from ``number`` on."""
    return 1 << (number - 1).bit_length()
