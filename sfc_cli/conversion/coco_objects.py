"""Which object an annotation of a COCO file shows, which each tool says in a way of its own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sfc_cli.conversion.remarks import Remarks
from sfc_cli.data.masks import VOID
from sfc_cli.errors import InputError

Annotation = dict[str, Any]

_TRACK_FIELDS = ("track_id", "instance_id")


def number_objects(images: Sequence[Sequence[Annotation]], path: Path, remarks: Remarks) -> dict[int, int]:
    """Give each annotation of a sequence the id of its object, 1 to 254.

    Objects keep the number of their track if it can be an id. Without tracks a category is an object, if no
    image shows it twice; otherwise the annotations of each image are counted.

    Args:
        images: The annotations of each image.
        path: The file, for the error.
        remarks: Told what was decided.

    Returns:
        Id by the annotation's own id.

    Raises:
        InputError: If there are too many objects for a mask.
    """
    flat = [annotation for image in images for annotation in image]
    tracks = {annotation["id"]: _track(annotation) for annotation in flat}
    if None not in tracks.values():
        numbers = _numbered(tracks, remarks)
    elif all(len({annotation.get("category_id") for annotation in image}) == len(image) for image in images):
        remarks.add("No track_id: each category was taken for one object.")
        numbers = _numbered({annotation["id"]: annotation.get("category_id") for annotation in flat}, remarks)
    else:
        remarks.add(
            "No track_id: the objects of each image were numbered in their order, which may differ between "
            "images."
        )
        numbers = {
            annotation["id"]: place for image in images for place, annotation in enumerate(image, start=1)
        }
    if max(numbers.values(), default=0) >= VOID:
        raise InputError(
            f"{path} has {max(numbers.values())} objects in one sequence; a mask holds {VOID - 1} at most.",
            "Leave some out.",
        )
    return numbers


def _track(annotation: Annotation) -> Any:
    attributes = annotation.get("attributes")
    places = [annotation, attributes if isinstance(attributes, dict) else {}]
    found = [place[name] for name in _TRACK_FIELDS for place in places if place.get(name) is not None]
    return found[0] if found else None


def _numbered(names: dict[int, Any], remarks: Remarks) -> dict[int, int]:
    """Keep names that can be ids; otherwise number them in order."""
    if all(type(name) is int and 0 < name < VOID for name in names.values()):
        return names
    order = sorted({str(name): name for name in names.values()}.values(), key=_rank)
    remarks.add(f"Objects were numbered from 1 to {len(order)}, because their names can be no ids.")
    numbers = {str(name): number for number, name in enumerate(order, start=1)}
    return {identity: numbers[str(name)] for identity, name in names.items()}


def _rank(name: Any) -> tuple[bool, float, str]:
    is_number = isinstance(name, int | float)
    return not is_number, name if is_number else 0, str(name)
