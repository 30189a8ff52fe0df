"""What every annotation file comes to: images with shapes, which objects they show, and their masks."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from sfc_cli.data.annotations.rle import FARTHEST, Binary, decode_segmentation
from sfc_cli.data.colours import Ids
from sfc_cli.data.videos.images import natural_order
from sfc_cli.errors import InputError
from sfc_cli.files import is_inside_name

# There are ids from 1 to 254 for objects.
_MOST_OBJECTS = 254
# A larger mask is refused; Pillow refuses images of two thirds of it.
MOST_PIXELS = 2**28

Size = tuple[int, int]


class Remarked(Protocol):
    """Takes sentences for the user."""

    def add(self, sentence: str) -> None:
        """Note a sentence."""

    def add_of_mask(self, mask: str, sentence: str) -> None:
        """Note what was decided for one mask."""


class Segmentation(Protocol):
    """The area of a shape, in one of its forms."""

    def draw(self, size: Size) -> Binary:
        """Return the area in an image of a height and width, [H, W].

        Raises:
            ValueError: If it is damaged or does not fit.
        """


@dataclass(frozen=True)
class CocoSegmentation:
    """Polygons or an RLE, as COCO has them."""

    stored: Any

    def draw(self, size: Size) -> Binary:
        """See ``Segmentation``."""
        return decode_segmentation(self.stored, *size)


@dataclass(frozen=True)
class Polygons:
    """Closed polygons; where they overlap, one cuts a hole into the other.

    Args:
        points: x and y of each polygon's corners, float64 [N, 2] each, in pixels or as shares of the size.
        are_shares: The coordinates go from 0 to 1.
    """

    points: Sequence[npt.NDArray[np.float64]]
    are_shares: bool = False

    def draw(self, size: Size) -> Binary:
        """See ``Segmentation``."""
        import cv2

        height, width = size
        scale = np.array([width, height] if self.are_shares else [1, 1], np.float64)
        corners = []
        for polygon in self.points:
            if polygon.ndim != 2 or polygon.shape[1:] != (2,) or len(polygon) < 3:
                raise ValueError("a polygon is not a list of three or more points")
            if not np.isfinite(polygon).all():
                raise ValueError("a polygon has coordinates that are no numbers")
            scaled = polygon * scale
            if np.abs(scaled).max() > FARTHEST * max(size):
                raise ValueError(f"a polygon leads to {np.abs(scaled).max():g}, far outside the image")
            corners.append(np.rint(scaled).astype(np.int32))
        drawn = np.zeros(size, np.uint8)
        cv2.fillPoly(drawn, corners, 1)
        return drawn > 0


def rectangle(left: float, top: float, right: float, bottom: float) -> Polygons:
    """Return an upright rectangle by its sides, in pixels."""
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Polygons([np.array(corners, np.float64)])


@dataclass(frozen=True)
class Ellipse:
    """An ellipse, upright.

    Args:
        centre: Its x and y, in pixels.
        radii: Across and down, in pixels.
    """

    centre: tuple[float, float]
    radii: tuple[float, float]

    def draw(self, size: Size) -> Binary:
        """See ``Segmentation``."""
        values = (*self.centre, *self.radii)
        if not all(math.isfinite(value) for value in values) or min(self.radii) <= 0:
            raise ValueError("an ellipse has no extent")
        down, across = np.mgrid[: size[0], : size[1]]
        (x, y), (right, below) = self.centre, self.radii
        inside: Binary = ((across - x) / right) ** 2 + ((down - y) / below) ** 2 <= 1
        return inside


@dataclass(frozen=True, eq=False)
class Area:
    """Pixels as they are, within the image or within a box of it.

    Args:
        pixels: [h, w], what is not 0 belongs to the shape.
        corner: x and y of the box's left upper corner, in pixels; None if the pixels are the whole image.
    """

    pixels: Binary
    corner: tuple[int, int] | None = None

    def draw(self, size: Size) -> Binary:
        """See ``Segmentation``."""
        if self.corner is None:
            if self.pixels.shape != size:
                raise ValueError(f"it has {_pixels(self.pixels.shape)} pixels, not {_pixels(size)}")
            return self.pixels
        drawn = np.zeros(size, np.bool_)
        x, y = self.corner
        height, width = self.pixels.shape
        if x < 0 or y < 0 or x + width > size[1] or y + height > size[0]:
            raise ValueError(f"its box leaves the image of {_pixels(size)} pixels")
        drawn[y : y + height, x : x + width] = self.pixels
        return drawn


@dataclass(frozen=True, eq=False, kw_only=True)
class Shape:
    """One object, or a part of one, in one image.

    Args:
        area: Where it is.
        track: What the tool calls the object in all images; None if it does not say.
        label: What kind of thing it is, as the file tells kinds apart.
        label_name: The name of that kind, where it is another than the label.
        title: What the shape is called in errors.
    """

    area: Segmentation
    track: Hashable | None = None
    label: Hashable = ""
    label_name: str = ""
    title: str


@dataclass(frozen=True, eq=False, kw_only=True)
class AnnotatedImage:
    """One image with its shapes, later ones on top.

    Args:
        path: The file that tells of it.
        sequence: The video that it belongs to; empty if it is not told.
        stem: Its file's name without suffix.
        size: Height and width in pixels; None if the file does not tell.
        shapes: What was annotated.
    """

    path: Path
    sequence: str
    stem: str
    size: Size | None
    shapes: Sequence[Shape] = ()

    @property
    def name(self) -> str:
        """Its sequence and stem."""
        return f"{self.sequence}/{self.stem}" if self.sequence else self.stem

    @property
    def order(self) -> tuple[str, object]:
        """What images are sorted by: their sequences, and frame 2 before frame 10."""
        return self.sequence, natural_order(Path(f"{self.stem}.png"))

    def draw(self, numbers: dict[Shape, int], size: Size | None = None) -> Ids:
        """Return the image's mask.

        Args:
            numbers: The id of each shape.
            size: Height and width where the image does not tell its own.

        Raises:
            InputError: If a shape is damaged, or no size is known.
        """
        own = self.size or size
        if own is None:
            raise InputError(
                f"{self.path} does not say how large {self.stem} is.", "Give `size`, such as 1920x1080."
            )
        ids = np.zeros(own, np.uint8)
        for shape in self.shapes:
            try:
                ids[shape.area.draw(own)] = numbers[shape]
            except ValueError as error:
                raise InputError(
                    f"{shape.title} of {self.path} cannot be read: {error}.",
                    "Write the file again with the tool that made it.",
                ) from None
        return ids


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How the objects of one form are told apart where no track is given.

    Args:
        track: What the form calls a track, for remarks.
        labels_are_objects: Shapes of one label in one image are parts of one object.
    """

    track: str = "track_id"
    labels_are_objects: bool = False


