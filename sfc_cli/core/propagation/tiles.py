"""How the windowed path cuts the feature grid: tiles of query cells and the key rows that each can reach."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import torch
from torch import Tensor

from sfc_cli.core.propagation.matching import reach


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
        cells: The key cells' numbers on the grid, int64 [P].
        outside: Which pairs are not nearer than the radius, bool [P, Q].
    """

    rows: slice
    columns: slice
    key_rows: tuple[KeyRow, ...]
    positions: int
    cells: Tensor
    outside: Tensor

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

    def is_near(self, cells: Tensor, tile: Tile) -> Tensor:
        """Return which of the cells [Q, n] lie nearer than the radius to their query of the tile."""
        query = torch.arange(tile.height * tile.width, device=cells.device)[:, None]
        dy = cells // self.grid_width - tile.rows.start - query // tile.width
        dx = cells % self.grid_width - tile.columns.start - query % tile.width
        return torch.lt((dy * dy + dx * dx).double(), self.radius * self.radius)


@lru_cache(maxsize=8)
def plan_window(height: int, width: int, radius: float, channels: int, device: torch.device) -> WindowPlan:
    """Cut a grid of h × w cells into tiles.

    Tall tiles share most of their key rows; with many channels narrow ones multiply fewer pairs in vain.

    Args:
        height: h.
        width: w.
        radius: In cells; keys nearer than this are reachable.
        channels: Of the features.
        device: Where the plan's tensors lie.
    """
    tile_height, tile_width = (30, 12) if channels <= 512 else (60, 4)
    shared: dict[bytes, Tensor] = {}
    tiles = [
        _plan_tile(
            slice(y, min(height, y + tile_height)),
            slice(x, min(width, x + tile_width)),
            height,
            width,
            radius,
        )
        for x in range(0, width, tile_width)
        for y in range(0, height, tile_height)
    ]
    # Inner tiles look alike: their masks are kept once.
    for number, tile in enumerate(tiles):
        key = bytes(str(tuple(tile.outside.shape)), "ascii") + tile.outside.numpy().tobytes()
        outside = shared.setdefault(key, tile.outside.to(device))
        tiles[number] = Tile(
            rows=tile.rows,
            columns=tile.columns,
            key_rows=tile.key_rows,
            positions=tile.positions,
            cells=tile.cells.to(device),
            outside=outside,
        )
    return WindowPlan(grid_width=width, radius=radius, tiles=tuple(tiles))


def _plan_tile(rows: slice, columns: slice, height: int, width: int, radius: float) -> Tile:
    furthest = reach(radius)
    tile_width = columns.stop - columns.start
    key_rows: list[KeyRow] = []
    positions = 0
    for row in range(max(0, rows.start - furthest), min(height, rows.stop + furthest)):
        top, bottom = max(rows.start, row - furthest), min(rows.stop, row + furthest + 1)
        nearest = max(0, rows.start - row, row - (rows.stop - 1))
        extent = reach(radius, nearest)
        left, right = max(0, columns.start - extent), min(width, columns.stop + extent)
        queries = slice((top - rows.start) * tile_width, (bottom - rows.start) * tile_width)
        key_rows.append(KeyRow(row=row, left=left, right=right, queries=queries, first=positions))
        positions += right - left

    keys = torch.cat([torch.arange(r.left, r.right) + r.row * width for r in key_rows])  # [P]
    y, x = torch.meshgrid(
        torch.arange(rows.start, rows.stop), torch.arange(columns.start, columns.stop), indexing="ij"
    )
    squared = (keys[:, None] // width - y.flatten()) ** 2 + (keys[:, None] % width - x.flatten()) ** 2
    return Tile(
        rows=rows,
        columns=columns,
        key_rows=tuple(key_rows),
        positions=positions,
        cells=keys,
        outside=squared.double() >= radius * radius,
    )
