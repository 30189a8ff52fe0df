"""Reads the annotations of labelme, one JSON file an image, and of VIA, all images in one."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image

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
    require_parts,
    require_size,
)
from sfc_cli.errors import InputError

# Attributes of a VIA region that tell which object it is, and what kind of thing, in order of preference.
_VIA_TRACKS = ("track_id", "instance_id", "object_id", "id")
_VIA_LABELS = ("label", "name", "class", "type", "category")


def is_labelme(content: Any) -> bool:
    """Return whether the content of a JSON file is labelme's."""
    return isinstance(content, dict) and isinstance(content.get("shapes"), list)


def read_labelme(files: Sequence[tuple[Path, Any]], root: Path, remarks: Remarked) -> Annotations:
    """Read labelme's files of one or more sequences.

    Args:
        files: Each with its content, by sequence and name.
        root: Above them: a folder between is a sequence.
        remarks: Told what was left out.

    Raises:
        InputError: If one is damaged.
    """
    # One group of several labels is several objects.
    labels: dict[Any, set[Any]] = {}
    for _, content in files:
        for one in content["shapes"]:
            if isinstance(one, dict) and one.get("group_id") is not None:
                labels.setdefault(one["group_id"], set()).add(one.get("label"))
    images = []
    for path, content in files:
        shapes = []
        for number, one in enumerate(content["shapes"], start=1):
            title = f"Shape {number}"
            try:
                area = _labelme_area(one)
            except (ValueError, TypeError, KeyError, IndexError, AttributeError) as error:
                raise InputError(f"{title} of {path} is damaged: {error}.", "Save the file again.") from None
            if area is None:
                what = f"A shape that is a {one.get('shape_type')} was left out: it has no area."
                remarks.add_of_mask(path.name, what)
                continue
            group, label = one.get("group_id"), str(one.get("label") or "")
            track = group if len(labels.get(group, ())) < 2 else f"{label} {group}"
            shapes.append(Shape(area=area, track=track, label=label, title=title))
        size = require_size(content.get("imageHeight"), content.get("imageWidth"), "The image", path)
        sequence = "" if path.parent == root else path.parent.name
        images.append(AnnotatedImage(path=path, sequence=sequence, stem=path.stem, size=size, shapes=shapes))
    return Annotations(path=root, images=images, naming=Naming(track="group_id"))


def _labelme_area(one: dict[str, Any]) -> Segmentation | None:
    points = np.array(one["points"], np.float64).reshape(-1, 2)
    kind = one.get("shape_type") or "polygon"
    if kind == "mask":
        pixels = np.asarray(Image.open(io.BytesIO(base64.b64decode(one["mask"])))) > 0
        x, y = (round(value) for value in points[0].tolist())
        return Area(pixels, (x, y))
    if kind == "rectangle":
        return _rectangle(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    if kind == "circle":
        radius = float(np.linalg.norm(points[1] - points[0]))
        return Ellipse((float(points[0, 0]), float(points[0, 1])), (radius, radius))
    return Polygons([points]) if kind == "polygon" else None


def _rectangle(left: float, top: float, right: float, bottom: float) -> Polygons:
    corners = [(left, top), (right, top), (right, bottom), (left, bottom)]
    return Polygons([np.array(corners, np.float64)])


def via_images(content: Any) -> list[dict[str, Any]] | None:
    """Return the entries of a VIA project or export; None if the content of a JSON file is not VIA's."""
    if not isinstance(content, dict):
        return None
    entries = content.get("_via_img_metadata", content)
    if not isinstance(entries, dict):
        return None
    found = list(entries.values())
    is_via = "_via_img_metadata" in content or (
        bool(found) and all(isinstance(one, dict) and "regions" in one and "filename" in one for one in found)
    )
    return [one for one in found if isinstance(one, dict)] if is_via else None


def read_via(path: Path, entries: list[dict[str, Any]], remarks: Remarked) -> Annotations:
    """Read the images of a VIA file, which does not say how large they are.

    Raises:
        InputError: If it is damaged or has no images.
    """
    images = []
    for entry in entries:
        file = PurePosixPath(str(entry.get("filename") or "").replace("\\", "/"))
        require_parts(file.parent.name, file.stem, f"The image {file.name!r}", path)
        shapes = []
        for number, region in enumerate(_regions(entry), start=1):
            title = f"Region {number} of {file.name}"
            try:
                area = _via_area(region["shape_attributes"])
            except (ValueError, TypeError, KeyError) as error:
                raise InputError(f"{title} in {path} is damaged: {error}.", "Save the file again.") from None
            if area is None:
                kind = region["shape_attributes"].get("name")
                remarks.add_of_mask(file.name, f"A region that is a {kind} was left out: it has no area.")
                continue
            track, label = _via_names(region.get("region_attributes"))
            shapes.append(Shape(area=area, track=track, label=label, title=title))
        images.append(
            AnnotatedImage(path=path, sequence=file.parent.name, stem=file.stem, size=None, shapes=shapes)
        )
    if not images:
        raise InputError(f"No images in {path}.", "Annotate some, and save the project or its annotations.")
    images.sort(key=lambda image: image.order)
    return Annotations(path=path, images=images, naming=Naming(track="track_id or id"))


def _regions(entry: dict[str, Any]) -> Iterator[dict[str, Any]]:
    regions = entry.get("regions") or []
    # VIA 1 numbers regions in an object, VIA 2 lists them.
    yield from (regions.values() if isinstance(regions, dict) else regions)


def _via_area(shape: dict[str, Any]) -> Segmentation | None:
    kind = shape["name"]
    if kind in {"polygon", "polyline"}:
        points = np.stack([shape["all_points_x"], shape["all_points_y"]], axis=1).astype(np.float64)
        # Lines are drawn around objects, too, but only closed ones have an area.
        return Polygons([points]) if kind == "polygon" or (points[0] == points[-1]).all() else None
    if kind == "rect":
        left, top = float(shape["x"]), float(shape["y"])
        return _rectangle(left, top, left + float(shape["width"]), top + float(shape["height"]))
    if kind in {"circle", "ellipse"}:
        across, down = (float(shape["r"]),) * 2 if kind == "circle" else (shape["rx"], shape["ry"])
        return Ellipse((float(shape["cx"]), float(shape["cy"])), (float(across), float(down)))
    return None


def _via_names(attributes: Any) -> tuple[Any, str]:
    if not isinstance(attributes, dict):
        return None, ""
    track = next((attributes[name] for name in _VIA_TRACKS if attributes.get(name) not in (None, "")), None)
    if isinstance(track, str) and track.isdecimal():
        track = int(track)
    named = [attributes[name] for name in _VIA_LABELS if attributes.get(name) not in (None, "")]
    return track, str(named[0] if named else next(iter(attributes.values()), ""))
