"""Recognises in which form masks are given."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from sfc_cli.conversion.archives import unpacked
from sfc_cli.conversion.coco_input import read_coco
from sfc_cli.conversion.folders import are_raw, find_masks
from sfc_cli.conversion.remarks import Remarks
from sfc_cli.conversion.soft_input import SoftMasks
from sfc_cli.conversion.sources import MaskInput
from sfc_cli.conversion.stored import StoredMasks
from sfc_cli.data.davis import DavisDataset
from sfc_cli.errors import InputError


@contextlib.contextmanager
def open_masks(
    source: Path, dataset: DavisDataset | None, split: str, remarks: Remarks
) -> Iterator[MaskInput]:
    """Open a folder, a zip or a COCO file of masks.

    Args:
        source: Its path.
        dataset: Gives the names that the released script's numbers stand for.
        split: The split that numbers the released script's videos.
        remarks: Told what was decided or is missing.

    Raises:
        UsageError: If the released script's files come without a data set.
        InputError: If there is no mask, or the file is none of the forms known.
    """
    if source.suffix.lower() == ".json" and source.is_file():
        yield read_coco(source, remarks)
    elif source.suffix.lower() == ".zip" and source.is_file():
        with unpacked(source) as folder:
            yield _open_folder(folder, dataset, split, remarks)
    elif source.is_file():
        raise InputError(
            f"{source} is a file, but neither a .zip of masks nor a COCO .json.",
            "Give the folder of masks to convert.",
        )
    else:
        yield _open_folder(source, dataset, split, remarks)


def _open_folder(folder: Path, dataset: DavisDataset | None, split: str, remarks: Remarks) -> MaskInput:
    masks = find_masks(folder, dataset, split, remarks)
    if masks[0].path.suffix == ".npz":
        return SoftMasks(masks)
    return StoredMasks(masks, remarks, are_raw(masks, folder))
