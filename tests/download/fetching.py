"""A transfer into one part file, whose pauses and progress are remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfc_cli.download.connection import Patience
from sfc_cli.download.transfer import Part, Transfer
from sfc_cli.progress import Silent

BODY = bytes(range(256)) * 4096


class Notes(Silent):
    """Progress that remembers."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.starts: list[tuple[int | None, int]] = []
        self.received = 0

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:
        assert part == "file"
        self.starts.append((total, done))

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:  # noqa: ARG002
        assert part == "file"
        self.received += count

    def say(self, text: str, **facts: object) -> None:
        assert facts == {"part": "file"}
        assert text.startswith("file: ")
        self.texts.append(text.removeprefix("file: "))


class Fetcher:
    """Fetches into one part file, with pauses that are remembered instead of waited for."""

    def __init__(self, folder: Path) -> None:
        self.part = Part(folder / "file.bin")
        self.notes = Notes()
        self.pauses: list[float] = []
        self.options: dict[str, Any] = {"read_seconds": 2.0, "connect_seconds": 2.0, "progress": 1 << 16}

    def __call__(self, source: str, size: int | None = None) -> bytes:
        patience = Patience(sleep=self.pauses.append, **self.options)
        Transfer(name="file", part=self.part, progress=self.notes, patience=patience, size=size).fetch(source)
        return self.part.path.read_bytes()
