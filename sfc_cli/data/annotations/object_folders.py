"""Reads masks that lie in one folder for each object, black and white."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sfc_cli.data.annotations.rle import Binary
from sfc_cli.data.annotations.shapes import AnnotatedImage, Annotations, Naming, Remarked, Shape, Size
from sfc_cli.data.mask_files import open_image, opened_image
from sfc_cli.data.results import EXTRA_FOLDERS
from sfc_cli.errors import InputError

_HALF_WHITE, _WHITE = 128, 255
# What lies in these is a data set's, or a run's beside its masks.
_OTHER_FOLDERS = frozenset({*EXTRA_FOLDERS, "Annotations", "JPEGImages", "ImageSets"})


class MaskFile:
    """The area of an object in an image file of its own.

    Args:
        path: The file, black and white or transparent.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def draw(self, size: Size) -> Binary:
        """Return what is not black, [H, W]; see ``Segmentation``."""
        image = open_image(self._path)
        if image.size != size[::-1]:
            raise ValueError(f"{self._path} has {image.width}×{image.height} pixels, not {size[1]}×{size[0]}")
        if image.mode in {"RGBA", "LA"}:
            return np.asarray(np.asarray(image.getchannel("A")) >= _HALF_WHITE, np.bool_)
        if image.mode == "RGB":
            return np.asarray(np.asarray(image).max(axis=2) >= _HALF_WHITE, np.bool_)
        values = np.asarray(image)
        # Black and white may be 0 and 1, or 0 and 255 with soft edges.
        return np.asarray(values >= (_HALF_WHITE if values.max() > _HALF_WHITE else 1), np.bool_)


def objects_below(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Return the masks of each object of each sequence; nothing if the folder is laid out otherwise."""
    found: dict[str, dict[str, list[Path]]] = {}
    for path in sorted(folder.glob("*/*/*.png")):
        parts = path.relative_to(folder).parts
        if not any(part[0] == "." for part in parts) and parts[0] not in _OTHER_FOLDERS:
            found.setdefault(parts[0], {}).setdefault(parts[1], []).append(path)
    first = (files[0] for objects in found.values() for files in objects.values())
    return found if all(_shows_one_object(path) for path in first) else {}


def _shows_one_object(path: Path) -> bool:
    image = open_image(path)
    if image.mode in {"RGBA", "LA"}:
        return True
    colours = image.getcolors(maxcolors=2) if image.mode in {"1", "L", "P", "RGB"} else None
    return colours is not None or (image.mode == "L" and image.getextrema()[1] == _WHITE)


def objects_of(folder: Path) -> dict[str, dict[str, list[Path]]]:
    """Return the masks of each object of one sequence, whose folder is given."""
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob("*/*.png")):
        if path.name[0] != "." and path.parent.name[0] != ".":
            found.setdefault(path.parent.name, []).append(path)
    return {"": found} if found else {}


def read_object_folders(
    objects: dict[str, dict[str, list[Path]]],
    root: Path,
    remarks: Remarked,
) -> Annotations:
    """Read masks by sequence and object.

    Raises:
        InputError: If a file is damaged.
    """
    images = []
    for sequence, folders in objects.items():
        shapes: dict[str, list[tuple[Path, Shape]]] = {}
        for name, files in folders.items():
            track = int(name) if name.isdecimal() else name
            for path in files:
                title = f"{name}/{path.name}"
                shape = Shape(area=MaskFile(path), track=track, title=title)
                shapes.setdefault(path.stem, []).append((path, shape))
        for stem, found in sorted(shapes.items()):
            with opened_image(found[0][0]) as image:
                size = image.size[::-1]
            images.append(
                AnnotatedImage(
                    path=found[0][0], sequence=sequence, stem=stem, size=size, shapes=[s for _, s in found]
                )
            )
    if not images:
        raise InputError(f"No masks in {root}.", "Expected <sequence>/<object>/<frame>.png.")
    remarks.add("Each folder is an object. Where objects overlap, the later folder is on top.")
    return Annotations(path=root, images=images, naming=Naming(track="folder"))