@dataclass(frozen=True, kw_only=True)
class Annotations:
    """The content of an annotation file, or of a folder of them.

    Args:
        path: The file or folder.
        images: All images, by sequence and name.
        naming: How objects are told apart.
    """

    path: Path
    images: Sequence[AnnotatedImage]
    naming: Naming = field(default_factory=Naming)


@dataclass(frozen=True, kw_only=True)
class NumberedShapes:
    """The ids of shapes, and what the file calls the objects."""

    ids: dict[Shape, int]
    names: dict[int, str]


def number_shapes(
    images: Sequence[AnnotatedImage], path: Path, naming: Naming, remarks: Remarked
) -> NumberedShapes:
    """Give each shape of a sequence the id of its object, 1 to 254.

    Objects keep the number of their track if it can be an id. Without tracks a label is an object, if no
    image shows it twice; otherwise the shapes of each image are counted.

    Args:
        images: The sequence's images.
        path: The file, for the error.
        naming: How objects are told apart.
        remarks: Told what was decided.

    Raises:
        InputError: If there are too many objects for a mask.
    """
    shapes = [shape for image in images for shape in image.shapes]
    with_track = [shape for shape in shapes if shape.track is not None]
    if len(with_track) == len(shapes):
        names: dict[Shape, Hashable] = {shape: shape.track for shape in shapes}
        ids = _numbered(names, remarks)
    elif not with_track:
        names, ids = _by_label(images, naming, remarks)
    else:
        names = _by_track_or_label(images, naming, remarks)
        ids = _numbered(names, remarks)
    if max(ids.values(), default=0) > _MOST_OBJECTS:
        raise InputError(
            f"{path} has {max(ids.values())} objects in one sequence; a mask holds {_MOST_OBJECTS} at most.",
            "Leave some out.",
        )
    told = {ids[shape]: str(name) for shape, name in names.items()}
    if not with_track:
        told |= {ids[shape]: shape.label_name for shape in shapes if shape.label_name and len(told) > 1}
    return NumberedShapes(
        ids=ids, names={identity: name for identity, name in told.items() if name != str(identity)}
    )


