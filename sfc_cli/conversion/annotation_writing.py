"""Writes masks as annotation tools read them: YOLO, labelme, YouTube-VIS, one folder an object."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
from PIL import Image

from sfc_cli.conversion.mask_sources import MaskSource
from sfc_cli.data.annotations.rle import encode_rle
from sfc_cli.data.annotations.tracing import trace
from sfc_cli.data.masks import Ids, object_ids
from sfc_cli.data.sequence_folders import MaskDataset
from sfc_cli.errors import require_package
from sfc_cli.files import inside, replacing, write_bytes, write_text
from sfc_cli.version import __version__

# Labelme refuses files of newer versions than its own.
_LABELME_VERSION = "5.0.0"
CLASSES_NAME = "classes.txt"


class YoloFolder:
    """A text file for each mask: a line for each part of an object, with the object's number for its class.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._most = 0

    def encode(self, mask: MaskSource, ids: Ids) -> int:
        """Write the mask, and return its largest id."""
        height, width = ids.shape
        lines = []
        objects = object_ids(ids).tolist()
        for identity in objects:
            for corners in trace(ids == identity):
                shares = corners / (width, height)
                # Classes count from 0, objects from 1.
                lines.append(" ".join([str(identity - 1), *(f"{share:.6f}" for share in shares.ravel())]))
        write_text(inside(self._folder, f"{mask.name}.txt"), "".join(f"{line}\n" for line in lines))
        return max(objects, default=0)

    def add(self, mask: MaskSource, encoded: int) -> None:  # noqa: ARG002
        """Note how many classes there are."""
        self._most = max(self._most, encoded)

    def finish(self) -> None:
        """Write the names of the classes."""
        names = "".join(f"object {identity}\n" for identity in range(1, self._most + 1))
        write_text(self._folder / CLASSES_NAME, names)


class LabelmeFolder:
    """A JSON file for each mask: polygons, whose ``group_id`` is the object's id.

    Args:
        folder: Where to write.
        dataset: Names the frames' files; without one they are taken to be JPEGs of the mask's name.
    """

    def __init__(self, folder: Path, dataset: MaskDataset | None) -> None:
        self._folder, self._names = folder, _FrameNames(dataset)

    def encode(self, mask: MaskSource, ids: Ids) -> None:
        """Write the mask."""
        height, width = ids.shape
        shapes = [
            {
                "label": f"object {identity}",
                "points": corners.astype(float).tolist(),
                "group_id": identity,
                "description": "",
                "shape_type": "polygon",
                "flags": {},
            }
            for identity in object_ids(ids).tolist()
            for corners in trace(ids == identity)
        ]
        content = {
            "version": _LABELME_VERSION,
            "flags": {},
            "shapes": shapes,
            "imagePath": self._names.of(mask),
            "imageData": None,
            "imageHeight": height,
            "imageWidth": width,
        }
        write_text(inside(self._folder, f"{mask.name}.json"), json.dumps(content) + "\n")

    def add(self, mask: MaskSource, encoded: None) -> None:
        """Do nothing more."""


