"""One frame of a clip as a picture, to paint a mask on."""

from __future__ import annotations

from pathlib import Path

from sfc_cli.data.videos import FrameStamp, Moment, Selection, open_video
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import write_bytes


def write_frame(source: str, output: Path, at: Moment | None = None) -> FrameStamp:
    """Write one frame of a clip as PNG, upright and at full size.

    Args:
        source: The clip, see ``open_video``.
        output: The PNG to write.
        at: The frame; the first frame shown at or after a time; None for the first of all.

    Returns:
        Which frame it is.

    Raises:
        UsageError: If the output is no PNG's name, or the clip itself.
        InputError: If the clip or the frame cannot be read, or the output not written.
    """
    import cv2

    if output.suffix.lower() != ".png" or output.is_dir():
        raise UsageError(f"--to frame writes a PNG, and {output} is named otherwise.", "Try frame.png.")
    # The readable part of a truncated video may be just what is wanted.
    clip = open_video([source], allow_truncated=True)
    if output.resolve().is_relative_to(clip.source.resolve()):
        raise UsageError(f"{output} lies inside {clip.source}.", "Choose another place for the picture.")
    if at is not None and at.in_seconds and clip.source.is_dir():
        raise UsageError(f"Images have no time of their own, and --at is {at}.", "Give the frame's number.")
    try:
        found = next(clip.frames(Selection(start=at)))
    except InputError as error:
        raise InputError(
            error.message.replace("`start`", "`at`"), error.hint.replace("`start`", "`at`")
        ) from None
    _, content = cv2.imencode(".png", cv2.cvtColor(found.frame, cv2.COLOR_RGB2BGR))
    write_bytes(output, content.tobytes())
    return found.stamp