def _by_label(
    images: Sequence[AnnotatedImage], naming: Naming, remarks: Remarked
) -> tuple[dict[Shape, Hashable], dict[Shape, int]]:
    names: dict[Shape, Hashable] = {shape: shape.label for image in images for shape in image.shapes}
    twice = any(len({shape.label for shape in image.shapes}) < len(image.shapes) for image in images)
    if naming.labels_are_objects or not twice:
        what = "all shapes of a category were" if twice else "each category was"
        remarks.add(f"No {naming.track}: {what} taken for one object.")
        return names, _numbered(names, remarks)
    remarks.add(
        f"No {naming.track}: the objects of each image were numbered in their order, which may differ "
        "between images."
    )
    ids = {shape: number for image in images for number, shape in enumerate(image.shapes, start=1)}
    return dict(ids), ids


def _by_track_or_label(
    images: Sequence[AnnotatedImage], naming: Naming, remarks: Remarked
) -> dict[Shape, Hashable]:
    """Name shapes by their track; those without one by their label and their order within it."""
    names: dict[Shape, Hashable] = {}
    most = 0
    for image in images:
        seen: dict[Hashable, int] = {}
        for shape in image.shapes:
            if shape.track is not None:
                names[shape] = shape.track
                continue
            seen[shape.label] = seen.get(shape.label, 0) + 1
            most = max(most, seen[shape.label])
            number = f" {seen[shape.label]}" if seen[shape.label] > 1 else ""
            names[shape] = f"{shape.label_name or shape.label}{number} without {naming.track}"
    order = ", in their order, which may differ between images" if most > 1 else ""
    remarks.add(f"Some shapes have no {naming.track}: they were told apart by their category{order}.")
    return names


def _numbered(names: dict[Shape, Hashable], remarks: Remarked) -> dict[Shape, int]:
    """Keep names that can be ids; otherwise number them in order."""
    if all(type(name) is int and 0 < name <= _MOST_OBJECTS for name in names.values()):
        return {shape: name for shape, name in names.items() if type(name) is int}
    order = sorted({str(name): name for name in names.values()}.values(), key=_rank)
    remarks.add(f"Objects were numbered from 1 to {len(order)}, because their names cannot be ids.")
    numbers = {str(name): number for number, name in enumerate(order, start=1)}
    return {shape: numbers[str(name)] for shape, name in names.items()}


def _rank(name: Any) -> tuple[bool, float, str]:
    """Return a key that sorts numbers by value, and before text."""
    is_number = isinstance(name, int | float)
    return not is_number, name if is_number else 0, str(name)


def is_part(name: object) -> bool:
    """Return whether a value is empty or can name one file or folder of what is written."""
    if not isinstance(name, str) or "/" in name or "\\" in name:
        return False
    try:
        # JSON may hold half a character, which no file's name can.
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return not name or is_inside_name(name)


def require_parts(sequence: object, stem: object, title: str, path: Path) -> None:
    """Make sure that the names of an image can be those of a folder and a file.

    Raises:
        InputError: If one of them cannot.
    """
    for part in (sequence, stem):
        if not is_part(part):
            raise InputError(
                f"{title} of {path} is refused: {part!r} cannot name a file or folder.",
                "Correct its file_name or video.",
            )
    if not stem:
        raise InputError(f"{title} of {path} has an empty file_name.", "Correct it.")


def require_size(height: object, width: object, title: str, path: Path) -> Size:
    """Return an image's size.

    Raises:
        InputError: If it has none, or is too large.
    """
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise InputError(f"{title} of {path} has no size: {height!r}×{width!r}.", "Write the file again.")
    if height * width > MOST_PIXELS:
        raise InputError(f"{title} of {path} is too large: {width}×{height} pixels.")
    return height, width


def _pixels(shape: tuple[int, ...]) -> str:
    return "×".join(str(extent) for extent in shape[::-1])
