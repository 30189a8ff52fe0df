"""Recognises how a data set of masks is laid out, and what was probably meant where it is not one."""

from __future__ import annotations

from pathlib import Path

from sfc_cli.data.davis import DEFAULT_RESOLUTION, DavisDataset
from sfc_cli.data.sequence_folders import FRAME_SUFFIXES
from sfc_cli.data.vos import ANNOTATIONS, FRAMES, VosDataset, open_vos
from sfc_cli.errors import InputError
from sfc_cli.files import require_inside_name

_DEEPEST = 3
_MOST_LOOKED_AT = 200


def open_layout(
    root: Path, split: str | None = None, *, resolution: str | None = None
) -> DavisDataset | VosDataset:
    """Open a data set of masks in the layout of DAVIS or of YouTube-VOS, whichever its folders tell.

    Args:
        root: The data set.
        split: See ``DavisDataset.sequences`` and ``open_vos``.
        resolution: The folder between ``JPEGImages`` and the sequences; None for ``480p``, or for the only
            one that there is.

    Raises:
        InputError: If the folder is no data set; the message names the folder that was probably meant.
    """
    if resolution is not None:
        require_inside_name(resolution, "`resolution`")
    frames = root / FRAMES
    found = resolution or _resolution_of(frames)
    if found is not None:
        if resolution is not None and frames.is_dir() and not (frames / resolution).is_dir():
            there = ", ".join(_resolutions(frames)) or "none"
            raise InputError(f"No resolution {resolution!r} in {frames}.", f"Resolutions there: {there}.")
        return DavisDataset(root=root, resolution=found)
    dataset = open_vos(root, split)
    if dataset is not None:
        return dataset
    if root.is_dir() and not (root / "ImageSets").is_dir() and (meant := folder_meant(root)):
        raise InputError(f"No {FRAMES} in {root}.", f"Did you mean {meant}?")
    return DavisDataset(root=root)


def _resolution_of(frames: Path) -> str | None:
    """Return the folder between ``JPEGImages`` and the sequences; None if the sequences come right there."""
    found = _resolutions(frames)
    if DEFAULT_RESOLUTION in found or len(found) < 2:
        return DEFAULT_RESOLUTION if DEFAULT_RESOLUTION in found else next(iter(found), None)
    raise InputError(f"No {DEFAULT_RESOLUTION} in {frames}.", f"Choose `resolution`: {', '.join(found)}.")


def _resolutions(frames: Path) -> list[str]:
    """Return the folders right below ``JPEGImages`` if they hold sequences; none if they hold frames."""
    folders = sorted(path for path in frames.iterdir() if path.is_dir()) if frames.is_dir() else []
    found = []
    for folder in (folder for folder in folders if folder.name[0] != "."):
        entries = [path for path in folder.iterdir() if path.name[0] != "."]
        if any(path.suffix in FRAME_SUFFIXES for path in entries):
            return []
        if folder.name == DEFAULT_RESOLUTION or any(path.is_dir() for path in entries):
            found.append(folder.name)
    return found


def folder_meant(root: Path) -> Path | None:
    """Return the data set that a folder lies in, or that lies up to three folders below it, if any."""
    above = (root, *root.resolve().parents)[: _DEEPEST + 1]
    for folder in above:
        if folder.name in (FRAMES, ANNOTATIONS) and (folder.parent / FRAMES).is_dir():
            return folder.parent
    level = [root]
    for _ in range(_DEEPEST):
        level = [
            path
            for folder in level
            for path in sorted(folder.iterdir())[:_MOST_LOOKED_AT]
            if path.is_dir() and path.name[0] != "."
        ][:_MOST_LOOKED_AT]
        for folder in level:
            if (folder / FRAMES).is_dir():
                # Of a folder for each split, the set is the one above.
                return folder
    return None
