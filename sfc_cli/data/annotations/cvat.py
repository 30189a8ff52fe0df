"""Reads CVAT's own XML, for images (1.1) and for videos."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from xml.etree import ElementTree

import numpy as np

from sfc_cli.data.annotations.shapes import (
    AnnotatedImage,
    Annotations,
    Area,
    Ellipse,
    Naming,
    Polygons,
    Remarked,
    Segmentation,
    Shape,
    Size,
    require_parts,
    require_size,
)
from sfc_cli.errors import InputError

_TRACK_ATTRIBUTES = ("track_id", "instance_id", "object_id", "id")
_Element = ElementTree.Element


def read_cvat(path: Path, remarks: Remarked) -> Annotations:
    """Read a CVAT file.

    Raises:
        InputError: If it is damaged, not CVAT's, or has no images.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ValueError("it declares a document type, which CVAT never does")
        root = ElementTree.fromstring(text)
    except (OSError, ValueError, ElementTree.ParseError) as error:
        raise InputError(f"{path} cannot be read as XML: {error}.", "Export the annotations again.") from None
    if root.tag != "annotations":
        raise InputError(f"{path} is not a CVAT file: it begins with <{root.tag}>.", "Export as CVAT 1.1.")
    try:
        images = [_read_image(element, path, remarks) for element in root.iter("image")]
        images += _read_tracks(root, path, remarks)
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is damaged: {error}.", "Export the annotations again.") from None
    if not images:
        raise InputError(f"No images in {path}.", "Export annotated images or tracks as CVAT 1.1.")
    images.sort(key=lambda image: image.order)
    return Annotations(path=path, images=images, naming=Naming(track="group_id or track_id"))


def _read_image(element: _Element, path: Path, remarks: Remarked) -> AnnotatedImage:
    file = PurePosixPath(element.attrib["name"].replace("\\", "/"))
    title = f"Image {element.get('id')}"
    require_parts(file.parent.name, file.stem, title, path)
    size = require_size(int(element.attrib["height"]), int(element.attrib["width"]), title, path)
    # Later ones are on top, wherever they stand in the file.
    ordered = sorted(element, key=lambda one: int(one.get("z_order", 0)))
    shapes = []
    for number, one in enumerate(ordered, start=1):
        shape = _read_shape(one, f"Shape {number} of {file.name}", _track(one), one.get("label", ""))
        if shape is not None:
            shapes.append(shape)
        elif one.tag in {"box", "polyline", "points", "cuboid", "skeleton"}:
            remarks.add_of_mask(file.name, f"A {one.tag} was left out: it has no area of its own.")
    return AnnotatedImage(path=path, sequence=file.parent.name, stem=file.stem, size=size, shapes=shapes)


def _read_tracks(root: _Element, path: Path, remarks: Remarked) -> Iterator[AnnotatedImage]:
    size: Size | None = None
    original = root.find(".//original_size")
    if original is not None:
        height, width = original.findtext("height", "0"), original.findtext("width", "0")
        size = require_size(int(height), int(width), "The video", path)
    shapes: dict[int, list[Shape]] = {}
    for track in root.iter("track"):
        # CVAT counts tracks from 0, and 0 is background.
        identity = int(track.attrib["id"]) + 1
        for one in track:
            frame = int(one.get("frame", -1))
            is_absent = one.get("outside") == "1"
            title = f"Track {track.get('id')}, frame {frame}"
            shape = None if is_absent else _read_shape(one, title, identity, track.get("label", ""))
            if shape is not None:
                shapes.setdefault(frame, []).append(shape)
            elif not is_absent and one.tag != "attribute":
                remarks.add_of_mask(title, f"A {one.tag} was left out: it has no area of its own.")
    for frame in sorted(shapes):
        yield AnnotatedImage(
            path=path, sequence="", stem=f"frame_{frame:06d}", size=size, shapes=shapes[frame]
        )


def _read_shape(one: _Element, title: str, track: int | str | None, label: str) -> Shape | None:
    area = _read_area(one)
    return None if area is None else Shape(area=area, track=track, label=label, title=title)


def _read_area(one: _Element) -> Segmentation | None:
    if one.tag == "polygon":
        points = [tuple(map(float, pair.split(","))) for pair in one.attrib["points"].split(";")]
        return Polygons([np.array(points, np.float64)])
    if one.tag == "ellipse":
        centre, radii = (
            (float(one.attrib[x]), float(one.attrib[y])) for x, y in (("cx", "cy"), ("rx", "ry"))
        )
        return Ellipse(centre, radii)
    if one.tag != "mask":
        return None
    # The runs go along the rows of the mask's own box, the first one being empty.
    counts = np.array(one.attrib["rle"].split(","), np.int64)
    left, top, width, height = (int(float(one.attrib[name])) for name in ("left", "top", "width", "height"))
    if (counts < 0).any() or counts.sum() > width * height or width * height > 2**28:
        raise ValueError(f"the runs of a mask do not fit into its box of {width}×{height} pixels")
    pixels = np.zeros(width * height, np.bool_)
    runs = np.repeat(np.arange(len(counts)) % 2 == 1, counts)
    pixels[: len(runs)] = runs
    return Area(pixels.reshape(height, width), (left, top))


def _track(one: _Element) -> int | str | None:
    attributes = {child.get("name"): (child.text or "").strip() for child in one.iter("attribute")}
    found = [attributes[name] for name in _TRACK_ATTRIBUTES if attributes.get(name)]
    text = found[0] if found else one.get("group_id")
    return int(text) if text is not None and text.isdecimal() else text
