"""``sfc convert``: masks from one form into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sfc_cli.commands import options
from sfc_cli.commands.completion import complete_data, complete_splits
from sfc_cli.commands.help_screens import OUTPUT, WHAT
from sfc_cli.commands.options import Debug, Resolution, Verbose
from sfc_cli.errors import UsageError
from sfc_cli.wording import counted

# How people name the data set whose server wants a folder more than the others.
_YOUTUBE_VOS = ("youtube", "ytvos", "ytbvos")


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A folder of masks in any colours or of cut-outs (<sequence>/<frame>.png), of soft labels "
            "(.npz) or of the released script's files (<video>_<t>_mask.png); a .zip of such a folder; or "
            "annotations, a file or a folder: COCO, CVAT, labelme, YOLO, VIA, YouTube-VIS, SA-1B, NumPy, a "
            "folder for each object. For --to frame, a video.",
            rich_help_panel=WHAT,
        ),
    ],
    output: Annotated[
        Path,
        typer.Argument(
            metavar="OUT",
            help="The folder to write; for --to coco, youtube-vis, zip and frame, the file.",
            rich_help_panel=WHAT,
        ),
    ],
    to: Annotated[
        Literal["davis", "overlay", "coco", "youtube-vis", "yolo", "labelme", "objects", "zip", "frame"],
        typer.Option(
            help="davis: indexed PNGs; overlay: JPEGs of frames blended with their masks, or a film "
            "if --data is your own video; coco: one JSON "
            "file of run-length encoded masks; youtube-vis: the same by video; yolo, labelme: a file of "
            "polygons for each frame; objects: a folder of black and white PNGs for each object; zip: a "
            "checked submission to a benchmark's server; frame: one frame of a video as a PNG, to paint a "
            "mask on.",
            metavar="FORM",
            rich_help_panel=OUTPUT,
        ),
    ] = "davis",
    at: Annotated[
        str | None,
        typer.Option(
            help="--to frame: which frame, as 57, 3.5s or 1:05. [default: the first]",
            metavar="MOMENT",
            rich_help_panel=WHAT,
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="The masks' data set, by name or path, for names, sizes and frames; for --to overlay also "
            "your own video. The released script's files and overlays need it; a submission is checked "
            "against it.",
            metavar="NAME",
            autocompletion=complete_data,
            rich_help_panel=WHAT,
        ),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            help="The pictures' size, for annotations that do not tell it (YOLO, VIA).",
            metavar="WIDTHxHEIGHT",
            rich_help_panel=WHAT,
        ),
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            help="The split of --data. [default: what the set ships: val, valid or test]",
            metavar="NAME",
            autocompletion=complete_splits,
            rich_help_panel=WHAT,
        ),
    ] = None,
    resolution: Resolution = None,
    layout: Annotated[
        Literal["davis", "youtube-vos", "mose", "lvos"] | None,
        typer.Option(
            help="Whose server the zip is for. davis, mose, lvos: <sequence>/<frame>.png; youtube-vos: the "
            "same below Annotations/. [default: youtube-vos if --data is named so, else davis]",
            rich_help_panel=OUTPUT,
        ),
    ] = None,
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Convert masks to indexed PNGs, COCO, submissions or pictures.

    Converting twice changes nothing. With --data, masks are resized to the annotation; those of a submission
    must have its size already.
    """
    from sfc_cli.conversion import convert_masks
    from sfc_cli.conversion.overlay_films import is_clip
    from sfc_cli.data.layouts import open_layout
    from sfc_cli.settings.locations import find_data

    options.set_up_logging(verbose)
    if to == "frame":
        _write_frame(source, output, at)
        return
    if at is not None:
        raise UsageError(f"--at {at} is for --to frame alone.", "Leave it out.")
    if to == "overlay" and data is not None and is_clip(data):
        _render_film(source, output, data)
        return
    dataset = None
    if data is not None:
        dataset = open_layout(find_data(data), split, resolution=resolution)
    if layout is None:
        # The data set's folder, or that of a split in it.
        names = "" if dataset is None else "/".join(dataset.root.resolve().parts[-2:]).lower()
        layout = "youtube-vos" if any(word in names for word in _YOUTUBE_VOS) else "davis"
    # The servers of MOSE and LVOS take what that of DAVIS does.
    layout = layout if layout == "youtube-vos" else "davis"
    done = convert_masks(
        source, output, to=to, dataset=dataset, split=split, layout=layout, size=_parse_size(size)
    )
    for remark in done.remarks:
        typer.echo(f"warning: {remark}", err=True)
    typer.echo(f"{counted(done.masks, 'mask')} of {counted(done.sequences, 'sequence')}: {output}")


def _parse_size(text: str | None) -> tuple[int, int] | None:
    """Return height and width of a typed size.

    Raises:
        UsageError: If it is none.
    """
    if text is None:
        return None
    width, _, height = text.lower().replace("×", "x").partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise UsageError(f"--size {text} is not a size.", "Write width and height, as in 1920x1080.")
    return int(height), int(width)


def _render_film(source: Path, output: Path, clip: str) -> None:
    from sfc_cli.conversion.overlay_films import render_film

    made = render_film(source, output, clip)
    for remark in made.remarks:
        typer.echo(f"warning: {remark}", err=True)
    typer.echo(f"{counted(made.frames, 'frame')}: {made.path}")


def _write_frame(source: Path, output: Path, at: str | None) -> None:
    from sfc_cli.conversion.writers import write_frame
    from sfc_cli.data.videos import parse_moment

    stamp = write_frame(str(source), output, None if at is None else parse_moment(at, "at"))
    typer.echo(f"frame {stamp.number} ({stamp.seconds:.2f} s): {output}")
    frame = "" if at is None else f"{stamp.number}:"
    typer.echo(
        f"Next: paint every object in its own colour, then sfc propagate {source} --mask {frame}FILE",
        err=True,
    )
