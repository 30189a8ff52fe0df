"""Reads the annotations of VIA (versions 1 to 3), all images in one JSON file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sfc_cli.data.annotations.shapes import (
    AnnotatedImage,
    Annotations,
    Ellipse,
    Naming,
    Polygons,
    Remarked,
    Segmentation,
    Shape,
    rectangle,
    require_parts,
)
from sfc_cli.errors import InputError

# Attributes of a region that tell which object it is, and what kind of thing, in order of preference.
_VIA_TRACKS = ("track_id", "instance_id", "object_id", "id")
_VIA_LABELS = ("label", "name", "class", "type", "category")

# How VIA 3 numbers kinds of shapes, and what the numbers after those of some kinds are.
_THIRD_KINDS = {1: "point", 2: "rect", 3: "circle", 4: "ellipse", 5: "line", 6: "polyline", 7: "polygon"}
_THIRD_FIELDS = {2: ("x", "y", "width", "height"), 3: ("cx", "cy", "r"), 4: ("cx", "cy", "rx", "ry")}
# Four points, one on each side.
_EXTREME_RECTANGLE = 8


def via_images(content: Any, path: Path) -> list[dict[str, Any]] | None:
    """Return the entries of a VIA project or export; None if the content of a JSON file is not VIA's.

    Raises:
        InputError: If it annotates a video, by times.
    """
    if not isinstance(content, dict):
        return None
    if _is_third(content):
        return _entries_of_third(content, path)
    entries = content.get("_via_img_metadata", content)
    if not isinstance(entries, dict):
        return None
    found = list(entries.values())
    is_via = "_via_img_metadata" in content or (
        bool(found) and all(isinstance(one, dict) and "regions" in one and "filename" in one for one in found)
    )
    return [one for one in found if isinstance(one, dict)] if is_via else None


def _is_third(content: dict[str, Any]) -> bool:
    """Return whether a project is of VIA 3, which keeps files, views and metadata apart."""
    return all(isinstance(content.get(name), dict) for name in ("file", "view", "metadata"))


def _entries_of_third(content: dict[str, Any], path: Path) -> list[dict[str, Any]]:
    """Return what VIA 3 has of images in the form of VIA 2.

    Raises:
        InputError: If the project annotates a video, by times.
    """
    names = content.get("attribute")
    attributes = names if isinstance(names, dict) else {}
    regions: dict[str, list[dict[str, Any]]] = {}
    for one in content["metadata"].values():
        if not isinstance(one, dict) or not one.get("xy"):
            continue
        if one.get("z"):
            raise InputError(
                f"{path} is a VIA project of a video: its regions have seconds, and masks need frames.",
                "Annotate the frames as images.",
            )
        shape = _shape_of_third(one["xy"])
        named = _names_of_third(one.get("av"), attributes)
        regions.setdefault(str(one.get("vid")), []).append(
            {"shape_attributes": shape, "region_attributes": named}
        )
    entries = []
    for view, one in content["view"].items():
        shown = one.get("fid_list") if isinstance(one, dict) else None
        file = content["file"].get(str(shown[0])) if isinstance(shown, list) and shown else None
        if isinstance(file, dict):
            entries.append({"filename": file.get("fname"), "regions": regions.get(view, [])})
    return entries


def _shape_of_third(numbers: Any) -> dict[str, Any]:
    """Return a shape of VIA 3, the number of its kind and coordinates, as VIA 2 has it."""
    if not isinstance(numbers, list):
        return {}
    kind, *values = numbers
    if kind in _THIRD_FIELDS:
        return {"name": _THIRD_KINDS[kind], **dict(zip(_THIRD_FIELDS[kind], values, strict=False))}
    x, y = values[::2], values[1::2]
    if kind == _EXTREME_RECTANGLE and x and y:
        left, top = min(x), min(y)
        return {"name": "rect", "x": left, "y": top, "width": max(x) - left, "height": max(y) - top}
    name = _THIRD_KINDS.get(kind, f"shape of kind {kind}")
    return {"name": name, "all_points_x": x, "all_points_y": y}


def _names_of_third(values: Any, attributes: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes of a region by name, with the word of an option that was chosen."""
    found = {}
    for number, value in (values if isinstance(values, dict) else {}).items():
        attribute = attributes.get(number)
        attribute = attribute if isinstance(attribute, dict) else {}
        options = attribute.get("options")
        word = options.get(value, value) if isinstance(options, dict) and isinstance(value, str) else value
        found[str(attribute.get("aname") or number)] = word
    return found


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
        return rectangle(left, top, left + float(shape["width"]), top + float(shape["height"]))
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
