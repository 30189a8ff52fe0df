"""Which frames of a run are least sure and which objects were lost, so that a user knows where to help."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sfc_cli.data.masks import VOID, Ids
from sfc_cli.files import unwritable
from sfc_cli.inference.outputs import Finished, InTurn


class CertaintyLog:
    """How sure every frame that was propagated to is, and which objects were seen in them.

    Args:
        path: Where the numbers lie as long as the sequence is unfinished.
        objects: The ids of the sequence.
        painted: The frames that do not count, by their index among those added.
        kept_frames: How many frames of an interrupted run keep their numbers.
    """

    def __init__(self, path: Path, objects: Ids, painted: Collection[int], kept_frames: int = 0) -> None:
        self.confidence: dict[str, float] = {}
        self.seen: set[int] = set()
        self._objects = objects
        self._painted = painted
        kept = kept_frames - sum(index < kept_frames for index in painted)
        lines = path.read_text(encoding="utf-8").splitlines()[:kept] if kept > 0 else []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("w", encoding="utf-8")
            for line in lines:
                self._add(*json.loads(line))
        except OSError as error:
            raise unwritable(path, error) from None

    def as_entry(self) -> dict[str, Any]:
        """Return what a run's record keeps: the least sure frame, and the objects that were never seen."""
        if not self.confidence:
            return {}
        frame = min(self.confidence, key=self.confidence.__getitem__)
        unseen = sorted(set(self._objects.tolist()) - self.seen)
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
            remedy = f"; add a mask there: `masks` {least['frame']}:FILE" if takes_masks else ""
            yield f"{name}: least sure at frame {least['frame']} ({least['confidence']:.2f}){remedy}", least

    def make(self, finished: Finished) -> InTurn | None:
        """See ``Output``."""
        if finished.is_done or finished.index in self._painted:
            return None
        mask, confidence = finished.resolved.mask, finished.resolved.confidence
        counts = np.bincount(mask.ravel(), minlength=VOID + 1)
        ids = [int(identity) for identity in np.flatnonzero(counts[1:VOID]) + 1]
        # A frame that shows no object at all is the least sure of all.
        sure = float(confidence[(mask != 0) & (mask != VOID)].mean()) if ids else 0.0
        return partial(self._add, finished.stamp.name, round(sure, 4), ids)

    def _add(self, name: str, confidence: float, ids: list[int]) -> None:
        self.confidence[name] = confidence
        self.seen.update(ids)
        self._file.write(json.dumps([name, confidence, ids]) + "\n")
        self._file.flush()

    def finish(self) -> None:
        """See ``Output``."""
        self._file.close()

    def abandon(self) -> None:
        """See ``Output``."""
        self._file.close()


def listed(objects: Sequence[int]) -> str:
    """Return "object 3 is" or "objects 3, 4 are"."""
    return f"object {objects[0]} is" if len(objects) == 1 else f"objects {', '.join(map(str, objects))} are"
