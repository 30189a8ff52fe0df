"""Decides which tool wrote an annotation file, and calls its reader."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sfc_cli.data.annotations.arrays import read_array_file
from sfc_cli.data.annotations.coco import (
    is_sa1b,
    is_youtube_vis,
    read_coco,
    read_sa1b,
    read_youtube_vis,
)
from sfc_cli.data.annotations.cvat import read_cvat
from sfc_cli.data.annotations.labelme import is_labelme, read_labelme
from sfc_cli.data.annotations.object_folders import objects_below, read_object_folders
from sfc_cli.data.annotations.shapes import Annotations, Remarked
from sfc_cli.data.annotations.via import read_via, via_images
from sfc_cli.data.annotations.yolo import is_label_file, read_yolo
from sfc_cli.errors import InputError

SUFFIXES = frozenset({".json", ".xml", ".txt", ".npy", ".npz"})


def is_annotation_file(path: Path) -> bool:
    """Return whether a file's name is that of annotations, not of an image."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def open_annotations(path: Path, remarks: Remarked) -> Annotations:
    """Read an annotation file of any tool that is known.

    Args:
        path: The file.
        remarks: Told what was decided.

    Raises:
        InputError: If it is damaged, of no known tool, or has no images.
    """
    suffix = path.suffix.lower()
    if suffix == ".xml":
        return read_cvat(path, remarks)
    if suffix == ".txt":
        return read_yolo([path], path.parent, remarks)
    if suffix in {".npy", ".npz"}:
        return read_array_file(path, remarks)
    content = load_json(path)
    if is_labelme(content):
        return read_labelme([(path, content)], path.parent, remarks)
    if is_youtube_vis(content):
        return read_youtube_vis(path, content, remarks)
    if is_sa1b(content):
        return read_sa1b(path, content, remarks)
    entries = via_images(content, path)
    if entries is not None:
        return read_via(path, entries, remarks)
    return read_coco(path, content, remarks)


def open_annotation_folder(folder: Path, remarks: Remarked) -> Annotations | None:
    """Read a folder of annotation files, or of one folder with binary masks for each object.

    Args:
        folder: It has the files, or folders of them for each sequence.
        remarks: Told what was decided.

    Returns:
        None if it has no such files.

    Raises:
        InputError: If one of them is damaged.
    """
    files = _shown([*folder.glob("*.json"), *folder.glob("*/*.json")])
    contents = [(path, load_json(path)) for path in files if path.name != "run.json"]
    labelme = [(path, content) for path, content in contents if is_labelme(content)]
    if labelme:
        return read_labelme(labelme, folder, remarks)
    pictures = [open_annotations(path, remarks) for path, content in contents if is_sa1b(content)]
    if pictures:
        images = [image for picture in pictures for image in picture.images]
        return Annotations(path=folder, images=images)
    if len(contents) == 1:
        return open_annotations(contents[0][0], remarks)
    arrays = [read_array_file(path, remarks) for path in _shown(folder.glob("*.npy"))]
    if arrays:
        return Annotations(path=folder, images=[image for array in arrays for image in array.images])
    labels = [folder.glob("*.txt"), folder.glob("*/*.txt"), folder.glob("labels/*/*.txt")]
    texts = [path for path in _shown(path for found in labels for path in found) if is_label_file(path)]
    if texts:
        return read_yolo(texts, folder, remarks)
    xml = _shown(folder.glob("*.xml"))
    if len(xml) == 1:
        return read_cvat(xml[0], remarks)
    objects = objects_below(folder)
    return read_object_folders(objects, folder, remarks) if objects else None


def load_json(path: Path) -> Any:
    """Return the content of a JSON file.

    Raises:
        InputError: If it cannot be read.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path} cannot be read as JSON: {error}.", "Write the file again.") from None


def _shown(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.name[0] != ".")
