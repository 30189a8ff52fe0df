"""One sequence's results on their way to disk: heavy work in many threads, films and tables in order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import Ids, read_ids
from sfc_cli.data.soft_labels import Resolved, given_mask
from sfc_cli.inference.concurrency import InOrder, WriteBehind
from sfc_cli.inference.outputs.extras import Finished, InTurn, open_extras, require_possible
from sfc_cli.inference.outputs.places import remove_parts, remove_parts_of, table_path
from sfc_cli.inference.video import Labelled
from sfc_cli.settings.propagation import OutputChoice


class SequenceOutputs:
    """Writes one sequence's masks and extras. ``finish`` or ``abandon`` must follow.

    Args:
        output: The results folder.
        name: The sequence.
        choice: What to write beside the masks.
        writing: Whose threads do it, and which bounds the frames waiting; without tasks of others.
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
        require_possible(choice, name, frame_count)
        remove_parts_of(output, name)
        if choice.objects:
            remove_parts(output, f"{table_path(output).name}.")
        self._extras = open_extras(output, name, choice, objects, frames_per_second, masks=masks)
        self._writing = writing
        self._in_order: InOrder[Sequence[InTurn]] = InOrder(_run_all)
        self._added = 0
        self._is_abandoned = False

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
            InputError: If this or an earlier frame could not be written; ``abandon`` must follow.
        """
        place = self._added
        self._added += 1
        number = place if number is None else number
        self._writing.submit(partial(self._make, stem, place, number, seconds, labelled))

    def finish(self) -> None:
        """Wait until all is on disk, whole.

        Raises:
            InputError: If something could not be written; what is unfinished is removed.
        """
        try:
            self._writing.finish()
            for extra in self._extras:
                extra.finish()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Stop after an error: frames not written are dropped, unfinished films and tables removed."""
        self._is_abandoned = True
        self._in_order.stop()
        # A film must not be closed under a thread that writes to it.
        self._writing.discard()
        for extra in self._extras:
            extra.abandon()

    def _make(self, stem: str, place: int, number: int, seconds: float | None, labelled: Labelled) -> None:
        if self._is_abandoned:
            return
        finished = Finished(
            stem=stem,
            place=place,
            number=number,
            seconds=seconds,
            frame=labelled.frame,
            resolved=labelled.resolve(),
        )
        made = [extra.make(finished) for extra in self._extras]
        self._in_order.put(place, [step for step in made if step is not None])


def with_stored_mask(frame: Frame, path: Path) -> Labelled:
    """Return a frame with the mask that an earlier run wrote, for extras that need no labels.

    Args:
        frame: uint8 [H, W, 3], RGB.
        path: The mask; read when the frame's turn comes.
    """

    def resolve() -> Resolved:
        return given_mask(read_ids(path), np.zeros((1, 0, 0), np.float32))

    return Labelled(frame, resolve)


def _run_all(steps: Sequence[InTurn]) -> None:
    for step in steps:
        step()
