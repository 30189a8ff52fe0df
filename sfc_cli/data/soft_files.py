"""Soft labels on disk: what a mask's argmax throws away, one compressed NumPy archive a frame."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.errors import InputError
from sfc_cli.files import replacing

_REPLACE = "Propagate the sequence again with --soft, or remove the file."


def write_soft_labels(path: Path, labels: SoftLabels, objects: Ids, size: tuple[int, int]) -> None:
    """Write a frame's soft labels as ``.npz``, whole or not at all.

    Args:
        path: The file.
        labels: float32 [K, h, w], background first; stored as float16.
        objects: The K−1 ids of the planes after the background.
        size: Height and width of the frame.

    Raises:
        InputError: If the folder cannot be written to or the disk is full.
    """
    with replacing(path) as part, part.open("wb") as stream:
        np.savez_compressed(
            stream,
            labels=labels.astype(np.float16),
            objects=objects.astype(np.uint8),
            size=np.array(size, np.int32),
        )


def read_soft_labels(path: Path) -> tuple[SoftLabels, Ids, tuple[int, int]]:
    """Read what ``write_soft_labels`` wrote.

    Returns:
        The labels, float32 [K, h, w]; the K−1 ids; height and width of the frame.

    Raises:
        InputError: If the file is missing, damaged or something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            labels, objects, size = stored["labels"], stored["objects"], stored["size"]
    except FileNotFoundError:
        raise InputError(f"{path} is missing.") from None
    except KeyError as error:
        raise InputError(f"{path} holds no soft labels: {error.args[0]}.", _REPLACE) from None
    except Exception as error:
        # Damage shows anywhere between zip, deflate and NumPy's header, each with errors of its own.
        raise InputError(f"{path} cannot be read as soft labels: {error}.", _REPLACE) from None
    if problem := _problem(labels, objects, size):
        raise InputError(f"{path} holds no soft labels: {problem}.", _REPLACE)
    height, width = (int(side) for side in size)
    return labels.astype(np.float32), objects, (height, width)


def _problem(
    labels: npt.NDArray[np.generic],
    objects: npt.NDArray[np.generic],
    size: npt.NDArray[np.generic],
) -> str:
    """Say what keeps arrays from being a frame's soft labels, or nothing."""
    if labels.dtype != np.float16 or labels.ndim != 3 or 0 in labels.shape:
        return f"`labels` is {labels.dtype} {list(labels.shape)}, not float16 [K, h, w]"
    if objects.dtype != np.uint8 or objects.shape != (len(labels) - 1,):
        return f"{len(labels)} planes need {len(labels) - 1} uint8 `objects`"
    if size.dtype != np.int32 or size.shape != (2,) or not (np.asarray(size, np.int64) > 0).all():
        return "`size` is no height and width"
    return ""
