"""Own footage in ``sfc propagate``: its options, and the run over a clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sfc_cli.errors import UsageError

if TYPE_CHECKING:
    from sfc_cli.commands.progress import RunProgress
    from sfc_cli.inference.networks import NetworkChoice
    from sfc_cli.settings.propagation import OutputChoice

# Frames of own footage are shrunk to the size that the method was tuned and is scored at.
DEFAULT_SIZE = 480

Footage = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CLIP",
        help="Your own footage: a video, a folder of images, a pattern such as 'shots/*.jpg', or images. "
        "Without it, a data set is propagated.",
    ),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="[FRAME:]FILE",
        help="A painted mask of the clip's first frame, or of the frame before the colon: its number from 0, "
        "a time (3.5s) or its file's name. Several: objects follow from the mask that showed them last.",
    ),
]
BothWays = Annotated[
    bool, typer.Option("--both-ways", help="Video: propagate masks to the frames before them, too.")
]
Start = Annotated[
    str | None, typer.Option(metavar="MOMENT", help="Video: the first frame, as 57, 3.5s or 1:05.")
]
End = Annotated[str | None, typer.Option(metavar="MOMENT", help="Video: the first frame left out.")]
Every = Annotated[
    str | None, typer.Option(metavar="STEP", help="Video: every so many frames (2) or seconds (0.5s).")
]
Size = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="PIXELS",
        help="Video: the short side that the networks see; masks keep the clip's size. 0 for the clip's own. "
        f"[default: {DEFAULT_SIZE}]",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option("--fps", metavar="RATE", help="Clip of images: frames a second.  [default: 24]"),
]


@dataclass(frozen=True, kw_only=True)
class FootageChoice:
    """What was typed of a clip.

    Args:
        sources: The clip's files.
        masks: ``[FRAME:]FILE`` each.
        both_ways: See ``ClipRun``.
        start: A moment, see ``parse_moment``.
        end: A moment.
        every: A step.
        size: The short side for the networks; 0 for the clip's own, None for the default.
        fps: Of images.
    """

    sources: tuple[str, ...]
    masks: tuple[str, ...]
    both_ways: bool
    start: str | None
    end: str | None
    every: str | None
    size: int | None
    fps: float | None

    def require_consistent(self, data_options: dict[str, str | None]) -> None:
        """Make sure that a clip or a data set is meant, not a bit of both.

        Args:
            data_options: The options of data sets as typed.

        Raises:
            UsageError: If options of both are given, or a clip has no mask.
        """
        if self.sources:
            for option, value in data_options.items():
                if value is not None:
                    raise UsageError(
                        f"{option} {value} beside the clip {self.sources[0]}.",
                        "Name a clip with --mask, or a data set with --data.",
                    )
            if not self.masks:
                raise UsageError(
                    f"The clip {self.sources[0]} has no mask to start from.",
                    "Paint the objects of its first frame and give the file: --mask FILE. "
                    "(A data set is named by --data.)",
                )
            return
        typed = {
            "--mask": bool(self.masks),
            "--both-ways": self.both_ways,
            "--start": self.start is not None,
            "--end": self.end is not None,
            "--every": self.every is not None,
            "--size": self.size is not None,
            "--fps": self.fps is not None,
        }
        for option, is_given in typed.items():
            if is_given:
                raise UsageError(
                    f"{option} needs a clip.", f"Name it: sfc propagate CLIP {option} … --mask FILE."
                )


def propagate_clip(
    footage: FootageChoice,
    networks: NetworkChoice,
    output: Path | None,
    choice: OutputChoice,
    overwrite: bool,
    progress: RunProgress,
) -> Path:
    """Propagate masks through a clip, telling what is done; return the folder of its masks."""
    from sfc_cli.data.videos import Selection, parse_moment
    from sfc_cli.inference.clips import ClipRun, MaskOption

    moments = {"start": footage.start, "end": footage.end, "every": footage.every}
    run = ClipRun.prepare(
        footage.sources,
        masks=[MaskOption.parse(text) for text in footage.masks],
        selection=Selection(
            **{name: parse_moment(text, f"--{name}") for name, text in moments.items() if text is not None}
        ),
        both_ways=footage.both_ways,
        size=DEFAULT_SIZE if footage.size is None else footage.size or None,
        frames_per_second=footage.fps,
        output=output,
        networks=networks,
    )
    for line in (run.describe(), *run.remarks()):
        typer.echo(line, err=True)
    if count := run.frames_without_masks():
        typer.echo(f"{count} frames before the first mask get none; --both-ways gives them theirs.", err=True)
    run.execute(progress, choice, overwrite=overwrite)
    return run.output / run.clip.name
