"""Reads saved soft labels as masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sfc_cli.conversion.sources import MOST_PIXELS, MaskSource, Reader, Reference
from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import enlarge_to_mask, read_soft_labels
from sfc_cli.errors import InputError


@dataclass(frozen=True)
class SoftMasks:
    """Soft labels in NumPy files.

    Args:
        masks: The files.
    """

    masks: Sequence[MaskSource]

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:  # noqa: ARG002
        """See ``MaskInput``. Each pixel takes its strongest label."""
        return _read


def _read(mask: MaskSource) -> Ids:
    labels, objects, (height, width) = read_soft_labels(mask.path)
    if height * width > MOST_PIXELS:
        raise InputError(f"{mask.path} is of a frame too large: {width}×{height} pixels.", "Remove it.")
    return enlarge_to_mask(labels, objects, height, width)
