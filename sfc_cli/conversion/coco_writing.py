"""Writes masks as one COCO JSON file, whose annotations are stored as they come."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np

from sfc_cli.conversion.mask_sources import MaskSource
from sfc_cli.data.annotations.rle import encode_rle
from sfc_cli.data.masks import Ids, object_ids
from sfc_cli.data.sequence_folders import MaskDataset
from sfc_cli.errors import require_package
from sfc_cli.files import replacing
from sfc_cli.version import __version__

_CATEGORY = {"id": 1, "name": "object", "supercategory": "object"}

# A mask's size and its annotations, as yet without numbers.
_Encoded = tuple[tuple[int, ...], list[dict[str, Any]]]


class CocoFile:
    """A COCO file in the making.

    ``annotations`` come first in the file, because they are many and need not be kept: ``videos`` and
    ``images`` follow when all are known. ``track_id`` is the object's id in the masks, the same in all frames
    of a video.

    Args:
        file: Opened for text.
        dataset: Names the frames' files; without one images are named after their masks.
    """

    def __init__(self, file: IO[str], dataset: MaskDataset | None) -> None:
        self._file = file
        self._dataset = dataset
        self._videos: list[dict[str, Any]] = []
        self._images: list[dict[str, Any]] = []
        self._annotations = 0
        self._frames: dict[str, str] = {}
        info = {"description": "Masks of a video's frames", "version": __version__, "contributor": "sfc"}
        self._file.write(
            f'{{"info": {json.dumps(info)},\n"categories": [{json.dumps(_CATEGORY)}],\n"annotations": ['
        )

    def encode(self, mask: MaskSource, ids: Ids) -> _Encoded:  # noqa: ARG002
        """Return the mask's size and the annotations of its objects."""
        found = []
        for identity in object_ids(ids).tolist():
            binary = ids == identity
            counts, box = encode_rle(binary)
            found.append(
                {
                    "category_id": _CATEGORY["id"],
                    "track_id": identity,
                    "segmentation": {"size": list(ids.shape), "counts": counts},
                    "area": int(np.count_nonzero(binary)),
                    "bbox": box,
                    "iscrowd": 0,
                }
            )
        return ids.shape, found

    def add(self, mask: MaskSource, encoded: _Encoded) -> None:
        """Number a mask's image and annotations, and store the annotations."""
        (height, width), annotations = encoded
        if not self._videos or self._videos[-1]["name"] != mask.sequence:
            self._begin_video(mask.sequence)
        video = self._videos[-1]
        image = {
            "id": len(self._images) + 1,
            "file_name": self._file_name(mask),
            "width": width,
            "height": height,
            "video_id": video["id"],
            "video": video["name"],
            "frame_index": video["length"],
        }
        video["length"] += 1
        self._images.append(image)
        for annotation in annotations:
            self._file.write(",\n" if self._annotations else "\n")
            self._annotations += 1
            numbers = {"id": self._annotations, "image_id": image["id"], "video_id": video["id"]}
            self._file.write(json.dumps(numbers | annotation))

    def finish(self) -> None:
        """Write the images and close the JSON object."""
        for name, entries in (("videos", self._videos), ("images", self._images)):
            self._file.write(f'],\n"{name}": [\n' + ",\n".join(map(json.dumps, entries)))
        self._file.write("]}\n")

    def _begin_video(self, name: str) -> None:
        self._videos.append({"id": len(self._videos) + 1, "name": name, "length": 0})
        frames = [] if self._dataset is None else self._dataset.frames(name)
        self._frames = {frame.stem: frame.name for frame in frames}

    def _file_name(self, mask: MaskSource) -> str:
        name = self._frames.get(mask.stem, f"{mask.stem}.png")
        return f"{mask.sequence}/{name}" if mask.sequence else name


@contextlib.contextmanager
def coco_file(path: Path, dataset: MaskDataset | None) -> Iterator[CocoFile]:
    """Write a COCO file, whole or not at all.

    Args:
        path: The file.
        dataset: Names the frames' files.

    Raises:
        UsageError: If pycocotools is not installed.
        InputError: If the file cannot be written.
    """
    require_package("pycocotools", "coco", "`to` coco")
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        coco = CocoFile(file, dataset)
        yield coco
        coco.finish()
