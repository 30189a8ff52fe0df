"""Reads saved soft labels as masks."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sfc_cli.conversion.sources import MaskSource, Reader, Reference
from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import enlarge_to_mask
from sfc_cli.errors import InputError

_ARRAYS = ("labels", "objects", "size")


@dataclass(frozen=True)
class SoftMasks:
    """Soft labels in NumPy files.

    Args:
        masks: The files.
    """

    masks: Sequence[MaskSource]

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:  # noqa: ARG002
        """See ``MaskInput``. Each pixel takes its strongest label."""
        return lambda mask: read_soft_mask(mask.path)


def read_soft_mask(path: Path) -> Ids:
    """Read soft labels and enlarge them to their frame's mask.

    Args:
        path: An ``.npz`` with ``labels`` [K, h, w], background first, ``objects`` [K−1], their ids, and
            ``size``, the frame's height and width in pixels.

    Returns:
        uint8 [H, W].

    Raises:
        InputError: If the file is missing, damaged or holds something else.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            labels, objects, size = (np.asarray(stored[name]) for name in _ARRAYS)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} cannot be read as soft labels: {error}.", "Write it anew.") from None
    fits = (
        labels.ndim == 3
        and labels.dtype.kind == "f"
        and 0 not in labels.shape
        and objects.shape == (len(labels) - 1,)
        and objects.dtype == np.uint8
        and size.shape == (2,)
        and size.dtype.kind in "iu"
        and size.min() > 0
        and size.max() < 2**15
    )
    if not fits:
        raise InputError(
            f"{path} does not hold soft labels: labels {labels.dtype} {labels.shape}, "
            f"objects {objects.dtype} {objects.shape}, size {size.tolist()}.",
            "Expected labels [K, h, w], the ids of K−1 objects, and the frame's height and width.",
        )
    height, width = size.tolist()
    return enlarge_to_mask(labels.astype(np.float32), objects, height, width)
