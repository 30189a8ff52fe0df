"""Reads annotations in COCO's format and those that came from it: CVAT's export, YouTube-VIS, SA-1B."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from sfc_cli.data.annotations.shapes import (
    AnnotatedImage,
    Annotations,
    CocoSegmentation,
    Remarked,
    Shape,
    Size,
    require_parts,
    require_size,
)
from sfc_cli.errors import InputError

# Where tools tell which object an annotation shows.
_TRACK_FIELDS = ("track_id", "instance_id")

_Entry = dict[str, Any]


def read_coco(path: Path, content: Any, remarks: Remarked) -> Annotations:
    """Read the content of a COCO file.

    An image's sequence is its ``video``, the name of its ``video_id``, or the folder in its ``file_name``.

    Raises:
        InputError: If it is not in COCO's format, has no images, or one of its names leads out of the folder
            that is written.
    """
    missing = [
        name
        for name in ("images", "annotations")
        if not isinstance(content, dict) or not isinstance(content.get(name), list)
    ]
    if missing:
        raise InputError(
            f"{path} is not a COCO file: it has no list {' and no list '.join(missing)}.",
            "Read are COCO, CVAT, YouTube-VIS, SA-1B, labelme and VIA.",
        )
    videos = {video.get("id"): video.get("name") for video in _dicts(content, "videos", path)}
    images: dict[int, tuple[str, str, Size]] = {}
    names: set[tuple[str, str]] = set()
    for entry in _dicts(content, "images", path):
        identity, sequence, stem, size = _read_image(entry, videos, path)
        if (sequence, stem) in names:
            raise InputError(
                f"{path} has two images for {sequence or '.'}/{stem}.",
                "Give each image a file_name of its own.",
            )
        if identity in images:
            raise InputError(f"{path} uses an image's id twice.", "Give each image an id of its own.")
        names.add((sequence, stem))
        images[identity] = sequence, stem, size
    if not images:
        raise InputError(f"No images in {path}.", "Expected the list `images` of a COCO file.")
    shapes = _read_annotations(content, set(images), path, remarks)
    found = [
        AnnotatedImage(path=path, sequence=sequence, stem=stem, size=size, shapes=shapes.get(identity, []))
        for identity, (sequence, stem, size) in images.items()
    ]
    return Annotations(path=path, images=sorted(found, key=lambda image: image.order))


def _dicts(content: _Entry, name: str, path: Path) -> list[_Entry]:
    entries = content.get(name, [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InputError(
            f"{path} is not a COCO file: `{name}` is not a list of objects.", "Write the file again."
        )
    return entries


def _read_image(entry: _Entry, videos: dict[Any, Any], path: Path) -> tuple[int, str, str, Size]:
    identity, named = entry.get("id"), entry.get("file_name")
    title = f"Image {identity}"
    size = require_size(entry.get("height"), entry.get("width"), title, path)
    if type(identity) is not int or not isinstance(named, str):
        raise InputError(f"An image of {path} has no id or no file_name: {entry}.", "Write the file again.")
    file = PurePosixPath(named.replace("\\", "/"))
    sequence = entry.get("video", videos.get(entry.get("video_id"), file.parent.name))
    require_parts(sequence, file.stem, title, path)
    return identity, sequence, file.stem, size


def _read_annotations(
    content: _Entry, images: set[int], path: Path, remarks: Remarked
) -> dict[int, list[Shape]]:
    found: dict[int, list[Shape]] = defaultdict(list)
    seen: set[int] = set()
    categories = {entry.get("id"): entry.get("name") for entry in _dicts(content, "categories", path)}
    for entry in _dicts(content, "annotations", path):
        identity, image = entry.get("id"), entry.get("image_id")
        if type(identity) is not int or identity in seen:
            raise InputError(
                f"{path} has an annotation with the id {identity!r}.",
                "Give each annotation a whole number of its own.",
            )
        seen.add(identity)
        if image not in images:
            hint = "Write the file again."
            if "video_id" in entry:
                hint = "In the format of YouTube-VIS the file has `videos` with `file_names`."
            raise InputError(
                f"Annotation {identity} of {path} is for image {image!r}, which the file does not have.", hint
            )
        if entry.get("segmentation") in (None, []):
            remarks.add_of_mask(f"Annotation {identity}", "It has no segmentation and was left out.")
            continue
        category = entry.get("category_id")
        found[image].append(
            Shape(
                area=CocoSegmentation(entry["segmentation"]),
                track=_track(entry),
                label=category,
                label_name=str(categories.get(category) or ""),
                title=f"Annotation {identity}",
            )
        )
    return dict(found)


def _track(annotation: _Entry) -> Any:
    attributes = annotation.get("attributes")
    holders = [annotation, attributes if isinstance(attributes, dict) else {}]
    found = [holder[name] for name in _TRACK_FIELDS for holder in holders if holder.get(name) is not None]
    return found[0] if found else None


def is_youtube_vis(content: Any) -> bool:
    """Return whether the content of a JSON file is in the format of YouTube-VIS."""
    videos = content.get("videos") if isinstance(content, dict) else None
    return isinstance(videos, list) and any(
        isinstance(video, dict) and "file_names" in video for video in videos
    )


def read_youtube_vis(path: Path, content: Any, remarks: Remarked) -> Annotations:  # noqa: ARG001
    """Read the content of a YouTube-VIS file: an annotation is an object in all frames of its video.

    Raises:
        InputError: If it is damaged.
    """
    images: dict[Any, list[tuple[str, str, Size]]] = {}
    for video in _dicts(content, "videos", path):
        identity, names = video.get("id"), video.get("file_names")
        title = f"Video {identity}"
        size = require_size(video.get("height"), video.get("width"), title, path)
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"{title} of {path} has no list of file_names.", "Write the file again.")
        files = [PurePosixPath(name.replace("\\", "/")) for name in names]
        sequences = [file.parent.name or str(video.get("name") or identity) for file in files]
        for sequence, file in zip(sequences, files, strict=True):
            require_parts(sequence, file.stem, title, path)
        images[identity] = [(name, file.stem, size) for name, file in zip(sequences, files, strict=True)]
    shapes: dict[tuple[Any, int], list[Shape]] = defaultdict(list)
    for annotation in _dicts(content, "annotations", path):
        identity, owner = annotation.get("id"), annotation.get("video_id")
        stored: Any = annotation.get("segmentations")
        if owner not in images or not isinstance(stored, list) or len(stored) != len(images[owner]):
            raise InputError(
                f"Annotation {identity} of {path} does not fit: it is for video {owner!r} and has "
                f"{len(stored) if isinstance(stored, list) else 'no'} segmentations.",
                "Each annotation needs a segmentation, or null, for every frame of its video.",
            )
        for index, one in enumerate(stored):
            if one not in (None, []):
                shapes[owner, index].append(
                    Shape(
                        area=CocoSegmentation(one),
                        # Some files name the object within its video, too.
                        track=annotation.get("track_id", identity),
                        title=f"Annotation {identity}, frame {index}",
                    )
                )
    found = [
        AnnotatedImage(
            path=path, sequence=sequence, stem=stem, size=size, shapes=shapes.get((name, index), [])
        )
        for name, frames in images.items()
        for index, (sequence, stem, size) in enumerate(frames)
    ]
    if not found:
        raise InputError(f"No frames in {path}.", "Expected `file_names` of the `videos`.")
    return Annotations(path=path, images=sorted(found, key=lambda image: image.order))


def is_sa1b(content: Any) -> bool:
    """Return whether the content of a JSON file is in the format of SA-1B: one image, its masks beside it."""
    return isinstance(content, dict) and isinstance(content.get("image"), dict) and "annotations" in content


def read_sa1b(path: Path, content: Any, remarks: Remarked) -> Annotations:
    """Read the content of an SA-1B file. Masks overlap there: the smaller one is on top.

    Raises:
        InputError: If it is damaged.
    """
    entry = content["image"]
    title = f"Image {entry.get('image_id')}"
    size = require_size(entry.get("height"), entry.get("width"), title, path)
    stem = PurePosixPath(str(entry.get("file_name") or path.stem).replace("\\", "/")).stem
    require_parts("", stem, title, path)
    annotations = _dicts(content, "annotations", path)
    shapes = [
        (
            float(one.get("area") or np.inf),
            Shape(
                area=CocoSegmentation(one.get("segmentation")),
                track=one.get("id", number),
                title=f"Annotation {one.get('id', number)}",
            ),
        )
        for number, one in enumerate(annotations, start=1)
    ]
    shapes.sort(key=lambda pair: -pair[0])
    if len(shapes) > 1:
        remarks.add("Where masks overlap, the smaller one is on top.")
    image = AnnotatedImage(
        path=path, sequence="", stem=stem, size=size, shapes=[shape for _, shape in shapes]
    )
    return Annotations(path=path, images=[image])
