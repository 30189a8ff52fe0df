"""The Triton kernels of the fused backend: choose candidates with tensor cores, then turn them into votes.

Importing this module imports Triton. Both kernels read the context as one table of frames: frame 0 in row 0,
frame f in row 1 + (f − 1) mod ``rows``. A candidate is one int32, age · N + entry. At age 0 are the cells of
frame 0, where the entry is the cell itself; at age a are those of frame target − a, where the entry is an
index into the list of cells that the query's tile reaches, or with BOXES the cell too. Letters as in
``core.features``.
"""
# mypy: disable-error-code="untyped-decorator"
# ruff: noqa: N803  # what is known when a kernel is compiled is written in capitals

from __future__ import annotations

import triton
import triton.language as tl

LOWEST = tl.constexpr(-3.0e38)
ANYWHERE = tl.constexpr(2**31 - 1)

# Nothing here is worth a compilation of its own: one kernel serves every frame and every video of a size.
_RUNTIME = ["target", "window", "rows", "height", "width", "span", "limit"]


@triton.jit(do_not_specialize=_RUNTIME)
def select_kernel(
    features: tl.tensor,
    boxes: tl.tensor_descriptor,
    bias: tl.tensor,
    reachable: tl.tensor,
    counts: tl.tensor,
    affinities: tl.tensor,
    candidates: tl.tensor,
    target: int,
    window: int,
    rows: int,
    height: int,
    width: int,
    span: int,
    limit: int,
    C: tl.constexpr,
    KEPT: tl.constexpr,
    SLOTS: tl.constexpr,
    TILE_H: tl.constexpr,
    TILE_W: tl.constexpr,
    BLOCK_K: tl.constexpr,
    BLOCK_C: tl.constexpr,
    BOXES: tl.constexpr,
) -> None:
    """Keep the ``KEPT`` context cells of largest affinity for each query cell of one tile of one frame.

    A program takes the TILE_H · TILE_W = Q query cells of a tile and walks over blocks of BLOCK_K keys: the
    cells that the tile reaches, nearest first, in the newest frame, then in the older ones, and last all
    cells of frame 0. Likely candidates therefore come early and raise the threshold; most later blocks have
    nothing above it, and then neither the distance test nor the insertion runs. Otherwise every pass of the
    inner loop replaces the weakest score kept of each query by its best new one.

    The keys of a block are gathered from a list of cells. With BOXES they are a box of the map as large as
    the tile, which the card's copy engine brings (compute capability 9.0): nothing is gathered, but boxes
    cover a disc with a quarter more keys.

    Keys and queries are centred: q·k = (q − μ)·(k − μ) + μ·(k − μ) + q·μ. The first term is a product of the
    rounded features, the second the ``bias`` of a key; the third is the same for all keys and is left out.

    Grid: (tiles, B); axis 1 is the query frame, ``target`` + index.
    Accumulation: float32, on tensor cores for float16 features.
    Ties: within a block the earlier key enters first; a later one enters only above the weakest kept.
    FLOPs: 2·C·Q per key; a query frame with F windowed frames has sum(counts)·F + tiles·N keys, of which with
        BOXES each count is one of boxes.
    Bytes: read 2·C per key, and 2·C·Q per block of keys if BLOCK_C < C: mostly from the second-level cache,
        as neighbouring programs walk through the same frames. Written 8·N·SLOTS per query frame.
    Measured: registers, spills and shared memory by benchmarks/fused_compile.py.
    Parity: tests/core/propagation/test_fused.py (interpreter), tests/gpu/test_fused.py.

    Args:
        features: Centred features [1 + rows, N, C], zero beyond the true channels.
        boxes: The same as [1 + rows, h, w, C], read in boxes of [1, TILE_H, TILE_W, BLOCK_C]; used with BOXES
            only.
        bias: float32 [1 + rows, N].
        reachable: Cells that a tile reaches, nearest first, int32 [tiles, span]; with BOXES the first cells
            of the boxes that hold them.
        counts: Their number, int32 [tiles].
        affinities: Written: float32 [B, N, SLOTS], unsorted; the entries from KEPT on mean nothing.
        candidates: Written: int32 [B, N, SLOTS], −1 where there is none.
        target: The first query frame.
        window: How many frames before a query are its context.
        rows: Frames of the table besides frame 0.
        height: h.
        width: w.
        span: Row length of ``reachable``.
        limit: Squared distances below it are within the radius.
        C: Channels, a multiple of BLOCK_C.
        KEPT: Candidates to keep, at most SLOTS.
        SLOTS: A power of two.
        TILE_H: Query rows of a tile.
        TILE_W: Query columns of a tile.
        BLOCK_K: Keys per block.
        BLOCK_C: Channels per step; if C, the queries stay in shared memory.
        BOXES: Whether keys come in boxes; then BLOCK_K is TILE_H · TILE_W.
    """
    BLOCK_Q: tl.constexpr = TILE_H * TILE_W
    tile = tl.program_id(0)
    frame = target + tl.program_id(1)
    tiles_across = (width + TILE_W - 1) // TILE_W
    cells = height * width

    query = tl.arange(0, BLOCK_Q)
    query_y = (tile // tiles_across) * TILE_H + query // TILE_W
    query_x = (tile % tiles_across) * TILE_W + query % TILE_W
    is_query = (query_y < height) & (query_x < width)
    query_cell = tl.where(is_query, query_y * width + query_x, 0)
    query_row = 1 + (frame - 1) % rows
    channel = tl.arange(0, BLOCK_C)
    query_at = features + (query_row.to(tl.int64) * cells + query_cell)[:, None] * C + channel[None, :]
    if C == BLOCK_C:
        queries = tl.load(query_at)
    tile_top = (tile // tiles_across) * TILE_H
    tile_left = (tile % tiles_across) * TILE_W

    slot = tl.arange(0, SLOTS)
    key = tl.arange(0, BLOCK_K)
    # Slots from KEPT on are never the weakest, so nothing enters them.
    best = tl.where(slot < KEPT, LOWEST, -LOWEST)[None, :] + tl.zeros((BLOCK_Q, SLOTS), tl.float32)
    found = tl.full((BLOCK_Q, SLOTS), -1, tl.int32)

    count = tl.load(counts + tile)
    tile_list = reachable + tile.to(tl.int64) * span
    if BOXES:
        blocks = count
        first_blocks = tiles_across * ((height + TILE_H - 1) // TILE_H)
    else:
        blocks = (count + BLOCK_K - 1) // BLOCK_K
        first_blocks = (cells + BLOCK_K - 1) // BLOCK_K
    windowed_blocks = blocks * tl.minimum(frame - 1, window)
    for block in range(windowed_blocks + first_blocks):
        is_windowed = block < windowed_blocks
        # A tile that reaches nothing has no blocks, but the division is evaluated all the same.
        age = tl.where(is_windowed, block // tl.maximum(blocks, 1) + 1, 0)
        number = tl.where(is_windowed, block % tl.maximum(blocks, 1), block - windowed_blocks)
        row = tl.where(is_windowed, 1 + (frame - 1 - age) % rows, 0)
        if BOXES:
            corner = tl.load(tile_list + number, mask=is_windowed, other=0)
            box_top = tl.where(is_windowed, corner // width, (number // tiles_across) * TILE_H)
            box_left = tl.where(is_windowed, corner % width, (number % tiles_across) * TILE_W)
            start = box_top * width + box_left
            key_y = box_top + key // TILE_W
            key_x = box_left + key % TILE_W
            is_key = (key_y < height) & (key_x < width)
            cell = tl.where(is_key, key_y * width + key_x, 0)
        else:
            start = number * BLOCK_K
            entry = start + key
            is_key = entry < tl.where(is_windowed, count, cells)
            listed = tl.load(tile_list + entry, mask=is_key & is_windowed, other=0)
            cell = tl.where(is_windowed, listed, tl.where(is_key, entry, 0))

        key_cell = row.to(tl.int64) * cells + cell
        key_bias = tl.load(bias + key_cell, mask=is_key, other=LOWEST)
        if BOXES:
            if C == BLOCK_C:
                box = boxes.load([row, box_top, box_left, 0]).reshape(BLOCK_K, BLOCK_C)
                score = tl.dot(queries, box.T)
            else:
                score = tl.zeros((BLOCK_Q, BLOCK_K), tl.float32)
                for c in range(0, C, BLOCK_C):
                    part = boxes.load([query_row, tile_top, tile_left, c]).reshape(BLOCK_Q, BLOCK_C)
                    box = boxes.load([row, box_top, box_left, c]).reshape(BLOCK_K, BLOCK_C)
                    score = tl.dot(part, box.T, score)
        else:
            key_at = features + key_cell[None, :] * C + channel[:, None]
            if C == BLOCK_C:
                score = tl.dot(queries, tl.load(key_at))
            else:
                score = tl.zeros((BLOCK_Q, BLOCK_K), tl.float32)
                for c in range(0, C, BLOCK_C):
                    score = tl.dot(tl.load(query_at + c), tl.load(key_at + c), score)
        score += key_bias[None, :]

        # Keys beyond the radius may pass here: distances are computed only for blocks that do.
        is_above = tl.max(score, 1) > tl.min(best, 1)
        if tl.max(is_above.to(tl.int32), 0) > 0:
            dy = (cell // width)[None, :] - query_y[:, None]
            dx = (cell % width)[None, :] - query_x[:, None]
            bound = tl.where(is_windowed, limit, ANYWHERE)
            score = tl.where(dy * dy + dx * dx < bound, score, LOWEST)
            top, top_key = tl.max(score, 1, return_indices=True)
            weakest, weakest_slot = tl.min(best, 1, return_indices=True)
            # Triton loses count of a loop's results unless the condition is the last one to be named.
            go_on = tl.max((top > weakest).to(tl.int32), 0)
            while go_on > 0:
                enters = (top > weakest)[:, None] & (slot[None, :] == weakest_slot[:, None])
                best = tl.where(enters, top[:, None], best)
                entry_in = top_key // TILE_W * width + top_key % TILE_W if BOXES else top_key
                found = tl.where(enters, (age * cells + start + entry_in)[:, None], found)
                score = tl.where(key[None, :] == top_key[:, None], LOWEST, score)
                top, top_key = tl.max(score, 1, return_indices=True)
                weakest, weakest_slot = tl.min(best, 1, return_indices=True)
                go_on = tl.max((top > weakest).to(tl.int32), 0)

    out = ((frame - target).to(tl.int64) * cells + query_cell)[:, None] * SLOTS + slot[None, :]
    tl.store(affinities + out, best, mask=is_query[:, None])
    tl.store(candidates + out, found, mask=is_query[:, None])


# A batch's votes begin anywhere in the tensors of the whole call.
@triton.jit(do_not_specialize=_RUNTIME, do_not_specialize_on_alignment=["weights", "sources"])
def vote_kernel(
    features: tl.tensor,
    reachable: tl.tensor,
    affinities: tl.tensor,
    candidates: tl.tensor,
    weights: tl.tensor,
    sources: tl.tensor,
    target: int,
    window: int,
    rows: int,
    height: int,
    width: int,
    span: int,
    limit: int,
    inverse_temperature: float,
    C: tl.constexpr,
    K: tl.constexpr,
    SLOTS: tl.constexpr,
    TILE_H: tl.constexpr,
    TILE_W: tl.constexpr,
    BLOCK_Q: tl.constexpr,
    BLOCK_C: tl.constexpr,
    EXACT: tl.constexpr,
    BOXES: tl.constexpr,
) -> None:
    """Turn the candidates of BLOCK_Q query cells into the weights and sources of their K votes.

    With EXACT the affinities are computed again, from the unrounded features. A candidate of frame 0 within
    the radius counts once more for every copy of frame 0 in the window. Instead of a sort, every pair of
    candidates is compared: a candidate's rank is the number of those before it, and its count is clipped
    where theirs add up to K. A weight is count · exp((v − v_max) / temperature), normalised.

    Grid: (⌈N / BLOCK_Q⌉, B); axis 1 is the query frame, ``target`` + index.
    Accumulation: float32.
    Ties: frame 0 before the newest frame before the older ones, then the earlier entry of the tile's list, or
        with BOXES the earlier cell.
    FLOPs: 2·C·SLOTS per query cell with EXACT, and some 10·SLOTS² integer operations.
    Bytes: per query cell 8·SLOTS read, 4·C·(1 + KEPT) more with EXACT, in distant rows; 12·K written.
    Measured: registers, spills and shared memory by benchmarks/fused_compile.py.
    Parity: tests/core/propagation/test_fused.py (interpreter), tests/gpu/test_fused.py.

    Args:
        features: Unit features, float32 [1 + rows, N, C]; read with EXACT only.
        reachable: As in ``select_kernel``.
        affinities: As left by ``select_kernel``; read without EXACT only.
        candidates: As left by ``select_kernel``.
        weights: Written: float32 [B, N, K], the largest first.
        sources: Written: int64 [B, N, K]; 0 where a candidate is lacking, with weight 0.
        target: The first query frame.
        window: How many frames before a query are its context, and slots of the labels besides frame 0's.
        rows: Frames of the table besides frame 0.
        height: h.
        width: w.
        span: Row length of ``reachable``.
        limit: Squared distances below it are within the radius.
        inverse_temperature: Of the softmax.
        C: Channels, a multiple of BLOCK_C.
        K: Votes, at most SLOTS.
        SLOTS: Candidates, a power of two.
        TILE_H: Query rows of a tile of ``select_kernel``.
        TILE_W: Query columns of such a tile.
        BLOCK_Q: Query cells per program.
        BLOCK_C: Channels per step.
        EXACT: Whether to score the candidates again.
        BOXES: As in ``select_kernel``.
    """
    cells = height * width
    frame = target + tl.program_id(1)
    query = tl.program_id(0) * BLOCK_Q + tl.arange(0, BLOCK_Q)
    is_query = (query < cells)[:, None]
    query = tl.where(query < cells, query, 0)
    query_y = (query // width)[:, None]
    query_x = (query % width)[:, None]
    tile = (query_y // TILE_H) * ((width + TILE_W - 1) // TILE_W) + query_x // TILE_W

    slot = tl.arange(0, SLOTS)[None, :]
    out = (tl.program_id(1).to(tl.int64) * cells + query)[:, None]  # [Q, 1]
    code = tl.load(candidates + out * SLOTS + slot)  # [Q, SLOTS]
    is_found = code >= 0
    age = tl.where(is_found, code // cells, 0)
    entry = tl.where(is_found, code % cells, 0)
    if BOXES:
        cell = entry
    else:
        listed = tl.load(reachable + tile.to(tl.int64) * span + entry, mask=age > 0, other=0)
        cell = tl.where(age > 0, listed, entry)
    if EXACT:
        channel = tl.arange(0, BLOCK_C)[None, None, :]
        row = tl.where(age > 0, 1 + (frame - 1 - age) % rows, 0).to(tl.int64)
        key_at = features + (row * cells + cell)[:, :, None] * C + channel
        query_row = (1 + (frame - 1) % rows).to(tl.int64)
        query_at = features + (query_row * cells + query)[:, None, None] * C + channel
        products = tl.zeros((BLOCK_Q, SLOTS, BLOCK_C), tl.float32)
        for c in range(0, C, BLOCK_C):
            products += tl.load(key_at + c, mask=is_found[:, :, None], other=0.0) * tl.load(query_at + c)
        affinity = tl.sum(products, 2)
    else:
        affinity = tl.load(affinities + out * SLOTS + slot)

    # Empty slots come last, each with a code of its own, so that the ranks are a permutation.
    affinity = tl.where(is_found, affinity, LOWEST)
    code = tl.where(is_found, code, ANYWHERE - slot)
    dy = cell // width - query_y
    dx = cell % width - query_x
    copies = tl.where((age == 0) & (dy * dy + dx * dx < limit), tl.maximum(window - frame + 1, 0), 0)
    count = tl.where(is_found, 1 + copies, 0)
    other = affinity[:, None, :]
    is_tied = (other == affinity[:, :, None]) & (code[:, None, :] < code[:, :, None])
    goes_before = (other > affinity[:, :, None]) | is_tied  # [Q, SLOTS, SLOTS]
    rank = tl.sum(goes_before.to(tl.int32), 2)
    before = tl.sum(tl.where(goes_before, count[:, None, :], 0), 2)

    count = tl.minimum(count, tl.maximum(K - before, 0))
    below = tl.where(is_found, affinity - tl.max(affinity, 1)[:, None], 0.0)
    vote = count * tl.exp(below * inverse_temperature)
    label_slot = tl.where(age > 0, 1 + (frame - 1 - age) % window, 0).to(tl.int64)
    source = tl.where(is_found, label_slot * cells + cell, 0)
    is_vote = is_query & (rank < K)
    tl.store(weights + out * K + rank, vote / tl.sum(vote, 1)[:, None], mask=is_vote)
    tl.store(sources + out * K + rank, source, mask=is_vote)
