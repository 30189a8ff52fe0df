"""Which frames of a run are least sure and which objects were lost, so that a user knows where to help."""

from __future__ import annotations

import itertools
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sfc_cli.data.masks import VOID, Ids
from sfc_cli.data.sequence_names import in_short
from sfc_cli.files import unwritable
from sfc_cli.inference.outputs import Finished, InTurn


class CertaintyLog:
    """How sure every frame that was propagated to is, and which objects were seen in them.

    Args:
        path: Where the numbers lie as long as the sequence is unfinished.
        painted: The objects of the painted frames, which do not count, by their index among those added.
        both_ways: Whether objects go to the frames before their mask, too.
        kept_frames: How many frames of an interrupted run keep their numbers, see ``kept_lines``.
    """

    def __init__(
        self, path: Path, painted: Mapping[int, Ids], *, both_ways: bool = False, kept_frames: int = 0
    ) -> None:
        self.confidence: dict[str, float] = {}
        self._numbers: dict[str, int] = {}
        self._seen: set[int] = set()
        self._painted = painted
        # An object may be seen from its first mask on.
        self._begins: dict[int, int] = {}
        for index, shown in sorted(painted.items()):
            for identity in shown.tolist():
                self._begins.setdefault(identity, -1 if both_ways else index)
        self._last = -1
        lines = kept_lines(path, painted, kept_frames)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8")
            for line in lines or []:
                self._add(*line)
        except OSError as error:
            raise unwritable(path, error) from None

    def as_entry(self) -> dict[str, Any]:
        """Return what a run's record keeps: the least sure frame, and the objects that were never seen."""
        if not self.confidence:
            return {}
        frame = min(self.confidence, key=self.confidence.__getitem__)
        hoped_for = {identity for identity, begin in self._begins.items() if begin < self._last}
        unseen = sorted(hoped_for - self._seen)
        return {
            "least_sure": {"frame": frame, "confidence": self.confidence[frame]},
            **({"never_seen": unseen} if unseen else {}),
        }

    def advice(self, name: str, *, takes_masks: bool) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield what a user should know at the end and do about it, for people and for programs.

        Args:
            name: The sequence's.
            takes_masks: Whether masks can be added on other frames.
        """
        entry = self.as_entry()
        if unseen := entry.get("never_seen"):
            text = f"{name}: {listed(unseen)} never seen after the first mask."
            yield f"{text} A larger `size` may keep them.", {"never_seen": unseen}
        if least := entry.get("least_sure"):
            frame = least["frame"]
            # A plain number would count the frames from 0.
            is_number = frame.isdecimal() and (frame == "0" or frame[0] != "0")
            where = self._numbers[frame] if is_number else frame
            remedy = f"; add a mask there: `masks` {where}:FILE" if takes_masks else ""
            yield f"{name}: least sure at frame {least['frame']} ({least['confidence']:.2f}){remedy}", least

    def make(self, finished: Finished) -> InTurn | None:
        """See ``Output``."""
        if finished.is_done or finished.index in self._painted:
            return None
        stamp = finished.stamp
        return partial(self._add, finished.index, stamp.name, stamp.number, *certainty_of(finished))

    def _add(self, index: int, name: str, number: int, confidence: float, ids: list[int]) -> None:
        self._last = index
        self.confidence[name] = confidence
        self._numbers[name] = number
        self._seen.update(ids)
        self._file.write(json.dumps([index, name, number, confidence, ids]) + "\n")
        self._file.flush()

    def finish(self) -> None:
        """See ``Output``."""
        self._file.close()

    def abandon(self) -> None:
        """See ``Output``."""
        self._file.close()


def certainty_of(finished: Finished) -> tuple[float, list[int]]:
    """Return how sure a frame is, from 0 to 1, and the ids of the objects in it."""
    # OpenCV: this is done for every frame, and NumPy takes twice as long.
    import cv2

    mask, confidence = finished.resolved.mask, finished.resolved.confidence
    counts = cv2.calcHist([mask], [0], None, [VOID + 1], [0, VOID + 1])
    ids = (np.flatnonzero(counts[1:VOID]) + 1).tolist()
    # A frame that shows no object at all is the least sure of all.
    sure = cv2.mean(confidence, mask=cv2.inRange(mask, 1, VOID - 1))[0] if ids else 0.0
    return round(sure, 4), ids


def kept_lines(path: Path, painted: Collection[int], kept_frames: int) -> list[list[Any]] | None:
    """Return what a log says of the first frames of an interrupted run; None if it lacks any of them.

    Args:
        path: The log's file.
        painted: The frames that do not count, by their index.
        kept_frames: How many frames.
    """
    count = kept_frames - sum(index < kept_frames for index in painted)
    if count <= 0:
        return []
    try:
        with path.open(encoding="utf-8") as stream:
            lines = [json.loads(line) for line in itertools.islice(stream, count)]
    except (OSError, ValueError):
        return None
    return lines if len(lines) == count else None


def listed(objects: Sequence[int]) -> str:
    """Return "object 3 is", "objects 3, 4 are" or "objects 3, 4 … and 9 more are"."""
    return f"object {objects[0]} is" if len(objects) == 1 else f"objects {in_short([*map(str, objects)])} are"
