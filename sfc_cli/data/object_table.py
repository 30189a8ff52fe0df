"""What a mask says of each object in numbers, and the table of all of them, ``objects.csv``."""

from __future__ import annotations

import contextlib
import csv
import io
import shutil
from collections.abc import Iterator
from itertools import groupby, islice, takewhile
from operator import itemgetter
from pathlib import Path

from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.data.videos.selection import FrameStamp
from sfc_cli.errors import InputError
from sfc_cli.files import PartFile, replacing, unwritable

COLUMNS = (
    *("sequence", "frame", "number", "seconds", "object", "area", "left", "top", "width", "height"),
    *("centroid_x", "centroid_y", "confidence"),
)
_ABSENT = ("0", *[""] * 7)

Row = tuple[str, ...]

_frame_of = itemgetter(1)


def measure_objects(mask: Ids, confidence: SoftLabels, objects: Ids) -> list[Row]:
    """Measure objects in a mask.

    Args:
        mask: Ids, uint8 [H, W].
        confidence: Of each pixel, float32 [H, W].
        objects: The ids to look for.

    Returns:
        For each object: id, area, left, top, width and height of its box, x and y of its centroid (the mean
        of its pixels' coordinates, the first being 0), mean confidence; all in pixels, empty where the
        object is absent.
    """
    import cv2

    # All objects lie in here: what is measured for each of them is no larger.
    left, top, width, height = cv2.boundingRect(mask)
    mask = mask[top : top + height, left : left + width]
    confidence = confidence[top : top + height, left : left + width]
    rows = []
    for identity in objects:
        is_object = cv2.inRange(mask, int(identity), int(identity)) if mask.size else mask
        x, y, across, down = cv2.boundingRect(is_object) if mask.size else (0, 0, 0, 0)
        if not across:
            rows.append(absent_row(identity))
            continue
        box = slice(y, y + down), slice(x, x + across)
        moments = cv2.moments(is_object[box], binaryImage=True)
        area = moments["m00"]
        certain = cv2.mean(confidence[box], mask=is_object[box])[0]
        x, y = x + left, y + top
        numbers = (int(area), x, y, across, down)
        centroid = (x + moments["m10"] / area, y + moments["m01"] / area)
        rows.append((str(identity), *map(str, numbers), *(f"{c:.2f}" for c in centroid), f"{certain:.4f}"))
    return rows


def absent_row(identity: int) -> Row:
    """Return what ``measure_objects`` says of an object that a mask does not show."""
    return str(identity), *_ABSENT


class ObjectTable:
    """Adds one sequence's rows to a table that other sequences share. ``finish`` or ``abandon`` must follow.

    One process writes a table, one sequence at a time. Until then the rows wait on disk: those of an hour
    would fill the memory.

    Args:
        path: The table.
        sequence: The name in the first column; rows that the table has of it are replaced.
        rows: Where the rows wait, and stay when the table is abandoned; a file beside the table if None,
            which goes with it.
        kept_frames: How many frames of an interrupted run keep their rows.

    Raises:
        InputError: If its folder cannot be written to, or the file is another table.
    """

    def __init__(self, path: Path, sequence: str, *, rows: Path | None = None, kept_frames: int = 0) -> None:
        self._path, self._sequence = path, sequence
        for _ in _stored_rows(path):
            break
        self._waiting = rows or PartFile(path, ".rows").part
        self._goes_when_abandoned = rows is None
        try:
            self._waiting.parent.mkdir(parents=True, exist_ok=True)
            if kept_frames:
                _cut_rows(self._waiting, kept_frames)
            self._rows = self._waiting.open("a" if kept_frames else "w", encoding="utf-8", newline="")
        except OSError as error:
            raise unwritable(path, error) from None

    def add(self, stamp: FrameStamp, rows: list[Row]) -> None:
        """Add a frame's rows.

        Args:
            stamp: The frame's name, number in the video and time.
            rows: What ``measure_objects`` gave.

        Raises:
            InputError: If the disk is full.
        """
        begin = (self._sequence, stamp.name, str(stamp.number), f"{stamp.seconds:.3f}")
        lines = io.StringIO()
        csv.writer(lines, lineterminator="\n").writerows((*begin, *row) for row in rows)
        try:
            self._rows.write(lines.getvalue())
            self._rows.flush()
        except OSError as error:
            raise unwritable(self._path, error) from None

    def finish(self) -> None:
        """Bring the rows into the table.

        Raises:
            InputError: If the disk is full.
        """
        try:
            self._rows.close()
        except OSError as error:
            raise unwritable(self._path, error) from None
        _replace_rows(self._path, self._sequence, self._waiting)
        self._waiting.unlink(missing_ok=True)

    def abandon(self) -> None:
        """Stop, and remove the pending rows beside the table."""
        # What the file still held may find no room.
        with contextlib.suppress(OSError):
            self._rows.close()
        if self._goes_when_abandoned:
            self._waiting.unlink(missing_ok=True)


def frames_waiting(path: Path) -> list[str]:
    """Return the frames, in order, that have pending rows in a file; none if the file is missing."""
    return [frame for frame, _ in groupby(_waiting_rows(path), _frame_of)]


def _cut_rows(path: Path, frame_count: int) -> None:
    """Keep the rows of the first frames alone: a kill may have left those of one more."""
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        for _, rows in islice(groupby(_waiting_rows(path), _frame_of), frame_count):
            writer.writerows(rows)


def _waiting_rows(path: Path) -> Iterator[list[str]]:
    """Yield the pending rows, as far as the file is whole."""
    with (
        contextlib.suppress(FileNotFoundError, ValueError, csv.Error),
        path.open(encoding="utf-8", newline="") as stream,
    ):
        yield from takewhile(lambda row: len(row) == len(COLUMNS), csv.reader(stream))


def frames_in_table(path: Path, sequence: str) -> set[str]:
    """Return the frames of a sequence that a table has rows of; none if there is no table.

    Raises:
        InputError: If the file is another table.
    """
    return {row[1] for row in _stored_rows(path) if row[0] == sequence}


def remove_from_table(path: Path, sequence: str) -> None:
    """Remove a sequence's rows from a table; the table too, if no others are left.

    Raises:
        InputError: If the file is another table or cannot be written.
    """
    names = {row[0] for row in _stored_rows(path)}
    if names == {sequence}:
        path.unlink()
    elif sequence in names:
        _replace_rows(path, sequence, None)


def _replace_rows(path: Path, sequence: str, rows: Path | None) -> None:
    with replacing(path) as part, part.open("w", encoding="utf-8", newline="") as table:
        writer = csv.writer(table, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(row for row in _stored_rows(path) if row[0] != sequence)
        if rows is not None:
            with rows.open(encoding="utf-8", newline="") as stream:
                shutil.copyfileobj(stream, table)


def _stored_rows(path: Path) -> Iterator[list[str]]:
    """Yield the rows of a table, after its header; nothing if there is no table."""
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            table = csv.reader(stream)
            if tuple(next(table, ())) != COLUMNS:
                raise InputError(f"{path} is not a table of sfc.", "Move it elsewhere.")
            yield from (row for row in table if len(row) == len(COLUMNS))
    except (FileNotFoundError, NotADirectoryError):
        return
    except (OSError, ValueError, csv.Error) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Move it elsewhere.") from None
