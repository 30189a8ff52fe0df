"""Reads the masks of a COCO JSON file, ours or another tool's: RLE of both kinds, and polygons."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sfc_cli.conversion.mask_sources import MOST_PIXELS, MaskSource, Reader, Reference, Remarks
from sfc_cli.conversion.rle import decode_segmentation
from sfc_cli.data.masks import VOID, Ids
from sfc_cli.errors import InputError
from sfc_cli.files import is_inside_name

_Annotation = dict[str, Any]

# Where tools tell which object an annotation shows.
_TRACK_FIELDS = ("track_id", "instance_id")


@dataclass(frozen=True, kw_only=True)
class _Image:
    identity: int
    mask: MaskSource
    height: int
    width: int


@dataclass(frozen=True)
class CocoMasks:
    """The masks of a COCO file.

    Args:
        masks: One for each image, by sequence and name.
        images: The image of each mask.
        annotations: The annotations of each image, by its id.
        remarks: Told how objects were numbered.
    """

    masks: Sequence[MaskSource]
    images: Mapping[MaskSource, _Image]
    annotations: Mapping[int, Sequence[_Annotation]]
    remarks: Remarks

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:  # noqa: ARG002
        """See ``MaskInput``. Where objects overlap, the annotation that comes later in the file is on top."""
        numbers = _number_objects(
            [self.annotations.get(self.images[mask].identity, ()) for mask in masks],
            masks[0].path,
            self.remarks,
        )

        def read(mask: MaskSource) -> Ids:
            image = self.images[mask]
            ids = np.zeros((image.height, image.width), np.uint8)
            for annotation in self.annotations.get(image.identity, ()):
                ids[_decode(annotation, image)] = numbers[annotation["id"]]
            return ids

        return read


def read_coco(path: Path, remarks: Remarks) -> CocoMasks:
    """Read a COCO file.

    An image's sequence is its ``video``, the name of its ``video_id``, or the folder in its ``file_name``.

    Raises:
        InputError: If the file is damaged, is not a COCO file, has no images, or one of its names leads out
            of the folder that is written.
    """
    content = _load(path)
    videos = {video.get("id"): video.get("name") for video in _dicts(content, "videos", path)}
    images: dict[MaskSource, _Image] = {}
    for entry in _dicts(content, "images", path):
        image = _read_image(entry, videos, path)
        if image.mask in images:
            raise InputError(
                f"{path} has two images for {image.mask.sequence or '.'}/{image.mask.stem}.",
                "Give each image a file_name of its own.",
            )
        images[image.mask] = image
    if not images:
        raise InputError(f"No images in {path}.", "Expected the list `images` of a COCO file.")
    known = {image.identity for image in images.values()}
    if len(known) != len(images):
        raise InputError(f"{path} uses an image's id twice.", "Give each image an id of its own.")
    masks = sorted(images, key=lambda mask: mask.order)
    return CocoMasks(masks, images, _read_annotations(content, known, path, remarks), remarks)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}.", "Write the file again.") from None
    missing = [
        name
        for name in ("images", "annotations")
        if not isinstance(content, dict) or not isinstance(content.get(name), list)
    ]
    if missing:
        raise InputError(
            f"{path} is not a COCO file: it has no list {' and no list '.join(missing)}.",
            "Give the file that `sfc convert --to coco` writes, or one in COCO's instances format.",
        )
    whole: dict[str, Any] = content
    return whole


def _dicts(content: dict[str, Any], name: str, path: Path) -> list[dict[str, Any]]:
    entries = content.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(
            f"{path} is not a COCO file: `{name}` is not a list of objects.", "Write the file again."
        )
    return entries


def _read_image(entry: dict[str, Any], videos: dict[Any, Any], path: Path) -> _Image:
    height, width, identity = entry.get("height"), entry.get("width"), entry.get("id")
    named = entry.get("file_name")
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise InputError(
            f"Image {identity} of {path} has no size: {height!r}×{width!r}.", "Write the file again."
        )
    if height * width > MOST_PIXELS:
        raise InputError(f"Image {identity} of {path} is too large: {width}×{height} pixels.")
    if type(identity) is not int or not isinstance(named, str):
        raise InputError(f"An image of {path} has no id or no file_name: {entry}.", "Write the file again.")
    file = PurePosixPath(named.replace("\\", "/"))
    sequence = entry.get("video", videos.get(entry.get("video_id"), file.parent.name))
    for part in (sequence, file.stem):
        if not _is_part(part):
            raise InputError(
                f"Image {identity} of {path} is refused: {part!r} cannot name a file or folder.",
                "Correct its file_name or video.",
            )
    if not file.stem:
        raise InputError(f"Image {identity} of {path} has an empty file_name.", "Correct it.")
    mask = MaskSource(path=path, sequence=sequence, stem=file.stem)
    return _Image(identity=identity, mask=mask, height=height, width=width)


def _is_part(name: object) -> bool:
    """Return whether a value is empty or can name one file or folder of what is written."""
    if not isinstance(name, str) or "/" in name or "\\" in name:
        return False
    try:
        # JSON may hold half a character, which no file's name can.
        os.fsencode(name)
    except UnicodeEncodeError:
        return False
    return not name or is_inside_name(name)


def _read_annotations(
    content: dict[str, Any], images: set[int], path: Path, remarks: Remarks
) -> dict[int, list[_Annotation]]:
    found: dict[int, list[_Annotation]] = defaultdict(list)
    seen: set[int] = set()
    for entry in _dicts(content, "annotations", path):
        identity, image = entry.get("id"), entry.get("image_id")
        if type(identity) is not int or identity in seen:
            raise InputError(
                f"{path} has an annotation with the id {identity!r}.",
                "Give each annotation a whole number of its own.",
            )
        seen.add(identity)
        if image not in images:
            is_youtube_vis = "video_id" in entry
            raise InputError(
                f"Annotation {identity} of {path} is for image {image!r}, which the file does not have.",
                "The format of YouTube-VIS, with `segmentations`, is not read."
                if is_youtube_vis
                else "Write the file again.",
            )
        if entry.get("segmentation") in (None, []):
            remarks.add_of_mask(f"Annotation {identity}", "It has no segmentation and was left out.")
            continue
        found[image].append(entry)
    return dict(found)


def _decode(annotation: _Annotation, image: _Image) -> Any:
    try:
        return decode_segmentation(annotation["segmentation"], image.height, image.width)
    except ValueError as error:
        raise InputError(
            f"Annotation {annotation['id']} of {image.mask.path} cannot be read: {error}.",
            "Write the file again with the tool that made it.",
        ) from None


def _number_objects(images: Sequence[Sequence[_Annotation]], path: Path, remarks: Remarks) -> dict[int, int]:
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
            annotation["id"]: number for image in images for number, annotation in enumerate(image, start=1)
        }
    if max(numbers.values(), default=0) >= VOID:
        raise InputError(
            f"{path} has {max(numbers.values())} objects in one sequence; a mask holds {VOID - 1} at most.",
            "Leave some out.",
        )
    return numbers


def _track(annotation: _Annotation) -> Any:
    attributes = annotation.get("attributes")
    holders = [annotation, attributes if isinstance(attributes, dict) else {}]
    found = [holder[name] for name in _TRACK_FIELDS for holder in holders if holder.get(name) is not None]
    return found[0] if found else None


def _numbered(names: dict[int, Any], remarks: Remarks) -> dict[int, int]:
    """Keep names that can be ids; otherwise number them in order."""
    if all(type(name) is int and 0 < name < VOID for name in names.values()):
        return names
    order = sorted({str(name): name for name in names.values()}.values(), key=_rank)
    remarks.add(f"Objects were numbered from 1 to {len(order)}, because their names cannot be ids.")
    numbers = {str(name): number for number, name in enumerate(order, start=1)}
    return {identity: numbers[str(name)] for identity, name in names.items()}


def _rank(name: Any) -> tuple[bool, float, str]:
    """Return a key that sorts numbers by value, and before text."""
    is_number = isinstance(name, int | float)
    return not is_number, name if is_number else 0, str(name)
