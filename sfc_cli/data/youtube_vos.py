"""The YouTube-VOS folder layout and its index file, as far as pretraining needs them. Nothing here writes."""

from __future__ import annotations

import csv
from pathlib import Path

from sfc_cli.data.probing import is_image_name
from sfc_cli.errors import InputError

INDEX_NAME = "ytvos.csv"
PUBLISHED_VIDEOS = 3471

# The full training set comes first: `train` holds every fifth frame only.
_FRAME_FOLDERS = ("train_all_frames/JPEGImages", "JPEGImages", "train/JPEGImages")


def find_frames_folder(root: Path) -> Path | None:
    """Return the folder of video folders of a YouTube-VOS root; None if ``root`` is none."""
    for relative in _FRAME_FOLDERS:
        folder = root / relative
        if folder.is_dir() and any(_holds_images(path) for path in sorted(folder.iterdir())[:3]):
            return folder
    return None


def find_index(root: Path, frames_folder: Path) -> Path | None:
    """Return the index file of a set: beside, in or above its folder of frames; None if absent."""
    for folder in (frames_folder.parent, frames_folder, root):
        if (folder / INDEX_NAME).is_file():
            return folder / INDEX_NAME
    return None


def read_index(path: Path) -> list[tuple[str, tuple[str, ...]]]:
    """Read ``ytvos.csv``: rows of video, first frame number, number of frames.

    Returns:
        Each video's name and the names of its frames, numbered without gaps.

    Raises:
        InputError: If the file cannot be read or a row has another form; a heading is skipped.
    """
    videos: dict[str, tuple[str, ...]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for number, row in enumerate(csv.reader(file), start=1):
                cells = [cell.strip() for cell in row]
                if not any(cells) or (number == 1 and not _is_number(cells[-1])):
                    continue
                videos.update([_read_row(cells, number, path)])
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"Cannot read {path}: {error}.", "Remove it to have the index made anew.") from None
    if not videos:
        raise InputError(f"{path} lists no video.", "Remove it to have the index made anew.")
    return list(videos.items())


def _read_row(cells: list[str], number: int, path: Path) -> tuple[str, tuple[str, ...]]:
    # A stray frame count of zero would silently drop the video.
    if len(cells) != 3 or not cells[0] or not all(map(_is_number, cells[1:])) or int(cells[2]) == 0:
        raise InputError(
            f"{path}, line {number}: {', '.join(cells)!r} is not `video, first frame, number of frames`.",
            "Correct the line, or remove the file to have the index made anew.",
        )
    first, count = int(cells[1]), int(cells[2])
    return cells[0], tuple(f"{frame:05d}.jpg" for frame in range(first, first + count))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit()


def _holds_images(folder: Path) -> bool:
    return folder.is_dir() and any(is_image_name(path.name) for path in folder.iterdir())
