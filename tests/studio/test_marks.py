from __future__ import annotations

import cv2
import numpy as np
import pytest

from sfc_cli.errors import UsageError
from sfc_cli.studio.marks import Marks, Stroke, crop_of, solve_marks


def picture() -> tuple[np.ndarray, np.ndarray]:
    """Return a frame with two discs of one colour on a background of noise, and the mask of the left one."""
    rng = np.random.default_rng(0)
    noise = rng.integers(60, 130, (30, 50, 3), dtype=np.uint8)
    frame = np.asarray(cv2.resize(noise, (200, 120), interpolation=cv2.INTER_CUBIC), np.uint8)
    truth = np.zeros((120, 200), np.uint8)
    cv2.circle(frame, (60, 60), 30, (210, 60, 40), -1)
    cv2.circle(frame, (150, 60), 20, (210, 60, 40), -1)
    cv2.circle(truth, (60, 60), 30, 1, -1)
    return frame, truth


def square(left: float, top: float, right: float, bottom: float) -> list[tuple[float, float]]:
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def solve(frame: np.ndarray, marks: Marks) -> np.ndarray:
    rows, columns = crop_of(marks, frame.shape[:2])
    found = np.zeros(frame.shape[:2], np.uint8)
    crop = np.ascontiguousarray(frame[rows, columns])
    found[rows, columns] = solve_marks(crop, marks, (rows.start, columns.start))
    return found


def test_solve_marks__finds_what_the_stroke_lies_on() -> None:
    frame, truth = picture()
    marks = Marks(square(20, 20, 100, 100), [Stroke([(45, 60), (75, 62)], is_object=True)])
    found = solve(frame, marks)
    assert (found & truth).sum() / (found | truth).sum() > 0.95
    # Nothing outside the loop, whatever its colour; the same marks give the same mask.
    assert not found[:, 110:].any()
    assert np.array_equal(found, solve(frame, marks))


def test_solve_marks__a_stroke_on_the_background_takes_away() -> None:
    frame, truth = picture()
    loop, stroke = square(20, 20, 180, 100), Stroke([(45, 60), (75, 62)], is_object=True)
    both = solve(frame, Marks(loop, [stroke, Stroke([(145, 60), (155, 60)], is_object=True)]))
    assert both[60, 150]
    one = solve(frame, Marks(loop, [stroke, Stroke([(140, 60), (160, 60)], is_object=False)]))
    assert not one[60, 150]
    assert (one & truth).sum() / (one | truth).sum() > 0.9
    # Parts that no stroke touches are left out.
    assert not solve(frame, Marks(loop, [stroke]))[60, 150]


def test_solve_marks__small_holes_are_filled_unless_marked() -> None:
    frame, _ = picture()
    cv2.circle(frame, (60, 45), 2, (90, 100, 95), -1)
    marks = Marks(square(20, 20, 100, 100), [Stroke([(45, 65), (75, 66)], is_object=True)])
    assert solve(frame, marks)[45, 60]
    marked = [*marks.strokes, Stroke([(60, 45), (60, 45)], is_object=False)]
    assert not solve(frame, Marks(marks.loop, marked))[45, 60]


@pytest.mark.parametrize("points", [[(30.0, 30.0)], [(0.0, 0.0)], [(500.0, 500.0), (600.0, 600.0)]])
def test_solve_marks__strokes_of_a_point_in_a_corner_or_outside(points: list[tuple[float, float]]) -> None:
    frame, _ = picture()
    for loop in (square(20, 20, 100, 100), square(-50, -50, 900, 900), [(1.0, 1.0), (2.0, 1.0), (2.0, 2.0)]):
        found = solve(frame, Marks(loop, [Stroke(points, is_object=True)]))
        assert set(np.unique(found)) <= {0, 1}


def test_solve_marks__large_crops_are_solved_at_half_their_size() -> None:
    frame, truth = picture()
    frame, truth = (
        cv2.resize(one, None, fx=8, fy=8, interpolation=cv2.INTER_NEAREST) for one in (frame, truth)
    )
    marks = Marks(square(20, 20, 1500, 900), [Stroke([(360, 480), (600, 490)], is_object=True)])
    rows, columns = crop_of(marks, frame.shape[:2])
    found = solve_marks(np.ascontiguousarray(frame[rows, columns]), marks, (rows.start, columns.start))
    wanted = truth[rows, columns]
    assert found.shape == wanted.shape
    assert (found & wanted).sum() / (found | wanted).sum() > 0.95


def test_crop_of__a_loop_beside_the_frame() -> None:
    with pytest.raises(UsageError, match="outside"):
        crop_of(Marks(square(300, 300, 400, 400), []), (120, 200))
    assert crop_of(Marks(square(50, 50, 60, 60), []), (120, 200)) == (slice(20, 91), slice(20, 91))
