"""Reads YOLO's text files of segments: a line for each polygon, in shares of the image's size."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sfc_cli.data.annotations.shapes import (
    AnnotatedImage,
    Annotations,
    Naming,
    Polygons,
    Remarked,
    Shape,
)
from sfc_cli.errors import InputError

# Lists that lie beside the labels and are none.
_NO_LABELS = frozenset({"classes.txt", "train.txt", "val.txt", "test.txt", "obj.names", "readme.txt"})


def is_label_file(path: Path) -> bool:
    """Return whether a path may be a label file of YOLO."""
    return path.suffix.lower() == ".txt" and path.name.lower() not in _NO_LABELS


def read_yolo(files: Sequence[Path], root: Path, remarks: Remarked) -> Annotations:
    """Read label files. YOLO names classes only; what tracks, adds a number at the end of a line.

    Args:
        files: By sequence and name.
        root: Above them: a folder between is a sequence, unless it is called ``labels``.
        remarks: Told what was left out.

    Raises:
        InputError: If one of them holds something else.
    """
    images = []
    for path in files:
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path} cannot be read as text: {error}.", "Give YOLO's label files.") from None
        shapes = []
        for number, line in enumerate(lines, start=1):
            if line.strip():
                shapes += _read_line(line, f"Line {number}", path, remarks)
        parts = [part for part in path.parent.relative_to(root).parts if part != "labels"]
        sequence = parts[-1] if parts else ""
        images.append(AnnotatedImage(path=path, sequence=sequence, stem=path.stem, size=None, shapes=shapes))
    return Annotations(path=root, images=images, naming=Naming(track="track number", labels_are_objects=True))


def _read_line(line: str, title: str, path: Path, remarks: Remarked) -> list[Shape]:
    try:
        values = [float(value) for value in line.split()]
    except ValueError:
        values = []
    if len(values) < 5 or values[0] != int(values[0]) or values[0] < 0:
        raise InputError(
            f"{title} of {path} is not a YOLO label: {line[:40]!r}.",
            "Expected a class and the corners of a polygon, as in `0 0.1 0.2 0.3 0.2 0.3 0.4`.",
        )
    category, rest = int(values[0]), values[1:]
    track: int | None = None
    if len(rest) % 2:
        # What follows the corners is a track's number, or how sure a network was.
        last = rest.pop()
        track = int(last) if last == int(last) and last > 1 else None
    if len(rest) < 6:
        remarks.add_of_mask(path.name, "A box was left out: it has no area of its own.")
        return []
    corners = np.array(rest, np.float64).reshape(-1, 2)
    # Objects count from 1, classes from 0.
    area = Polygons([corners], are_shares=True)
    return [Shape(area=area, track=track, label=category + 1, title=title)]
