"""``sfc convert``: masks from one form into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sfc_cli.commands import options
from sfc_cli.commands.options import Debug, Split, Verbose
from sfc_cli.errors import UsageError


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A folder of masks in any colours, or of cut-outs: <sequence>/<frame>.png; or of soft "
            "labels, .npz; or of the released script's <video>_<t>_mask.png; a .zip of one; or a COCO .json. "
            "For frame a video.",
        ),
    ],
    output: Annotated[
        Path, typer.Argument(metavar="OUT", help="The folder to write; for coco and zip, the file.")
    ],
    to: Annotated[
        Literal["davis", "overlay", "coco", "zip", "frame"],
        typer.Option(
            help="davis: indexed PNGs; overlay: frames blended with their masks, JPEG; coco: one JSON with "
            "run-length encoded masks; zip: a checked submission to a benchmark's server; frame: IN is a "
            "video, OUT a PNG of one frame, to paint a mask on."
        ),
    ] = "davis",
    at: Annotated[
        str | None,
        typer.Option(help="Which frame, as 57, 3.5s or 1:05. [default: the first]", metavar="MOMENT"),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="The data set (name or path) of the masks: gives names, sizes and frames. Needed for the "
            "released script's files and for overlays; a submission is checked against it."
        ),
    ] = None,
    split: Split = "val",
    layout: Annotated[
        Literal["davis", "youtube-vos"],
        typer.Option(
            help="Whose layout --to zip and --data have: davis, <sequence>/<frame>.png in the zip, as MOSE "
            "wants too; youtube-vos, the same below Annotations/, and no 480p in the data."
        ),
    ] = "davis",
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Convert masks: to DAVIS indexed PNGs, to COCO, to a submission, or to pictures to look at.

    Converting what is converted already changes nothing. With --data masks are brought to the size of the
    annotation; a submission must have it.
    """
    from sfc_cli.conversion import convert_masks
    from sfc_cli.data.davis import DavisDataset
    from sfc_cli.settings.locations import find_data

    options.set_up_logging(verbose)
    if to == "frame":
        _write_frame(source, output, at)
        return
    if at is not None:
        raise UsageError(f"--at {at} is for --to frame alone.", "Leave it out.")
    dataset = None
    if data is not None:
        # YouTube-VOS keeps its sequences without a folder for the resolution.
        resolution = "" if layout == "youtube-vos" else DavisDataset.resolution
        dataset = DavisDataset(root=find_data(data), resolution=resolution)
    done = convert_masks(source, output, to=to, dataset=dataset, split=split, layout=layout)
    for remark in done.remarks:
        typer.echo(f"warning: {remark}", err=True)
    typer.echo(f"{done.masks} masks of {done.sequences} sequences: {output}")


def _write_frame(source: Path, output: Path, at: str | None) -> None:
    from sfc_cli.conversion.writers import write_frame
    from sfc_cli.data.videos import parse_moment

    stamp = write_frame(str(source), output, None if at is None else parse_moment(at, "at"))
    typer.echo(f"frame {stamp.number} ({stamp.seconds:.2f} s): {output}")