class ObjectFolders:
    """Black and white PNGs, in a folder for each object of each sequence; black where it is absent.

    Args:
        folder: Where to write.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sequence: str | None = None
        self._frames: dict[str, tuple[tuple[int, ...], set[int]]] = {}

    def encode(self, mask: MaskSource, ids: Ids) -> tuple[tuple[int, ...], set[int]]:
        """Write the objects of a mask, and return its size and which they are."""
        objects = set(object_ids(ids).tolist())
        for identity in objects:
            self._write(mask.sequence, identity, mask.stem, ids == identity)
        return ids.shape, objects

    def add(self, mask: MaskSource, encoded: tuple[tuple[int, ...], set[int]]) -> None:
        """Note which objects a frame shows."""
        if mask.sequence != self._sequence:
            self.finish()
            self._sequence = mask.sequence
        self._frames[mask.stem] = encoded

    def finish(self) -> None:
        """Write black masks for the frames of the last sequence that lack an object."""
        every: set[int] = set().union(*(objects for _, objects in self._frames.values()))
        for stem, (shape, objects) in self._frames.items():
            for identity in sorted(every - objects):
                self._write(self._sequence or "", identity, stem, np.zeros(shape, np.bool_))
        self._frames = {}

    def _write(self, sequence: str, identity: int, stem: str, pixels: np.ndarray[Any, Any]) -> None:
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8) * np.uint8(255)).save(buffer, format="PNG")
        name = "/".join(filter(None, (sequence, f"{identity:03d}", f"{stem}.png")))
        write_bytes(inside(self._folder, name), buffer.getvalue())


class YoutubeVisFile:
    """A YouTube-VIS file in the making: an annotation is an object in all frames of its video.

    Args:
        file: Opened for text.
        dataset: Names the frames' files; without one they are taken to be JPEGs of the masks' names.
    """

    def __init__(self, file: IO[str], dataset: MaskDataset | None) -> None:
        self._file, self._names = file, _FrameNames(dataset)
        self._videos: list[dict[str, Any]] = []
        self._objects: dict[int, dict[int, dict[str, Any]]] = {}
        self._annotations = 0
        info = {"description": "Masks of videos", "version": __version__, "contributor": "sfc"}
        self._file.write(f'{{"info": {json.dumps(info)},\n"annotations": [')

    def encode(self, mask: MaskSource, ids: Ids) -> tuple[tuple[int, ...], dict[int, dict[str, Any]]]:  # noqa: ARG002
        """Return the mask's size, and the runs, box and area of each object."""
        found = {}
        for identity in object_ids(ids).tolist():
            binary = ids == identity
            counts, box = encode_rle(binary)
            segmentation = {"size": list(ids.shape), "counts": counts}
            found[identity] = {"segmentations": segmentation, "bboxes": box, "areas": int(binary.sum())}
        return ids.shape, found

    def add(self, mask: MaskSource, encoded: tuple[tuple[int, ...], dict[int, dict[str, Any]]]) -> None:
        """Note a frame; the objects of a video are stored when it has ended."""
        (height, width), found = encoded
        if not self._videos or self._videos[-1]["name"] != mask.sequence:
            self._end_video()
            self._videos.append(
                {
                    "id": len(self._videos) + 1,
                    "name": mask.sequence,
                    "width": width,
                    "height": height,
                    "length": 0,
                    "file_names": [],
                }
            )
        video = self._videos[-1]
        for identity, entry in found.items():
            self._objects.setdefault(identity, {})[video["length"]] = entry
        video["length"] += 1
        video["file_names"].append(self._names.of(mask, with_sequence=True))

    def finish(self) -> None:
        """Store what is left and close the JSON object."""
        self._end_video()
        category = {"id": 1, "name": "object", "supercategory": "object"}
        videos = ",\n".join(map(json.dumps, self._videos))
        self._file.write(f'],\n"categories": [{json.dumps(category)}],\n"videos": [\n{videos}]}}\n')

    def _end_video(self) -> None:
        for identity, frames in sorted(self._objects.items()):
            video = self._videos[-1]
            lists = {
                name: [frames.get(index, {}).get(name) for index in range(video["length"])]
                for name in ("segmentations", "bboxes", "areas")
            }
            self._file.write(",\n" if self._annotations else "\n")
            self._annotations += 1
            numbers = {"id": self._annotations, "video_id": video["id"], "track_id": identity}
            size = {"width": video["width"], "height": video["height"], "length": video["length"]}
            self._file.write(json.dumps(numbers | size | {"category_id": 1, "iscrowd": 0} | lists))
        self._objects = {}


class _FrameNames:
    """The file names of frames, from a data set if there is one."""

    def __init__(self, dataset: MaskDataset | None) -> None:
        self._dataset = dataset
        self._sequences: dict[str, dict[str, str]] = {}

    def of(self, mask: MaskSource, *, with_sequence: bool = False) -> str:
        """Return the name of a mask's frame."""
        name = f"{mask.stem}.jpg"
        if self._dataset is not None:
            if mask.sequence not in self._sequences:
                frames = self._dataset.frames(mask.sequence)
                self._sequences[mask.sequence] = {frame.stem: frame.name for frame in frames}
            name = self._sequences[mask.sequence].get(mask.stem, name)
        return f"{mask.sequence}/{name}" if with_sequence and mask.sequence else name


@contextlib.contextmanager
def youtube_vis_file(path: Path, dataset: MaskDataset | None) -> Iterator[YoutubeVisFile]:
    """Write a YouTube-VIS file, whole or not at all.

    Raises:
        UsageError: If pycocotools is not installed.
        InputError: If the file cannot be written.
    """
    require_package("pycocotools", "coco", "`to` youtube-vis")
    with replacing(path) as part, part.open("w", encoding="utf-8") as file:
        written = YoutubeVisFile(file, dataset)
        yield written
        written.finish()
