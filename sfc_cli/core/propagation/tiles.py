"""How the windowed path cuts the feature grid: tiles of query cells and the key rows that each can reach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sfc_cli.core.propagation.matching import reach, within_radius


class KeyRow(NamedTuple):
    """A run of key cells in one grid row, and the queries of the tile that it can reach.

    Args:
        row: The grid row.
        left: Its first column.
        right: One beyond its last column.
        queries: The tile's query cells within vertical reach, a run because tiles are stored row by row.
        first: The number of the tile's key cells in rows above.
    """

    row: int
    left: int
    right: int
    queries: slice
    first: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Tile:
    """A rectangle of Q query cells and the P key cells that any of them can reach.

    Args:
        rows: Grid rows of the queries.
        columns: Grid columns of the queries.
        key_rows: The key cells, row by row.
        positions: P.
        cells: The key cells' indices on the grid, int64 [P].
        beyond_radius: Which pairs of a key and a query are not within the radius, bool [P, Q].
    """

    rows: slice
    columns: slice
    key_rows: tuple[KeyRow, ...]
    positions: int
    cells: Tensor
    beyond_radius: Tensor

    @property
    def height(self) -> int:
        """Rows of queries."""
        return int(self.rows.stop - self.rows.start)

    @property
    def width(self) -> int:
        """Columns of queries."""
        return int(self.columns.stop - self.columns.start)


@dataclass(frozen=True, kw_only=True, eq=False)
class WindowPlan:
    """All tiles of a grid for one radius."""

    grid_width: int
    radius: float
    tiles: tuple[Tile, ...]

    def within_radius(self, cells: Tensor, tile: Tile) -> Tensor:
        """Return which of the cells [Q, n] are within the radius of their query of the tile."""
        query = torch.arange(tile.height * tile.width, device=cells.device)[:, None]
        dy = cells // self.grid_width - tile.rows.start - query // tile.width
        dx = cells % self.grid_width - tile.columns.start - query % tile.width
        return within_radius(dy, dx, self.radius)


@lru_cache(maxsize=8)
def plan_window(height: int, width: int, radius: float, channels: int, device: torch.device) -> WindowPlan:
    """Cut a grid of h × w cells into tiles.

    Tall tiles share most of their key rows; with many channels narrow ones multiply fewer pairs in vain.

    Args:
        height: h.
        width: w.
        radius: In cells.
        channels: C.
        device: Of the plan's tensors.
    """
    tile_height, tile_width = (30, 12) if channels <= 512 else (60, 4)
    # Inner tiles look alike: their masks are kept once.
    masks: dict[tuple[torch.Size, bytes], Tensor] = {}
    tiles = []
    for x in range(0, width, tile_width):
        for y in range(0, height, tile_height):
            rows, columns = slice(y, min(height, y + tile_height)), slice(x, min(width, x + tile_width))
            tile = _plan_tile(rows, columns, height, width, radius)
            key = tile.beyond_radius.shape, tile.beyond_radius.numpy().tobytes()
            mask = masks.setdefault(key, tile.beyond_radius.to(device))
            tiles.append(replace(tile, cells=tile.cells.to(device), beyond_radius=mask))
    return WindowPlan(grid_width=width, radius=radius, tiles=tuple(tiles))


def _plan_tile(rows: slice, columns: slice, height: int, width: int, radius: float) -> Tile:
    # A radius that reaches nothing still gets the rows of the tile: their keys are all beyond it.
    furthest = max(reach(radius), 0)
    tile_width = columns.stop - columns.start
    key_rows: list[KeyRow] = []
    positions = 0
    for row in range(max(0, rows.start - furthest), min(height, rows.stop + furthest)):
        # The queries of the tile that this row can reach, and how far it extends beyond the tile's sides.
        top, bottom = max(rows.start, row - furthest), min(rows.stop, row + furthest + 1)
        nearest = max(0, rows.start - row, row - (rows.stop - 1))
        extent = max(reach(radius, nearest), 0)
        left, right = max(0, columns.start - extent), min(width, columns.stop + extent)
        queries = slice((top - rows.start) * tile_width, (bottom - rows.start) * tile_width)
        key_rows.append(KeyRow(row=row, left=left, right=right, queries=queries, first=positions))
        positions += right - left

    keys = torch.cat([torch.arange(r.left, r.right) + r.row * width for r in key_rows])  # [P]
    y, x = torch.meshgrid(
        torch.arange(rows.start, rows.stop), torch.arange(columns.start, columns.stop), indexing="ij"
    )
    dy, dx = keys[:, None] // width - y.flatten(), keys[:, None] % width - x.flatten()  # [P, Q]
    return Tile(
        rows=rows,
        columns=columns,
        key_rows=tuple(key_rows),
        positions=positions,
        cells=keys,
        beyond_radius=~within_radius(dy, dx, radius),
    )
