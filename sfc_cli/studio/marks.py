"""From a loop around an object and strokes on it to its mask: GrabCut with a prior of colour and position.

The numbers were chosen on twelve sequences (benchmarks/README.md). Solving again can also make a mask worse,
so what comes out is a proposal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.frames import Frame
from sfc_cli.errors import UsageError

Points = Sequence[tuple[float, float]]
Binary = npt.NDArray[np.uint8]

MOST_POINTS, MOST_STROKES = 20_000, 500
_STROKE_WIDTH = 5
_MARGIN = 30
_RING = 40
_SAMPLES, _NEIGHBOURS = 300, 8
_COLOUR_SCALE, _POSITION_SCALE = 0.012, 0.2 / 100
_SOFTNESS = 0.03
_ITERATIONS = 3
_LARGEST_HOLE = 0.01
# What lies far from the object costs time and says little: a larger crop is solved at half its size.
_LARGEST_CROP = 1_500_000


@dataclass(frozen=True)
class Stroke:
    """A line drawn on the object or on what is not the object.

    Args:
        points: x and y in pixels of the frame.
        is_object: Whether it lies on the object.
    """

    points: Points
    is_object: bool


@dataclass(frozen=True)
class Marks:
    """What somebody drew to say where an object is.

    Args:
        loop: Around the object, closed by itself; x and y in pixels.
        strokes: On the object, and on what is not.
    """

    loop: Points
    strokes: Sequence[Stroke]

    @classmethod
    def parse(cls, content: Any) -> Marks:
        """Read marks from JSON: ``loop`` and ``strokes`` of ``points`` and ``is_object``.

        Raises:
            UsageError: If that is something else, or too much.
        """
        try:
            loop = _points(content["loop"])
            strokes = [Stroke(_points(one["points"]), bool(one["is_object"])) for one in content["strokes"]]
        except (TypeError, KeyError, ValueError, OverflowError):
            raise UsageError("The marks are not a loop and strokes of points.") from None
        if len(strokes) > MOST_STROKES or sum(len(one.points) for one in strokes) > MOST_POINTS:
            raise UsageError("The marks have too many points.", "Accept the mask and go on with the brush.")
        return cls(loop, strokes)

    def require_complete(self) -> None:
        """Make sure that there is a loop, and a stroke on the object.

        Raises:
            UsageError: If there is not.
        """
        if len(self.loop) < 3:
            raise UsageError("There is no loop around the object yet.", "Draw one, then a stroke on it.")
        if not any(one.is_object and one.points for one in self.strokes):
            raise UsageError("No stroke lies on the object yet.", "Draw one across it.")

    def to_json(self, identity: int) -> dict[str, Any]:
        """Return the marks of an object, ready for JSON."""
        strokes = [{"points": stroke.points, "is_object": stroke.is_object} for stroke in self.strokes]
        return {"object": identity, "loop": self.loop, "strokes": strokes}


def _points(content: Any) -> Points:
    if len(content) > MOST_POINTS:
        raise ValueError("too many")
    found = np.asarray([(float(x), float(y)) for x, y in content], np.float64).reshape(-1, 2)
    if not np.isfinite(found).all() or (np.abs(found) > 1e6).any():
        raise ValueError("not on a frame")
    return [(float(x), float(y)) for x, y in found]


def crop_of(marks: Marks, size: tuple[int, int]) -> tuple[slice, slice]:
    """Return the rows and columns that the solution needs: the loop's box and a margin.

    Raises:
        UsageError: If the loop lies outside of the frame.
    """
    height, width = size
    loop = np.asarray(marks.loop)
    left, top = np.floor(loop.min(0)).astype(int)
    right, bottom = np.ceil(loop.max(0)).astype(int)
    if right < 0 or bottom < 0 or left >= width or top >= height:
        raise UsageError("The loop lies outside of the frame.", "Draw it around the object.")
    return (
        slice(max(0, int(top) - _MARGIN), min(height, int(bottom) + _MARGIN + 1)),
        slice(max(0, int(left) - _MARGIN), min(width, int(right) + _MARGIN + 1)),
    )


def solve_marks(crop: Frame, marks: Marks, origin: tuple[int, int] = (0, 0)) -> Binary:
    """Find an object from marks.

    Args:
        crop: The frame, or the part of it that ``crop_of`` names, uint8 [h, w, 3], RGB.
        marks: In pixels of the frame.
        origin: Row and column of the crop in its frame.

    Returns:
        1 on the object, uint8 [h, w].
    """
    import cv2

    height, width = crop.shape[:2]
    scale = 0.5 if height * width > _LARGEST_CROP else 1.0
    picture = crop
    if scale != 1:
        shrunk = cv2.resize(crop, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.asarray(shrunk, np.uint8)
    drawn = _draw(marks, picture.shape[:2], origin, scale)
    probable = _probability(picture, drawn, scale) >= 0.5
    start = np.where(probable, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    start[drawn.background] = cv2.GC_BGD
    start[drawn.object] = cv2.GC_FGD
    # Marks beside the frame, or a loop around all of it, leave nothing to tell apart.
    if np.unique(start & 1).size == 2:
        cv2.setRNGSeed(0)
        bgr, models = cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), (np.zeros((1, 65)), np.zeros((1, 65)))
        # The rectangle says nothing where a mask does.
        cv2.grabCut(bgr, start, (0, 0, 1, 1), *models, _ITERATIONS, cv2.GC_INIT_WITH_MASK)
    mask = np.isin(start, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    mask = _without_holes(_touched(mask, drawn.object), drawn.background_strokes)
    if scale != 1:
        mask = np.asarray(cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    return mask


@dataclass(frozen=True)
class _Drawn:
    object: npt.NDArray[np.bool_]
    background: npt.NDArray[np.bool_]
    background_strokes: npt.NDArray[np.bool_]
    ring: npt.NDArray[np.bool_]


def _draw(marks: Marks, size: tuple[int, int], origin: tuple[int, int], scale: float) -> _Drawn:
    """Draw the marks: what is certain of each pixel; a later stroke covers an earlier one."""
    import cv2

    def corners(points: Points) -> npt.NDArray[np.int32]:
        moved = (np.asarray(points) - (origin[1], origin[0])) * scale
        return np.round(moved).astype(np.int32).reshape(-1, 1, 2)

    inside = np.zeros(size, np.uint8)
    cv2.fillPoly(inside, [corners(marks.loop)], 1)
    strokes = np.zeros(size, np.uint8)
    width = max(1, round(_STROKE_WIDTH * scale))
    for stroke in marks.strokes:
        if stroke.points:
            kind = 1 if stroke.is_object else 2
            cv2.polylines(strokes, [corners(stroke.points)], isClosed=False, color=kind, thickness=width)
    on_object = strokes == 1
    reach = 2 * round(_RING * scale) + 1
    ring = cv2.dilate(inside, np.ones((reach, reach), np.uint8)) > inside
    outside = (inside == 0) & ~on_object
    return _Drawn(on_object, outside | (strokes == 2), strokes == 2, ring & ~on_object)


def _probability(picture: Frame, drawn: _Drawn, scale: float) -> npt.NDArray[np.float32]:
    """Return how likely each pixel is the object's, by its nearest samples in colour and position."""
    import cv2

    lab = cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]].astype(np.float32)
    place = np.stack([x, y], -1) * np.float32(_POSITION_SCALE / scale)
    queries = np.concatenate([np.asarray(lab) * np.float32(_COLOUR_SCALE), place], -1).astype(np.float32)
    rng = np.random.default_rng(0)
    objects = _sampled(queries, drawn.object, rng)
    background = np.concatenate(
        [_sampled(queries, part, rng) for part in (drawn.background_strokes, drawn.ring)]
    )
    probability = np.zeros(picture.shape[:2], np.float32)
    if not len(objects):
        return probability
    undecided = ~(drawn.background | drawn.object)
    if not len(background):
        probability[undecided] = 1
        return probability
    wanted = queries[undecided]
    gap = _distance(wanted, background) - _distance(wanted, objects)
    probability[undecided] = 1 / (1 + np.exp(np.clip(-gap / _SOFTNESS, -60, 60)))
    return probability


