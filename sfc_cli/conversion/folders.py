"""Finds the masks of a folder: the released script's files, a folder a sequence, or saved soft labels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from sfc_cli.conversion.remarks import Remarks, listed
from sfc_cli.conversion.sources import MaskSource
from sfc_cli.data.davis import DavisDataset
from sfc_cli.errors import InputError, UsageError

# The released script's names: the video's number in the split, and the frame's in the video.
_RAW_NAME = re.compile(r"(\d+)_(\d+)_mask\.png")
# What `sfc propagate` may write beside its masks; given as the input itself, each can be converted.
_BESIDE_MASKS = ("overlay", "cutout", "soft")
_RECORD = "run.json"
# What masks are looked for; the first kind that there is counts, so that frames beside masks do not.
SUFFIXES = ("png", "npz", "PNG", "bmp", "gif", "tif", "tiff", "webp", "jpg", "jpeg", "JPG")


def find_masks(folder: Path, dataset: DavisDataset | None, split: str, remarks: Remarks) -> list[MaskSource]:
    """List the masks of a folder in order.

    Args:
        folder: Holds either the released script's files, or masks, or a folder of masks a sequence; or soft
            labels (``.npz``) in the place of masks. Without PNGs other images are taken.
        dataset: Gives the names that the released script's numbers stand for.
        split: The split whose order numbers the videos.
        remarks: Told of videos of the split that have no mask.

    Raises:
        UsageError: If the released script's files come without a data set.
        InputError: If there is no mask, or a file belongs to no video or frame, or a frame has no file.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is missing or no folder.", "Give the folder of masks to convert.")
    raw = {path: match for path in folder.iterdir() if (match := _RAW_NAME.fullmatch(path.name))}
    if raw:
        if dataset is None:
            raise UsageError(
                f"{folder} holds the released script's files, which carry numbers instead of names.",
                "Give --data (and --split) for the names of sequences and frames.",
            )
        numbers = {path: (int(match[1]), int(match[2])) for path, match in raw.items()}
        return _name_raw_masks(numbers, dataset, dataset.sequences(split), remarks)
    found = next(filter(None, (_in_sequences(folder, suffix) for suffix in SUFFIXES)), [])
    if not found:
        beside = [name for name in _BESIDE_MASKS if (folder / name).is_dir()]
        hint = f"To convert what lies in {folder / beside[0]}, give that folder." if beside else ""
        raise InputError(
            f"No masks in {folder}.",
            hint
            or "Expected <sequence>/<frame>.png, <frame>.png, or the released script's <video>_<t>_mask.png.",
        )
    return found


def are_raw(masks: Sequence[MaskSource], folder: Path) -> bool:
    """Tell whether the masks found in a folder are the released script's."""
    first = masks[0].path
    return first.parent == folder and _RAW_NAME.fullmatch(first.name) is not None


def _in_sequences(folder: Path, suffix: str) -> list[MaskSource]:
    flat = _shown(folder.glob(f"*.{suffix}"))
    # Elsewhere a folder of such a name may well be a sequence.
    is_result = bool(flat) or (folder / _RECORD).is_file()
    skipped = _BESIDE_MASKS if is_result else ()
    nested = [
        path
        for path in _shown(folder.glob(f"*/*.{suffix}"))
        if path.parent.name not in skipped and path.parent.name[0] != "."
    ]
    return [
        MaskSource(path=path, sequence="" if path.parent == folder else path.parent.name, stem=path.stem)
        for path in sorted([*flat, *nested])
    ]


def _shown(paths: Iterable[Path]) -> list[Path]:
    return [path for path in paths if path.name[0] != "."]


def _name_raw_masks(
    numbers: dict[Path, tuple[int, int]],
    dataset: DavisDataset,
    sequences: Sequence[str],
    remarks: Remarks,
) -> list[MaskSource]:
    stems: dict[int, list[str]] = {}
    found = []
    for path, (video, frame) in sorted(numbers.items(), key=lambda item: item[1]):
        if video >= len(sequences):
            raise InputError(
                f"{path} is of video {video}, but the split has {len(sequences)} sequences.",
                "Check --data and --split.",
            )
        if video not in stems:
            stems[video] = [frame_path.stem for frame_path in dataset.frames(sequences[video])]
        if frame >= len(stems[video]):
            raise InputError(
                f"{path} is frame {frame} of {sequences[video]}, which has {len(stems[video])} frames.",
                "Check --data and --split.",
            )
        found.append(MaskSource(path=path, sequence=sequences[video], stem=stems[video][frame]))
    for video, names in stems.items():
        there = {source.stem for source in found if source.sequence == sequences[video]}
        lacking = [number for number, name in enumerate(names) if name not in there]
        if lacking:
            first = next(iter(numbers)).with_name(f"{video}_{lacking[0]}_mask.png")
            raise InputError(
                f"{len(lacking)} of {len(names)} frames of {sequences[video]} have no mask; "
                f"the first missing is {first}.",
                "Was the released script's run complete?",
            )
    absent = [name for video, name in enumerate(sequences) if video not in stems]
    if absent:
        remarks.add(
            f"{len(absent)} of the split's {len(sequences)} sequences have no mask: {listed(absent)}."
        )
    return found
