"""One sequence's results on their way to disk: heavy work in many threads, films and tables in order."""

from __future__ import annotations

from pathlib import Path

from sfc_cli.data.masks import Ids
from sfc_cli.inference.concurrency import WriteBehind
from sfc_cli.inference.video import Labelled
from sfc_cli.settings.outputs import OutputChoice


def require_possible(choice: OutputChoice, name: str, frame_count: int | None) -> None:
    """Refuse, before anything is computed, what a sequence is too long for.

    Args:
        choice: What is to be written.
        name: The sequence.
        frame_count: How many frames it has; None if nobody knows.

    Raises:
        UsageError: If a GIF would get too many frames.
    """


class SequenceOutputs:
    """Writes one sequence's masks and extras. ``finish`` or ``abandon`` must follow.

    Args:
        output: The results folder.
        name: The sequence.
        choice: What to write beside the masks.
        writing: Whose threads do it, and which bounds the frames waiting.
        objects: All ids of the run; each has a row for every frame in objects.csv.
        frames_per_second: Of overlays that move.
        frame_count: How many frames will come, if known.
        masks: Write ``<output>/<name>/<stem>.png``; False if they are there already.

    Raises:
        UsageError: See ``require_possible``.
        InputError: If a file cannot be written.
    """

    def __init__(
        self,
        output: Path,
        name: str,
        choice: OutputChoice,
        writing: WriteBehind,
        *,
        objects: Ids,
        frames_per_second: float = 24.0,
        frame_count: int | None = None,
        masks: bool = True,
    ) -> None:
        raise NotImplementedError

    def add(
        self, stem: str, labelled: Labelled, *, number: int | None = None, seconds: float | None = None
    ) -> None:
        """Add the next frame; return once few enough frames wait to be written.

        Args:
            stem: The name of its files.
            labelled: The frame and its labels; resolved once, in another thread.
            number: Its place in the footage; its place among the frames added if None.
            seconds: When it is shown; unknown if None.

        Raises:
            InputError: If this or an earlier frame could not be written.
        """
        raise NotImplementedError

    def finish(self) -> None:
        """Wait until all is on disk, whole.

        Raises:
            InputError: If something could not be written; ``abandon`` must follow.
        """
        raise NotImplementedError

    def abandon(self) -> None:
        """Stop after an error: frames not written are dropped, unfinished films and tables removed."""
        raise NotImplementedError