def _sampled(
    queries: npt.NDArray[np.float32], where: npt.NDArray[np.bool_], rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    found = queries[where]
    return found[rng.permutation(len(found))[:_SAMPLES]]


def _distance(queries: npt.NDArray[np.float32], samples: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the mean squared distance of each query to its nearest samples."""
    count = min(_NEIGHBOURS, len(samples))
    result = np.empty(len(queries), np.float32)
    squares = (samples**2).sum(1)
    for begin in range(0, len(queries), 16384):
        part = queries[begin : begin + 16384]
        distances = (part**2).sum(1)[:, None] - 2 * part @ samples.T + squares
        nearest = np.partition(distances, count - 1, axis=1)[:, :count]
        result[begin : begin + len(part)] = nearest.mean(1)
    return result


def _touched(mask: Binary, strokes: npt.NDArray[np.bool_]) -> Binary:
    """Keep the parts that a stroke on the object touches."""
    import cv2

    _, parts = cv2.connectedComponents(mask, connectivity=8)
    wanted = np.unique(parts[strokes & (mask > 0)])
    return (np.isin(parts, wanted[wanted > 0])).astype(np.uint8)


def _without_holes(mask: Binary, strokes: npt.NDArray[np.bool_]) -> Binary:
    """Fill small holes in which nobody drew a stroke."""
    import cv2

    count, parts, numbers, _ = cv2.connectedComponentsWithStats(1 - mask, connectivity=4)
    height, width = mask.shape
    limit = _LARGEST_HOLE * mask.sum()
    marked = set(np.unique(parts[strokes]).tolist())
    for part in range(1, count):
        left, top, across, down, area = numbers[part]
        is_open = left == 0 or top == 0 or left + across == width or top + down == height
        if area < limit and not is_open and part not in marked:
            mask[parts == part] = 1
    return mask
