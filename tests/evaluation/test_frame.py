from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfc_cli.evaluation.frame import score_frame
from tests.evaluation.plain import plain_boundary, plain_region


@st.composite
def masks(draw: st.DrawFn, height: int, width: int) -> np.ndarray:
    """Draw ids with gaps, 0 and void: empty, full, noise, or rectangles that may touch every border."""
    kind = draw(st.sampled_from(["empty", "full", "noise", "rectangles"]))
    ids = np.zeros((height, width), np.uint8)
    identities = st.sampled_from([1, 2, 4, 9, 255])
    if kind == "full":
        ids[:] = draw(identities)
    elif kind == "noise":
        rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        ids = rng.choice(np.array([0, 0, 1, 2, 4, 255], np.uint8), (height, width))
    elif kind == "rectangles":
        for _ in range(draw(st.integers(1, 4))):
            top, bottom = sorted(draw(st.tuples(st.integers(0, height), st.integers(0, height))))
            left, right = sorted(draw(st.tuples(st.integers(0, width), st.integers(0, width))))
            ids[top:bottom, left:right] = draw(identities)
    return ids


@st.composite
def pairs(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    height = draw(st.one_of(st.just(1), st.integers(1, 24)))
    # A width beyond 250 gives a bound of three pixels.
    width = draw(st.one_of(st.just(1), st.integers(1, 24), st.just(260)))
    return draw(masks(height, width)), draw(masks(height, width))


@settings(max_examples=150, deadline=None)
@given(pairs(), st.sampled_from([(1,), (1, 2), (1, 2, 4, 9), (2, 9)]))
def test_score_frame__equals_the_plain_full_frame(
    pair: tuple[np.ndarray, np.ndarray], objects: tuple[int, ...]
) -> None:
    result, truth = pair
    scores = score_frame(result, truth, objects)
    for index, identity in enumerate(objects):
        mine, true = result == identity, truth == identity
        assert scores.region[index] == pytest.approx(plain_region(mine, true), abs=1e-12)
        assert scores.boundary[index] == pytest.approx(plain_boundary(mine, true), abs=1e-12)
        assert scores.predicted[index] == mine.any()
        assert scores.present[index] == true.any()
    assert set(scores.strangers) == set(np.unique(result).tolist()) - {0, 255, *objects}
    assert scores.has_void == (result == 255).any()
    assert scores.equal == np.array_equal(result, truth)


@pytest.mark.parametrize("corner", [(0, 0), (0, 40), (30, 0), (30, 40), (15, 20)])
def test_score_frame__objects_at_every_border(corner: tuple[int, int]) -> None:
    result, truth = np.zeros((40, 52), np.uint8), np.zeros((40, 52), np.uint8)
    top, left = corner
    truth[top : top + 10, left : left + 12] = 3
    result[max(top - 1, 0) : top + 7, left + 2 : left + 12] = 3
    scores = score_frame(result, truth, (3,))
    assert scores.boundary[0] == pytest.approx(plain_boundary(result, truth), abs=1e-12)
    assert scores.region[0] == pytest.approx(plain_region(result, truth), abs=1e-12)


def test_score_frame__does_not_change_its_input() -> None:
    rng = np.random.default_rng(3)
    result, truth = (rng.integers(0, 3, (20, 30), dtype=np.uint8) for _ in range(2))
    result.setflags(write=False)
    truth.setflags(write=False)
    assert score_frame(result, truth, (1, 2)).region.shape == (2,)
