"""What decides the result of each frame: after a change of masks only frames it concerns are computed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sfc_cli.data.results import ResultsFolder
from sfc_cli.errors import InputError
from sfc_cli.files import unwritable, write_text
from sfc_cli.inference.anchors import MaskAnchors

LEDGER_NAME = "frames.jsonl"


def ledger_of(results: ResultsFolder, name: str) -> Path:
    """Return the file that says what the finished frames of a sequence were made of, see ``Ledger``."""
    return results.resume(name) / LEDGER_NAME


def backward_origins(anchors: MaskAnchors, *, is_whitened: bool) -> list[str]:
    """Return what decides the labels that reach each frame, up to the last mask's, from the masks after it.

    Args:
        anchors: The masks.
        is_whitened: Whether all features depend on the frame that a pass begins with.
    """
    count = anchors.last + 1
    begin = f"{anchors.last}" if is_whitened else ""
    return [_digest([begin, *owners]) for owners in _owners(anchors.reversed(count), count)][::-1]


def forward_origins(
    anchors: MaskAnchors, count: int, *, is_whitened: bool, both_ways: bool = False
) -> list[str]:
    """Return what decides the result of each of the first frames.

    An object follows from the last mask that shows it, and no object's labels depend on another's. So a frame
    depends on the masks that its objects follow from, and a painted one on its mask and on those from which
    objects came to it.

    Args:
        anchors: The masks.
        count: How many frames there are.
        is_whitened: Whether all features depend on the frame that a pass begins with.
        both_ways: Whether objects go to the frames before their masks, too.
    """
    begin = f"{anchors.first}" if is_whitened else ""
    backward = backward_origins(anchors, is_whitened=is_whitened) if both_ways else []
    backward += [""] * (count - len(backward))
    owners = _owners(anchors, count)
    return [_digest([begin, backward[index], *owners[index]]) for index in range(count)]


def _owners(anchors: MaskAnchors, count: int) -> list[list[str]]:
    """Return for each frame the masks that its objects follow from, and the one painted on it."""
    marks = {
        index: f"{index}:{hashlib.sha256(mask.tobytes()).hexdigest()[:16]}"
        for index, mask in anchors.masks.items()
    }
    owner: dict[int, str] = {}
    result = []
    for index in range(count):
        # What arrives at a painted frame still shares its pixels among the objects as they came.
        arrived = [f"{identity}<{mark}" for identity, mark in sorted(owner.items())] if index in marks else []
        owner.update(dict.fromkeys(anchors.shown.get(index, ()), marks.get(index, "")))
        parts = [f"{identity}={mark}" for identity, mark in sorted(owner.items())]
        result.append([*parts, *arrived, marks.get(index, "")])
    return result


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


class Ledger:
    """The finished frames of a pass and what each was made of, in a file that a kill leaves whole.

    Args:
        path: One line of JSON a frame; of two for one frame, the later one counts.

    Raises:
        InputError: If it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.entries = read_entries(path)
        if self.entries:
            # Once in a while without the lines that no longer count.
            kept = [self.entries[index] for index in sorted(self.entries)]
            write_text(path, "".join(json.dumps(entry) + "\n" for entry in kept))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a", encoding="utf-8")
        except OSError as error:
            raise unwritable(path, error) from None

    def add(self, index: int, made_of: str, **facts: Any) -> None:
        """Enter a frame.

        Raises:
            InputError: If the disk is full.
        """
        entry = {"index": index, "made_of": made_of, **facts}
        try:
            self._file.write(json.dumps(entry) + "\n")
            self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from None
        self.entries[index] = entry

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close()

    def changed(self, origins: Mapping[int, str], kept: set[int]) -> list[int]:
        """Return the frames, in order, that were made of something else or lack a file.

        Args:
            origins: What each frame is to be made of.
            kept: The frames that have all their files.
        """
        return [
            index
            for index, origin in sorted(origins.items())
            if index not in kept or self.entries.get(index, {}).get("made_of") != origin
        ]


def read_entries(path: Path) -> dict[int, dict[str, Any]]:
    """Return the entries of a ledger that another process may be writing; none if there is none."""
    entries: dict[int, dict[str, Any]] = {}
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return entries
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Remove it.") from None
    for line in lines:
        try:
            entry = json.loads(line)
            entries[int(entry["index"])] = entry
        except (ValueError, KeyError, TypeError):
            continue  # what a kill cut off
    return entries
