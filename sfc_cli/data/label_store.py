"""Soft labels of a video's frames on disk, for a pass that needs them in another order."""

from __future__ import annotations

import tempfile
from pathlib import Path
from types import TracebackType

import numpy as np

from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.errors import InputError


class LabelStore:
    """Keeps labels of one shape by their frame's place, as float16, in a file without a name.

    Half the bytes cost at most 0.0005 of a label. The file is gone when the store is closed, or the process
    ends in whatever way.

    Args:
        folder: Whose disk takes the file: it may grow to gigabytes.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._shape: tuple[int, ...] = ()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by __exit__)
        except OSError as error:
            raise self._no_room(error) from None

    def __enter__(self) -> LabelStore:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, place: int, labels: SoftLabels) -> None:
        """Keep a frame's labels, [K, h, w].

        Raises:
            InputError: If the disk is full.
        """
        self._shape = labels.shape
        content = labels.astype(np.float16).tobytes()
        try:
            self._file.seek(place * len(content))
            self._file.write(content)
        except OSError as error:
            raise self._no_room(error) from None

    def read(self, place: int) -> SoftLabels:
        """Return the labels of a frame that was written, float32 [K, h, w]."""
        count = int(np.prod(self._shape))
        self._file.seek(place * count * 2)
        content = np.frombuffer(self._file.read(count * 2), np.float16)
        return content.reshape(self._shape).astype(np.float32)

    def _no_room(self, error: OSError) -> InputError:
        return InputError(
            f"Cannot keep labels in {self._folder}: {error.strerror or error}.",
            "Choose another --output or free some space.",
        )
