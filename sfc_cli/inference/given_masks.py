"""The masks that a user gives for frames of a video: painted files, annotations, folders of either."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from sfc_cli.data.annotations.annotation_files import (
    is_annotation_file,
    open_annotation_folder,
    open_annotations,
)
from sfc_cli.data.annotations.object_folders import objects_of, read_object_folders
from sfc_cli.data.annotations.shapes import AnnotatedImage, Annotations, Naming, number_shapes
from sfc_cli.data.colours import Colours, palette
from sfc_cli.data.mask_kinds import ANNOTATIONS
from sfc_cli.data.masks import Ids, object_ids
from sfc_cli.data.painted_masks import PaintedMask, read_painted_masks
from sfc_cli.data.painting.paintings import require_shape
from sfc_cli.data.videos import FrameStamp, Video, parse_moment
from sfc_cli.data.videos.selection import TOLERANCE
from sfc_cli.errors import InputError, UsageError

# What may be a frame before the colon: anything else, a drive's letter for instance, belongs to the path.
_FRAME = re.compile(r"(\d[\d.:]*s?|\d+)")
_ADDRESS = re.compile(r"(?:[^:/\\]+:)?[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"(?:[^/\\]+:)?[A-Za-z]:[\\/]")
_IMAGES = frozenset({".png", ".bmp", ".gif", ".tif", ".tiff", ".tga", ".webp", ".jpg", ".jpeg"})
_LAST_NUMBER = re.compile(r"(\d+)\D*$")


@dataclass(frozen=True, kw_only=True)
class FrameMask:
    """A mask for one frame of a video.

    Args:
        path: The mask's file; a folder of masks that are named after their frames.
        frame: The frame as it was typed: a number, a time or a name; None for the first frame taken.
    """

    path: Path
    frame: str | None = None

    @classmethod
    def parse(cls, text: str) -> FrameMask:
        """Read ``[FRAME:]FILE``; a file of the whole name comes first.

        Raises:
            UsageError: If no file is named, or something else than a file.
        """
        path = Path(text).expanduser()
        parts = text.split(":")
        splits = [(":".join(parts[:cut]), ":".join(parts[cut:])) for cut in range(1, len(parts))]
        found = [(frame, rest) for frame, rest in splits if frame and Path(rest).expanduser().exists()]
        if path.exists() or not splits:
            mask = cls(path=path)
        elif not found:
            _refuse_foreign(text)
            mask = cls(path=Path(splits[-1][1]).expanduser(), frame=splits[-1][0])
        else:
            # Times and names may hold colons themselves, and so may paths.
            frame, rest = found[0]
            mask = cls(path=Path(rest).expanduser(), frame=frame)
        if not mask.path.name:
            raise UsageError(f"`masks` {text!r} names no file.", "Write FILE or FRAME:FILE.")
        if not mask.path.exists() and any(sign in mask.path.name for sign in "*?["):
            raise UsageError(
                f"`masks` {text!r} is a pattern, and a mask is one file.",
                "Give the folder of masks that are named after their frames, or each as FRAME:FILE.",
            )
        return mask


def _refuse_foreign(text: str) -> None:
    """Refuse addresses, and paths of another system.

    Raises:
        UsageError: If the text is one.
    """
    if _ADDRESS.match(text):
        raise UsageError(
            f"`masks` {text!r} is an address, and masks are read from files.",
            "Download it and give the file.",
        )
    if _DRIVE.match(text) and Path("/").drive == "":
        raise UsageError(
            f"`masks` {text!r} is not a file here: it is a path as Windows writes them.",
            "Give the path that the file has on this system.",
        )


@dataclass(frozen=True, kw_only=True)
class GivenMask:
    """One mask, for a frame that is still to be found.

    Args:
        path: Its file.
        frame: As it was typed, see ``FrameMask``.
        stem: The name of a frame, where the mask came from a folder or a file of several.
        image: Its shapes, where it is not a painted file.
    """

    path: Path
    frame: str | None = None
    stem: str | None = None
    image: AnnotatedImage | None = None


@dataclass
class GivenMasks:
    """All masks of a video, opened but not yet drawn.

    Args:
        masks: In the order of typing.
        naming: How annotated objects are told apart.
        remarks: Sentences about what was decided.
    """

    masks: list[GivenMask] = field(default_factory=list)
    naming: Naming = field(default_factory=Naming)
    remarks: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        """Note a sentence once."""
        if sentence not in self.remarks:
            self.remarks.append(sentence)

    def add_of_mask(self, mask: str, sentence: str) -> None:
        """Note what was decided for one mask."""
        self.add(f"{mask}: {sentence}")


def open_masks(masks: Sequence[FrameMask]) -> GivenMasks:
    """Open the masks that were typed: folders and files of several become one mask each.

    Raises:
        InputError: If one is damaged, or a folder has no masks.
        UsageError: If painted masks are mixed with annotations.
    """
    given = GivenMasks()
    for mask in masks:
        if mask.path.is_dir():
            given.masks += _open_folder(mask, given)
        elif is_annotation_file(mask.path):
            found = open_annotations(mask.path, given)
            given.naming = found.naming
            given.masks += _of_annotations(mask, found)
        else:
            given.masks.append(GivenMask(path=mask.path, frame=mask.frame))
    kinds = {mask.image is None for mask in given.masks}
    if len(kinds) > 1:
        raise UsageError(
            "Painted masks and annotations are given together.",
            "Give one kind: `sfc convert` makes indexed masks of annotations.",
        )
    return given


def _open_folder(mask: FrameMask, given: GivenMasks) -> list[GivenMask]:
    folder = mask.path
    if mask.frame is not None:
        raise UsageError(
            f"`masks` {mask.frame}:{folder} is a folder, and a frame has one mask.",
            "Give the folder alone: its masks are named after their frames.",
        )
    files = sorted(
        path for path in folder.iterdir() if path.suffix.lower() in _IMAGES and path.name[0] != "."
    )
    found = open_annotation_folder(folder, given)
    if found is None and not files:
        objects = objects_of(folder)
        found = read_object_folders(objects, folder, given) if objects else None
    # Pictures beside annotations are what was annotated.
    if found is not None and (not files or files[0].suffix.lower() != ".png"):
        given.naming = found.naming
        return _of_annotations(mask, found)
    if not files:
        raise InputError(
            f"No masks in {folder}.", "Expected image files or annotations that are named after their frames."
        )
    return [GivenMask(path=path, stem=path.stem) for path in files]


def _of_annotations(mask: FrameMask, found: Annotations) -> list[GivenMask]:
    images = [image for image in found.images if image.shapes]
    sequences = {image.sequence for image in images}
    if not images:
        raise InputError(f"No objects in {mask.path}.", "Annotate at least one object.")
    if len(sequences) > 1:
        raise InputError(
            f"{mask.path} has masks of {len(sequences)} videos: {', '.join(sorted(sequences)[:5])}.",
            "Give those of this video alone; `sfc convert` takes them apart.",
        )
    if mask.frame is None:
        stem = None if len(images) == 1 else images[0].stem
        return [
            GivenMask(path=image.path, stem=image.stem if stem is not None else None, image=image)
            for image in images
        ]
    if len(images) > 1:
        raise InputError(
            f"{mask.path} has masks of {len(images)} frames, and is given for frame {mask.frame} alone.",
            "Leave the frame out: the masks are named after theirs.",
        )
    return [GivenMask(path=images[0].path, frame=mask.frame, image=images[0])]


def find_frames(masks: Sequence[GivenMask], stamps: Sequence[FrameStamp], video: Video) -> list[int | None]:
    """Find the frames of masks among those that are propagated.

    Args:
        masks: The masks.
        stamps: All frames that are propagated.
        video: What they are of.

    Returns:
        An index into ``stamps`` for each mask; None for one of several in a folder or file whose frame is not
        propagated.

    Raises:
        InputError: If a mask's frame is not there.
        UsageError: If two masks are for one frame.
    """
    by_name = _Names(stamps)
    indices: list[int | None] = []
    for mask in masks:
        if mask.stem is not None:
            indices.append(by_name.find(mask.stem))
        else:
            indices.append(0 if mask.frame is None else _find_frame(mask.frame, stamps, video))
    if masks and all(index is None for index in indices):
        raise InputError(
            f"No frame of {video.source} is called {masks[0].stem}, as the first mask of {masks[0].path} is.",
            f"Name masks after their frames, as in {stamps[0].name}, or give each as FRAME:FILE.",
        )
    for number, index in enumerate(indices):
        if index is not None and index in indices[:number]:
            other = masks[indices.index(index)].path
            raise UsageError(
                f"{other} and {masks[number].path} are both for frame {stamps[index].number}.",
                "Give each frame one mask; paint several objects into one file.",
            )
    return indices


class _Names:
    """Finds frames by the names of masks: the same name, or the same number at its end."""

    def __init__(self, stamps: Sequence[FrameStamp]) -> None:
        self._names = {stamp.name: index for index, stamp in enumerate(stamps)}
        numbers: dict[int, list[int]] = {}
        for index, stamp in enumerate(stamps):
            if found := _LAST_NUMBER.search(stamp.name):
                numbers.setdefault(int(found[1]), []).append(index)
        self._numbers = {number: found[0] for number, found in numbers.items() if len(found) == 1}

    def find(self, stem: str) -> int | None:
        if stem in self._names:
            return self._names[stem]
        found = _LAST_NUMBER.search(stem)
        return self._numbers.get(int(found[1])) if found else None


def _find_frame(frame: str, stamps: Sequence[FrameStamp], video: Video) -> int:
    # A plain number counts from 0, as everywhere; leading zeros make it a name.
    is_number = frame.isdecimal() and (frame == "0" or frame[0] != "0")
    for index, stamp in enumerate(stamps):
        if stamp.name == frame and not is_number:
            return index
    if not _FRAME.fullmatch(frame):
        raise InputError(
            f"`masks` {frame}:… names no frame of {video.source}.",
            "Before the colon goes a frame's number, counted from 0, a time such as 3.5s, or a frame's name.",
        )
    moment = parse_moment(frame, "masks")
    number = moment.value
    if moment.in_seconds:
        # The frame shown at that time, taken or not: a mask fits no other.
        later = (stamp.number for stamp in video.stamps() if stamp.seconds + TOLERANCE >= moment.value)
        number = next(later, math.inf)
    for index, stamp in enumerate(stamps):
        if stamp.number == number:
            return index
    first, last = stamps[0], stamps[-1]
    nearest = min(
        stamps, key=lambda stamp: abs((stamp.seconds if moment.in_seconds else stamp.number) - moment.value)
    )
    raise InputError(
        f"`masks` {frame}:… is for a frame that is not propagated: of {video.source} the {len(stamps)} "
        f"frames from {first.number} to {last.number} ({first.seconds:.2f} to {last.seconds:.2f} s) are "
        "taken.",
        f"The nearest is frame {nearest.number}.",
    )


def read_masks(
    given: GivenMasks,
    masks: Sequence[GivenMask],
    *,
    size: tuple[int, int],
    strict_size: bool,
    frames: Sequence[Callable[[], Colours]],
) -> list[PaintedMask]:
    """Read the masks of a video.

    Args:
        given: What was opened.
        masks: Those that are wanted, in the order of their frames.
        size: Height and width of the frames in pixels.
        strict_size: Refuse a mask of another size, even if the shape is the same.
        frames: Gives the frame of each mask, uint8 [H, W, 3].

    Raises:
        InputError: If a file is damaged, of another size, not a mask or without objects.
    """
    images = [mask.image for mask in masks if mask.image is not None]
    if not images:
        return read_painted_masks(
            [mask.path for mask in masks], size=size, strict_size=strict_size, frames=frames
        )
    numbered = number_shapes(images, masks[0].path, given.naming, given)
    table = palette()
    read = []
    for mask, image in zip(masks, images, strict=True):
        ids, remarks = _fitted(mask.path, image.draw(numbered.ids, size), size, is_strict=strict_size)
        objects = object_ids(ids).tolist()
        if not objects:
            raise InputError(f"No objects in {image.name} of {mask.path}.", "Annotate at least one object.")
        drawn = {numbered.ids[shape] for shape in image.shapes}
        covered = sorted(drawn - set(objects))
        if covered:
            remarks = (*remarks, f"Nothing is left of objects {covered}: others cover them.")
        names = {identity: numbered.names[identity] for identity in objects if identity in numbered.names}
        legend = {identity: tuple(table[identity].tolist()) for identity in objects}
        read.append(
            PaintedMask(
                path=mask.path, ids=ids, legend=legend, kind=ANNOTATIONS, remarks=remarks, names=names
            )
        )
    if given.remarks:
        read[0] = dataclasses.replace(read[0], remarks=(*given.remarks, *read[0].remarks))
    return read


def _fitted(path: Path, ids: Ids, size: tuple[int, int], *, is_strict: bool) -> tuple[Ids, tuple[str, ...]]:
    """Bring a mask to the size of the frames, if it has their shape."""
    import cv2

    if ids.shape == size:
        return ids, ()
    height, width = ids.shape
    require_shape(path, (height, width), size, is_strict=is_strict)
    resized = np.asarray(cv2.resize(ids, size[::-1], interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)
    return resized, (f"It has {width}×{height} pixels and was brought to the size of the frames.",)
