from __future__ import annotations

import numpy as np

from sfc_cli.data.jhmdb import draw_joints, find_joints

FRAME = (240, 320)  # height, width


def test_draw_joints__peak_stands_in_the_joints_cell() -> None:
    joints = np.array([[3.5, 3.5], [316.5, 236.5], [160.0, 120.0]])
    labels = draw_joints(joints, FRAME, 30, 40)
    assert labels.shape == (3, 30, 40)
    assert labels.dtype == np.float32
    peaks = [np.unravel_index(plane.argmax(), plane.shape) for plane in labels]
    assert peaks == [(0, 0), (29, 39), (15, 20)]
    # Cells are 8 pixels: the first joint lies in its cell's very centre.
    assert labels[0, 0, 0] == 1
    assert labels[0, 0, 1] < 1


def test_draw_joints__deviation_grows_with_the_person() -> None:
    joints = np.array([[160.0, 20.0], [160.0, 220.0]])
    fine = draw_joints(joints, FRAME, 240, 320)
    # 0.015 of 200 cells: three cells away from its peak the label is e^-0.5.
    assert np.isclose(fine[0, 20, 163], np.exp(-0.5))


def test_draw_joints__lost_or_outside_joints_are_empty() -> None:
    joints = np.array([[np.nan, 3], [-1, 5], [5, 240], [10, 10]])
    labels = draw_joints(joints, FRAME, 30, 40)
    assert [bool(plane.any()) for plane in labels] == [False, False, False, True]
    assert not draw_joints(joints[:3], FRAME, 30, 40).any()


def test_find_joints__undoes_draw_joints() -> None:
    rng = np.random.default_rng(0)
    joints = np.stack([rng.uniform(24, 296, 15), rng.uniform(24, 216, 15)], axis=1)
    found = find_joints(draw_joints(joints, FRAME, 30, 40), FRAME)
    # Within half a cell of 8 pixels.
    assert np.abs(found - joints).max() < 4


def test_find_joints__empty_plane_is_lost() -> None:
    found = find_joints(np.zeros((2, 3, 4), np.float32), FRAME)
    assert np.isnan(found).all()
