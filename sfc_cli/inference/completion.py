"""What a sequence of an earlier run has already, and the making up for extras that it lacks."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sfc_cli.data.frames import Frame, read_frame
from sfc_cli.data.masks import object_ids, read_ids
from sfc_cli.errors import InputError
from sfc_cli.inference.concurrency import ReadAhead, WriteBehind
from sfc_cli.inference.jobs import Job
from sfc_cli.inference.outputs import SequenceOutputs, missing_outputs, with_stored_mask
from sfc_cli.settings.propagation import OutputChoice

_FRAMES_AHEAD = 4


def has_masks(job: Job, output: Path) -> bool:
    """Tell whether all masks of a sequence are there, and come from the first mask as it is now."""
    masks = job.outputs(output)
    if not all(path.is_file() for path in masks):
        return False
    try:
        return np.array_equal(read_ids(masks[0]), job.first_mask)
    except InputError:
        return False


def lacking(job: Job, output: Path, choice: OutputChoice) -> OutputChoice:
    """Return those of the chosen extras that a sequence does not have. See ``missing_outputs``."""
    return missing_outputs(output, job.name, [frame.stem for frame in job.frames], choice)


def add_extras(job: Job, output: Path, choice: OutputChoice, writing: WriteBehind) -> None:
    """Make extras from the masks that are there.

    Args:
        job: The sequence.
        output: The results folder.
        choice: The extras, none of which needs labels.
        writing: Whose threads do it.

    Raises:
        InputError: If a frame or mask cannot be read, or an extra not written.
    """
    if choice.is_empty:
        return
    # A film has all frames; of pictures an interrupted run may have left some.
    needs_all = choice.overlay in ("video", "gif")
    frames = [
        path
        for path in job.frames
        if needs_all or not missing_outputs(output, job.name, [path.stem], choice).is_empty
    ]
    outputs = SequenceOutputs(
        output,
        job.name,
        choice,
        writing,
        objects=object_ids(job.first_mask),
        frame_count=len(frames),
        masks=False,
    )
    reader = ReadAhead(_read(frames), _FRAMES_AHEAD)
    try:
        for path, frame in reader:
            outputs.add(path.stem, with_stored_mask(frame, output / job.name / f"{path.stem}.png"))
        outputs.finish()
    except BaseException:
        outputs.abandon()
        raise
    finally:
        reader.close()


def _read(paths: list[Path]) -> Iterator[tuple[Path, Frame]]:
    for path in paths:
        yield path, read_frame(path)
