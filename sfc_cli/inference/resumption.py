"""What an interrupted run leaves on disk, so that it continues where it stopped and no pixel differs.

Features are computed again from the window's frames; labels cannot be, since masks keep only the strongest.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.errors import InputError
from sfc_cli.files import replacing, unwritable, write_text

_KEY_NAME = "key"
# K, h and w of a store, as int32.
_HEADER_BYTES = 3 * 4


def open_state(folder: Path, key: str) -> Path:
    """Return the folder of a sequence's unfinished state, emptied if it belongs to something else.

    Args:
        folder: Where the state lies.
        key: Tells the frames, masks and settings of the sequence from any others.

    Raises:
        InputError: If the folder cannot be written to.
    """
    stored = folder / _KEY_NAME
    if not stored.is_file() or stored.read_bytes() != key.encode():
        remove_state(folder)
        write_text(stored, key)
    return folder


def remove_state(folder: Path) -> None:
    """Remove a sequence's unfinished state."""
    with contextlib.suppress(OSError):
        # First: what a kill leaves of the rest belongs to nothing.
        (folder / _KEY_NAME).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def kept_frames(folder: Path) -> set[int]:
    """Return the frames whose labels lie in a folder, see ``ContextMemory``."""
    return {int(path.stem) for path in folder.glob("[0-9]*.npz")}


class ContextMemory:
    """The labels of the newest frames of a pass, one small file a frame.

    Args:
        folder: Where the files lie.
        context_frames: So many frames are context of the next one.

    Attributes:
        done: How many frames from the first on need nothing more.
        until: The frames from here on need nothing either; None to go on to the last.
    """

    until: int | None = None

    def __init__(self, folder: Path, context_frames: int) -> None:
        self._folder = folder
        self._context_frames = context_frames
        # Frames are written in order, so that the newest file says how far the pass came.
        self.done = max(kept_frames(folder), default=-1) + 1

    def write(self, index: int, labels: Sequence[SoftLabels]) -> None:
        """Keep what the tracks said of a frame, and forget the frame that no later one needs any more.

        Args:
            index: The frame's; each call's is one more than the last.
            labels: One [K_t, h, w] for each track that reached the frame.

        Raises:
            InputError: If the disk is full.
        """
        with replacing(self._path(index)) as part, part.open("wb") as stream:
            np.savez(stream, *(_smallest(part) for part in labels))
        # One more than the context: a kill may come between the new file and the removal.
        self._path(index - self._context_frames - 1).unlink(missing_ok=True)

    def read(self, index: int) -> list[SoftLabels]:
        """Return what was written of a frame.

        Raises:
            InputError: If its file is missing or damaged.
        """
        path = self._path(index)
        try:
            with np.load(path, allow_pickle=False) as stored:
                return [stored[name].astype(np.float32) for name in stored.files]
        except Exception as error:
            raise InputError(
                f"{path}, which an interrupted run left, cannot be read: {error}.",
                "Pass `overwrite` to start over.",
            ) from None

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:08d}.npz"


class LastingMemory(ContextMemory):
    """The labels of all frames of a pass, compressed, so that it can be taken up again at any of them.

    Args:
        folder: Where the files lie.
        context_frames: So many frames are context of the next one.
        done: How many frames from the first on need nothing more.
        until: The frames from here on need nothing either.
        on_kept: Called with each frame that was written.
    """

    until: int

    def __init__(
        self,
        folder: Path,
        context_frames: int,
        *,
        done: int,
        until: int,
        on_kept: Callable[[int], None] = lambda _: None,
    ) -> None:
        super().__init__(folder, context_frames)
        self.done, self.until = done, until
        self._on_kept = on_kept
        # What is written again must never be met as it was: a kill may come before it is.
        for index in range(done, until):
            self._path(index).unlink(missing_ok=True)

    def write(self, index: int, labels: Sequence[SoftLabels]) -> None:
        """Keep what the tracks said of a frame."""
        with replacing(self._path(index)) as part, part.open("wb") as stream:
            np.savez_compressed(stream, *(_smallest(part) for part in labels))
        self._on_kept(index)


def _smallest(labels: SoftLabels) -> npt.NDArray[np.floating[Any]]:
    """Return labels in half precision where that loses nothing: patches are kept so in memory, too."""
    half = labels.astype(np.float16)
    return half if np.array_equal(half, labels) else labels


class LabelStore:
    """Labels of one shape by their frame's index, as float16, in one file.

    Half the bytes cost at most 0.0005 of a label.

    Args:
        path: The file; it may grow to gigabytes.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("r+b" if path.is_file() else "w+b")
        except OSError as error:
            raise unwritable(path, error) from None
        self._shape: tuple[int, ...] = tuple(np.frombuffer(self._file.read(_HEADER_BYTES), np.int32).tolist())

    def close(self) -> None:
        """Close the file, which stays."""
        self._file.close()

    def write(self, index: int, labels: SoftLabels) -> None:
        """Keep a frame's labels, [K, h, w].

        Raises:
            InputError: If the disk is full.
        """
        content = labels.astype(np.float16).tobytes()
        try:
            if self._shape != labels.shape:
                self._shape = labels.shape
                self._file.seek(0)
                self._file.write(np.array(labels.shape, np.int32).tobytes())
            self._file.seek(_HEADER_BYTES + index * len(content))
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from None

    def read(self, index: int) -> SoftLabels:
        """Return the labels of a frame that was written, float32 [K, h, w]."""
        count = int(np.prod(self._shape))
        self._file.seek(_HEADER_BYTES + index * count * 2)
        content = np.frombuffer(self._file.read(count * 2), np.float16)
        return content.reshape(self._shape).astype(np.float32)
