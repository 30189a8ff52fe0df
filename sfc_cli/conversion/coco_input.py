"""Reads the masks of a COCO JSON file, ours or another tool's: RLE of both kinds, and polygons."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sfc_cli.conversion.coco_objects import Annotation, number_objects
from sfc_cli.conversion.remarks import Remarks
from sfc_cli.conversion.rle import decode_segmentation
from sfc_cli.conversion.sources import MOST_PIXELS, MaskSource, Reader, Reference
from sfc_cli.data.masks import Ids
from sfc_cli.errors import InputError


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
        masks: One an image, by sequence and name.
        images: The image of each mask.
        annotations: The annotations of each image, by its id.
        remarks: Told how objects were numbered.
    """

    masks: Sequence[MaskSource]
    images: Mapping[MaskSource, _Image]
    annotations: Mapping[int, Sequence[Annotation]]
    remarks: Remarks

    def reader(self, masks: Sequence[MaskSource], reference: Reference | None) -> Reader:  # noqa: ARG002
        """See ``MaskInput``. Where objects overlap, the annotation that comes later in the file is on top."""
        numbers = number_objects(
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
        InputError: If the file is damaged, not in COCO's form, or holds no image.
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
        raise InputError(f"{path} holds no image.", "Expected the list `images` of a COCO file.")
    known = {image.identity for image in images.values()}
    if len(known) != len(images):
        raise InputError(f"{path} uses an image's id twice.", "Number the images anew.")
    masks = sorted(images, key=lambda mask: (mask.sequence, mask.stem))
    return CocoMasks(masks, images, _read_annotations(content, known, path, remarks), remarks)


def _load(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}.", "Write the file anew.") from None
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
        raise InputError(f"{path} is not a COCO file: `{name}` is no list of objects.", "Write it anew.")
    return entries


def _read_image(entry: dict[str, Any], videos: dict[Any, Any], path: Path) -> _Image:
    height, width, identity = entry.get("height"), entry.get("width"), entry.get("id")
    named = entry.get("file_name")
    if type(height) is not int or type(width) is not int or min(height, width) < 1:
        raise InputError(f"Image {identity} of {path} has no size: {height!r}×{width!r}.", "Write it anew.")
    if height * width > MOST_PIXELS:
        raise InputError(f"Image {identity} of {path} is too large: {width}×{height} pixels.")
    if type(identity) is not int or not isinstance(named, str):
        raise InputError(f"An image of {path} has no id or no file_name: {entry}.", "Write it anew.")
    place = PurePosixPath(named.replace("\\", "/"))
    sequence = entry.get("video", videos.get(entry.get("video_id"), place.parent.name))
    # A name becomes a path of what is written.
    for part in (sequence, place.stem):
        if not isinstance(part, str) or part == ".." or "/" in part or "\\" in part or "\0" in part:
            raise InputError(
                f"Image {identity} of {path} is refused: {part!r} cannot name a file or folder.",
                "Correct its file_name.",
            )
    if not place.stem:
        raise InputError(f"Image {identity} of {path} has an empty file_name.", "Correct it.")
    mask = MaskSource(path=path, sequence=sequence, stem=place.stem)
    return _Image(identity=identity, mask=mask, height=height, width=width)


def _read_annotations(
    content: dict[str, Any], images: set[int], path: Path, remarks: Remarks
) -> dict[int, list[Annotation]]:
    found: dict[int, list[Annotation]] = defaultdict(list)
    seen: set[int] = set()
    for entry in _dicts(content, "annotations", path):
        identity, image = entry.get("id"), entry.get("image_id")
        if type(identity) is not int or identity in seen:
            raise InputError(f"{path} has an annotation with the id {identity!r}.", "Number them anew.")
        seen.add(identity)
        if image not in images:
            hint = "The format of YouTube-VIS, with `segmentations`, is not read." * ("video_id" in entry)
            raise InputError(
                f"Annotation {identity} of {path} is for image {image!r}, which the file does not have.",
                hint or "Write the file anew.",
            )
        if entry.get("segmentation") in (None, []):
            remarks.add_of_mask(f"Annotation {identity}", "It has no segmentation and was left out.")
            continue
        found[image].append(entry)
    return dict(found)


def _decode(annotation: Annotation, image: _Image) -> Any:
    try:
        return decode_segmentation(annotation["segmentation"], image.height, image.width)
    except ValueError as error:
        raise InputError(
            f"Annotation {annotation['id']} of {image.mask.path} cannot be read: {error}.",
            "Write the file anew with the tool that made it.",
        ) from None
