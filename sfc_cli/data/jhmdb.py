"""The JHMDB folder layout: videos of actions with 15 body joints a frame, and files of propagated joints.

``splits/<action>_test_split<n>.txt`` lists an action's videos (2 marks the test ones),
``Rename_Images/<action>/<video>`` holds frames, ``joint_positions/<action>/<video>/joint_positions.mat`` the
joints. Nothing here writes into the data set.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.sequence_names import choose_sequences, files_in, read_list, require_split, some_files_in
from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.errors import InputError, require_package
from sfc_cli.files import inside, require_inside_name, write_text

Joints = npt.NDArray[np.float64]

JOINT_NAMES = (
    "neck", "belly", "face", "right shoulder", "left shoulder", "right hip", "left hip", "right elbow",
    "left elbow", "right knee", "left knee", "right wrist", "left wrist", "right ankle", "left ankle",
)  # fmt: skip
_TEST = "2"

# The Gaussians' deviation in cells: a share of the person's size, but never below half a cell.
_SHARE_OF_PERSON = 0.015
_LEAST_DEVIATION = 0.5
# A joint is found at the mean of so many strongest cells, weighted by their labels.
_STRONGEST_CELLS = 5


@dataclass(frozen=True, kw_only=True)
class JhmdbDataset:
    """A folder in the JHMDB layout; its sequences are named ``<action>/<video>``."""

    root: Path

    def sequences(self, split: str = "1", chosen: Sequence[str] | None = None) -> list[str]:
        """Return the names of a split's test videos, by action and in the order of the lists.

        Args:
            split: The split's number.
            chosen: Only these; each must be in the split.

        Raises:
            InputError: If the root, the lists or a chosen video is missing, or a name is unsafe.
        """
        ending = f"_test_split{require_split(split)}"
        lists = files_in(self.root / "splits", (".txt",))
        lists = [path for path in lists if path.stem.endswith(ending)]
        if not lists:
            raise InputError(
                f"No lists for split {split!r}: no *{ending}.txt in {self.root / 'splits'}.",
                "Check `data`; `split` takes 1, 2 or 3.",
            )
        names = [name for path in lists for name in _test_videos(path, path.stem.removesuffix(ending))]
        return choose_sequences(names, chosen, self.root / "splits", what="test video")

    def frames(self, sequence: str) -> list[Path]:
        """Return a video's frames in order.

        Raises:
            InputError: If there is none.
        """
        folder = inside(self.root / "Rename_Images", sequence)
        return some_files_in(folder, (".png",), "frames", "files such as 00001.png")

    def joints(self, sequence: str) -> Joints:
        """Return a video's annotated joints in pixels, x and y counted from 0, float64 [T, 15, 2].

        Raises:
            InputError: If the file is missing or of another kind.
            UsageError: If SciPy, which reads it, is not installed.
        """
        require_package("scipy", "unsupervised", "JHMDB")
        from scipy.io import loadmat

        path = inside(self.root / "joint_positions", sequence) / "joint_positions.mat"
        try:
            positions = np.asarray(loadmat(path)["pos_img"], np.float64)  # [2, 15, T], counted from 1
        except FileNotFoundError:
            raise InputError(f"{path} is missing.", "Check `data`.") from None
        except Exception as error:
            raise InputError(f"{path} cannot be read: {error}.", "Download it again.") from None
        if positions.ndim != 3 or positions.shape[:2] != (2, len(JOINT_NAMES)):
            raise InputError(
                f"{path} has positions of shape {positions.shape}.", "Expected 2 coordinates of 15 joints."
            )
        return positions.transpose(2, 1, 0) - 1


def _test_videos(path: Path, action: str) -> list[str]:
    rows = [line.split() for line in read_list(path)]
    videos = [Path(row[0]).stem for row in rows if len(row) == 2 and row[1] == _TEST]
    return [f"{action}/{require_inside_name(video, path)}" for video in videos]


def write_joints(path: Path, joints: Joints) -> None:
    """Write propagated joints in the frame's pixels, [T, 15, 2]; NaN says that a joint was lost.

    Raises:
        InputError: If the file cannot be written.
    """
    rows = [
        [None if math.isnan(x) or math.isnan(y) else [x, y] for x, y in frame] for frame in joints.tolist()
    ]
    write_text(path, json.dumps({"joints": rows}) + "\n")


def read_joints(path: Path) -> Joints:
    """Read propagated joints, float64 [T, 15, 2], NaN where a joint was lost.

    Raises:
        InputError: If the file is missing or of another kind.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["joints"]
        lost = [math.nan, math.nan]
        joints = np.array(
            [[lost if point is None else point for point in frame] for frame in rows], np.float64
        )
    except FileNotFoundError:
        raise InputError(f"{path} is missing.", "Every test video needs a file of joints.") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a file of joints: {error}.", "Propagate the video again.") from None
    if joints.ndim != 3 or joints.shape[1:] != (len(JOINT_NAMES), 2):
        raise InputError(f"{path} holds joints of shape {joints.shape}.", "Expected 15 joints a frame.")
    return joints


def draw_joints(joints: Joints, frame: tuple[int, int], height: int, width: int) -> SoftLabels:
    """Draw each joint as a Gaussian of peak 1 on the feature grid.

    Args:
        joints: One frame's joints in pixels, x and y counted from 0, [J, 2]. NaN, or a point outside the
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
