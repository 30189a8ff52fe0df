"""Reads the annotations of labelme, one JSON file an image."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from pathlib import Path
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
    rectangle,
    require_size,
)
from sfc_cli.errors import InputError


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
        return rectangle(*points.min(axis=0).tolist(), *points.max(axis=0).tolist())
    if kind == "circle":
        radius = float(np.linalg.norm(points[1] - points[0]))
        return Ellipse((float(points[0, 0]), float(points[0, 1])), (radius, radius))
    return Polygons([points]) if kind == "polygon" else None
