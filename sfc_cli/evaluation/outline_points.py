"""The outline of a mask as a polygon, as the temporal stability of DAVIS-2016 takes it."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from sfc_cli.evaluation.measures import Binary

Points = npt.NDArray[np.float64]

# Down, right, up, left, as steps of rows and columns between the corners of pixels; one further turns left.
_STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
# Distances in half pixels: straight lines first, then the real simplification.
_TOLERANCES = (0.1, 3.0)
_LONGEST_SEGMENT = 3.0
_FEWEST_VERTICES = 4


def outline_points(mask: Binary) -> Points:
    """Return points along the longest outline of a mask, at most three pixels apart.

    Every outline is traced between the pixels and simplified to within one and a half pixels; the longest is
    the one with the most vertices then. Long sides are divided evenly.

    Args:
        mask: Zeros and ones, uint8 [H, W].

    Returns:
        x and y, [n, 2]; n is 0 if there is no outline of three corners.
    """
    # As published, an outer outline is turned round after it was simplified, which depends on the direction.
    traced = [(simplified(path), is_hole) for path, is_hole in outlines(mask)]
    polygons = [polygon if is_hole else polygon[::-1] for polygon, is_hole in traced]
    polygons = [polygon for polygon in polygons if len(polygon) >= _FEWEST_VERTICES]
    if not polygons:
        return np.zeros((0, 2))
    most = max(len(polygon) for polygon in polygons)
    longest = next(polygon for polygon in reversed(polygons) if len(polygon) == most)
    return _divided(longest[:, ::-1] / 2)


def outlines(mask: Binary) -> list[tuple[Points, bool]]:
    """Trace every outline of a mask between its pixels, holes too.

    Pixels that touch at a corner alone have outlines of their own.

    Args:
        mask: Zeros and ones, uint8 [H, W].

    Returns:
        Closed paths in half pixels, rows and columns, [n, 2] each, and whether they are holes. The first
        point is also the last: the top of the first side, from which the path goes down.
    """
    padded = np.pad(mask, 1).astype(np.int8)
    upright = np.diff(padded, axis=1)[1:-1]  # [H, W + 1], between the pixels of a row
    level = np.diff(padded, axis=0)[:, 1:-1]  # [H + 1, W]
    # Each side is walked with the object on the left.
    sides = [upright > 0, level < 0, upright < 0, level > 0]
    open_sides = [{tuple(at) for at in np.argwhere(side).tolist()} for side in sides]
    found = []
    holes: set[tuple[int, int]] = set()
    for row, column in np.argwhere(upright != 0).tolist():
        if (row, column) in open_sides[0]:
            path = _walk(open_sides, (row, column), 0)
        elif (row, column) in open_sides[2]:
            holes.add((row, column))
            path = _walk(open_sides, (row + 1, column), 2)
            # A hole is met on its way up; its path begins at the upper corner, too.
            path = (path[1:] + path[1:2])[::-1]
        else:
            continue
        found.append((np.array(path, np.float64) * 2, (row, column) in holes))
    return found


def _walk(open_sides: list[set[tuple[int, ...]]], corner: tuple[int, int], way: int) -> list[tuple[int, int]]:
    """Follow sides from corner to corner until the first comes again, and take them out of the open ones."""
    path = [corner]
    while True:
        for turn in (1, 0, -1):
            next_way = (way + turn) % 4 if len(path) > 1 else way
            side = _side_from(path[-1], next_way)
            if side in open_sides[next_way]:
                break
        else:
            return path
        open_sides[next_way].remove(side)
        way = next_way
        path.append((path[-1][0] + _STEPS[way][0], path[-1][1] + _STEPS[way][1]))


def _side_from(corner: tuple[int, int], way: int) -> tuple[int, int]:
    """Return which side of the pixels lies in a direction from a corner."""
    row, column = corner
    return (row - (way == 2), column - (way == 3))


def simplified(path: Points) -> Points:
    """Leave out points of a path that lie within the tolerance of the line without them (Douglas-Peucker)."""
    for tolerance in _TOLERANCES:
        path = _thinned(path, tolerance)
        keep = np.zeros(len(path), np.bool_)
        keep[[0, -1]] = True
        parts = [(0, len(path) - 1)]
        while parts:
            first, last = parts.pop()
            if last - first < 2:
                continue
            distances = _segment_distances(path[first + 1 : last], path[first], path[last])
            # Of equally distant points the last one.
            farthest = len(distances) - 1 - int(distances[::-1].argmax())
            if distances[farthest] > tolerance**2:
                middle = first + 1 + farthest
                keep[middle] = True
                parts += [(middle, last), (first, middle)]
        path = path[keep]
    return path


def _thinned(path: Points, tolerance: float) -> Points:
    """Leave out points that are nearer than the tolerance to the last one kept."""
    if len(path) < 3 or tolerance < 1:
        return path
    kept, current = [path[0]], path[0]
    for point in path[1:-1]:
        if ((point - current) ** 2).sum() >= tolerance**2:
            kept.append(point)
            current = point
    return np.array([*kept, path[-1]])


def _segment_distances(points: Points, start: Points, end: Points) -> Points:
    along = end - start
    length = float(along @ along)
    # As published: in single precision, which decides between points that would be equally distant.
    share = np.zeros(len(points), np.float32)
    if length:
        share = ((points - start) @ along).astype(np.float32) / np.float32(length)
    nearest = start + np.clip(share, 0, 1).astype(np.float64)[:, None] * along
    return np.asarray(((points - nearest) ** 2).sum(axis=1), np.float64)


def _divided(polygon: Points) -> Points:
    """Add points on sides that are too long, step by step and in single precision, as published."""
    corners = polygon.astype(np.float32)
    points = [corners[0]]
    for start, end in pairwise(corners):
        side = end - start
        length = np.sqrt(side[0] * side[0] + side[1] * side[1])
        if length > _LONGEST_SEGMENT:
            count = int(np.ceil(length / np.float32(_LONGEST_SEGMENT)))
            step = side / np.float32(count)
            for _ in range(count - 1):
                points.append(points[-1] + step)
        points.append(end)
    return np.array(points, np.float64)
