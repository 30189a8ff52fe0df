"""What was painted in the page and how it stands, on disk after every stroke."""

from __future__ import annotations

import json
import shutil
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sfc_cli.data.colours import palette
from sfc_cli.data.masks import VOID, Ids, object_ids, read_ids, write_mask
from sfc_cli.data.results import ResultsFolder
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import inside, write_text

DIRECTIONS = ("forwards", "backwards", "both")
_STATE, _MASKS, _BEFORE, _IMPORTS = "studio.json", "masks", "before", "imports"
_LONGEST_NAME = 100
# The palette of the results is too dark to paint with: its first colour is a dim red.
_BRIGHT = ("#ff4f5e", "#35c46a", "#ffb82e", "#4d8dff", "#c86bff", "#17c3d6", "#ff7ac0", "#a3d930", "#ff8a3d")


@dataclass(kw_only=True)
class Project:
    """The masks that a user painted on some frames of a video, and their objects.

    A mask speaks of the objects that were touched on its frame, and of no others: these go on from their
    earlier masks.

    Args:
        results: The results folder; the project lies in a hidden folder of it.
        size: Height and width of the frames.
        clip: What was opened: sources, selection and options, ready for JSON.
        sequence: The name of the video's results.
        objects: Name and colour by id.
        anchors: The objects that the mask of a frame speaks of, by the frame's index.
        marks: What was drawn and not accepted yet, by the frame's index.
        direction: Where masks are propagated to.
    """

    results: ResultsFolder
    size: tuple[int, int]
    clip: dict[str, Any]
    sequence: str
    objects: dict[int, dict[str, str]] = field(default_factory=dict)
    anchors: dict[int, list[int]] = field(default_factory=dict)
    marks: dict[int, dict[str, Any]] = field(default_factory=dict)
    direction: str = "forwards"

    def __post_init__(self) -> None:
        self._lock = threading.RLock()

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.results.studio

    def mask_path(self, index: int) -> Path:
        """Return the file of a painted mask."""
        return inside(self.folder / _MASKS, f"{index:06d}.png")

    def save(self) -> None:
        """Write the state, whole or not at all.

        Raises:
            InputError: If the folder cannot be written to or the disk is full.
        """
        content = {
            "clip": self.clip,
            "size": list(self.size),
            "objects": {str(key): value for key, value in sorted(self.objects.items())},
            "anchors": {str(key): value for key, value in sorted(self.anchors.items())},
            "marks": {str(key): value for key, value in sorted(self.marks.items())},
            "direction": self.direction,
        }
        with self._lock:
            write_text(self.folder / _STATE, json.dumps(content, ensure_ascii=False, indent=1) + "\n")

    def restore(self) -> bool:
        """Take over what an earlier session left; return False if there is nothing.

        Raises:
            InputError: If it is damaged, or belongs to frames of another size.
        """
        content = read_state(self.results)
        if content is None:
            return False
        try:
            size = tuple(content["size"])
            objects = {int(key): _entry(value) for key, value in content["objects"].items()}
            anchors = {int(key): [int(one) for one in ids] for key, ids in content["anchors"].items()}
            marks = {int(key): dict(value) for key, value in content["marks"].items()}
            direction = content["direction"]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise _damaged(self.folder / _STATE) from None
        old = content["clip"]
        if any(old.get(name) != self.clip.get(name) for name in ("identity", "start", "every")):
            raise InputError(
                f"{self.folder} was painted on another video, or on other frames of it.",
                "Open it as it was, or choose another `output`.",
            )
        if size != self.size:
            raise InputError(
                f"{self.folder} was painted on frames of {size[1]}×{size[0]} pixels, the video has "
                f"{self.size[1]}×{self.size[0]}.",
                "Choose another `output`.",
            )
        self.objects, self.marks = objects, marks
        self.anchors = {index: ids for index, ids in anchors.items() if self.mask_path(index).is_file()}
        self.direction = direction if direction in DIRECTIONS else "forwards"
        return bool(self.objects or self.anchors or self.marks)

    def clear(self) -> None:
        """Forget everything that was painted."""
        with self._lock:
            for part in (_MASKS, _BEFORE, _IMPORTS):
                shutil.rmtree(self.folder / part, ignore_errors=True)
            self.objects, self.anchors, self.marks = {}, {}, {}

    def set_objects(self, content: Any) -> None:
        """Take over names and colours from the page.

        Raises:
            UsageError: If they are something else.
        """
        try:
            objects = {int(key): _entry(value) for key, value in content.items()}
        except (TypeError, ValueError, AttributeError, KeyError):
            raise UsageError("Objects need an id, a name and a colour.") from None
        if not all(0 < identity < VOID for identity in objects):
            raise UsageError("Objects have ids from 1 to 254.")
        with self._lock:
            self.objects = objects
            self.save()

    def set_mask(self, index: int, ids: Ids, objects: list[int]) -> None:
        """Keep what was painted on a frame.

        Args:
            index: The frame's.
            ids: uint8 [H, W], all that the frame shows.
            objects: Those that were touched. One that shows no pixel is left out: a mask cannot say that an
                object is gone.
        """
        with self._lock:
            own = np.where(np.isin(ids, [*objects, VOID]), ids, 0).astype(np.uint8)
            shown = object_ids(own).tolist()
            if not shown:
                self.drop_mask(index)
                return
            write_mask(self.mask_path(index), own)
            self.anchors[index] = shown
            for identity in shown:
                self.objects.setdefault(identity, new_object(identity))
            self.marks.pop(index, None)
            self.save()

    def drop_mask(self, index: int) -> None:
        """Take back what was painted on a frame."""
        with self._lock:
            self.anchors.pop(index, None)
            self.marks.pop(index, None)
            self.mask_path(index).unlink(missing_ok=True)
            self.save()

    def set_marks(self, index: int, marks: dict[str, Any] | None) -> None:
        """Keep what was drawn on a frame, or forget it."""
        with self._lock:
            if marks:
                self.marks[index] = marks
            else:
                self.marks.pop(index, None)
            self.save()

    def shown(self, index: int, result: Ids | None) -> Ids | None:
        """Return what the page shows of a frame: what was painted, over the result; None if neither is there.

        Args:
            index: The frame's.
            result: What was propagated to it.
        """
        if index not in self.anchors:
            return result
        painted = read_ids(self.mask_path(index))
        if result is None or result.shape != painted.shape:
            return painted
        under = np.where(np.isin(result, self.anchors[index]), 0, result)
        return np.where(painted != 0, painted, under).astype(np.uint8)

    def result(self, name: str, *, before: bool = False) -> Ids | None:
        """Return the propagated mask of a frame, or the one before the latest propagation."""
        path = self._before(name) if before else self.results.mask(self.sequence, name)
        return read_ids(path) if path.is_file() else None

    def keep_before(self) -> None:
        """Keep the masks as they are, to compare with what comes."""
        masks = self.results.masks(self.sequence)
        shutil.rmtree(self.folder / _BEFORE, ignore_errors=True)
        for path in sorted(masks.glob("[!.]*.png")) if masks.is_dir() else ():
            kept = self._before(path.stem)
            try:
                kept.parent.mkdir(parents=True, exist_ok=True)
                # A mask is replaced, never changed in place: a link costs nothing and keeps the old one.
                kept.hardlink_to(path)
            except OSError:
                shutil.copyfile(path, kept)

    def import_path(self, suffix: str) -> Path:
        """Return where an imported mask file is kept.

        Raises:
            InputError: If the suffix leads elsewhere.
        """
        folder = self.folder / _IMPORTS
        number = len(list(folder.glob("*"))) + 1 if folder.is_dir() else 1
        return inside(folder, f"{number:04d}{suffix}")

    def masks(self, numbers: list[int]) -> list[tuple[int, Path]]:
        """Return the painted masks, each with the number of its frame in the video.

        Args:
            numbers: The number in the video of each frame.

        Raises:
            UsageError: If nothing is painted.
        """
        if not self.anchors:
            raise UsageError("Nothing is painted yet.", "Paint an object on a frame first.")
        return [
            (numbers[index], self.mask_path(index)) for index in sorted(self.anchors) if index < len(numbers)
        ]

    def _before(self, name: str) -> Path:
        return inside(self.folder / _BEFORE, f"{name}.png")


def read_state(results: ResultsFolder) -> dict[str, Any] | None:
    """Read the state of a project; None if the folder has none.

    Raises:
        InputError: If it is damaged.
    """
    path = results.studio / _STATE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise _damaged(path) from None
    if not isinstance(content, dict) or not isinstance(content.get("clip"), dict):
        raise _damaged(path)
    return content


def page_colour(identity: int) -> str:
    """Return the colour that an object begins with on the page."""
    if identity <= len(_BRIGHT):
        return _BRIGHT[identity - 1]
    red, green, blue = palette()[identity].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"


def new_object(identity: int) -> dict[str, str]:
    """Return the name and the colour that an object begins with."""
    return {"name": f"Object {identity}", "colour": page_colour(identity)}


def _entry(value: Any) -> dict[str, str]:
    name, colour = str(value["name"])[:_LONGEST_NAME], str(value["colour"])
    if len(colour) != 7 or colour[0] != "#" or not set(colour[1:]) <= set("0123456789abcdefABCDEF"):
        raise ValueError(colour)
    return {"name": name, "colour": colour}


def _damaged(path: Path) -> InputError:
    return InputError(f"{path} is damaged.", "Remove it, or choose another `output`.")
