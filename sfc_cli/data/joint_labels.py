"""Between joints in a frame's pixels and soft labels on the feature grid, one plane a joint."""

from __future__ import annotations

import numpy as np

from sfc_cli.data.jhmdb import Joints
from sfc_cli.data.soft_labels import SoftLabels

# The Gaussians' deviation in cells: a share of the person's size, but never below half a cell.
_SHARE_OF_PERSON = 0.015
_LEAST_DEVIATION = 0.5
# A joint is found at the mean of so many strongest cells, weighted by their labels.
_STRONGEST_CELLS = 5


def draw_joints(joints: Joints, frame: tuple[int, int], height: int, width: int) -> SoftLabels:
    """Draw each joint as a Gaussian of peak 1 on the feature grid.

    Args:
        joints: One frame's joints in pixels, x and y counted from 0, [J, 2]. NaN, or a place outside the
            frame, leaves the joint's plane empty.
        frame: The frame's height and width in pixels.
        height: h.
        width: w.

    Returns:
        float32 [J, h, w].
    """
    scale = np.array([width / frame[1], height / frame[0]])
    centres = (joints + 0.5) * scale - 0.5  # in cells
    inside = np.all((joints >= 0) & (joints <= [frame[1] - 1, frame[0] - 1]), axis=1)
    labels = np.zeros((len(joints), height, width), np.float32)
    if not inside.any():
        return labels
    extent = np.ptp(centres[inside], axis=0).max()
    deviation = max(_LEAST_DEVIATION, _SHARE_OF_PERSON * extent)
    y, x = np.mgrid[:height, :width]
    for joint in np.flatnonzero(inside):
        squared = (x - centres[joint, 0]) ** 2 + (y - centres[joint, 1]) ** 2
        labels[joint] = np.exp(-squared / (2 * deviation**2))
    return labels


def find_joints(labels: SoftLabels, frame: tuple[int, int]) -> Joints:
    """Find each joint at the weighted mean of its strongest cells.

    Args:
        labels: float32 [J, h, w].
        frame: The frame's height and width in pixels.

    Returns:
        Joints in pixels, x and y counted from 0, float64 [J, 2]; NaN where a plane is empty.
    """
    count, height, width = labels.shape
    flat = labels.reshape(count, -1).astype(np.float64)
    strongest = np.argsort(-flat, axis=1, kind="stable")[:, :_STRONGEST_CELLS]
    weights = np.take_along_axis(flat, strongest, axis=1)
    total = weights.sum(axis=1, keepdims=True)
    share = np.divide(weights, total, out=np.full_like(weights, np.nan), where=total > 0)
    cells = np.stack([(strongest % width * share).sum(1), (strongest // width * share).sum(1)], axis=1)
    joints: Joints = (cells + 0.5) * [frame[1] / width, frame[0] / height] - 0.5
    return joints
