"""``sfc convert``: masks from one form into another."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sfc_cli.commands import options
from sfc_cli.commands.options import Debug, Split, Verbose


def convert(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            help="A folder of masks: the released script's <video>_<t>_mask.png, or <sequence>/<frame>.png, "
            "indexed, grey or RGB in the palette's colours.",
        ),
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="The folder to write.")],
    to: Annotated[
        Literal["davis", "overlay"],
        typer.Option(help="davis: indexed PNGs; overlay: frames blended with their masks, JPEG."),
    ] = "davis",
    data: Annotated[
        str | None,
        typer.Option(
            help="The data set (name or path) of the masks: gives names, sizes and frames. Needed for the "
            "released script's files and for overlays."
        ),
    ] = None,
    split: Split = "val",
    verbose: Verbose = False,
    debug: Debug = False,  # noqa: ARG001
) -> None:
    """Convert masks to DAVIS indexed PNGs, or to pictures to look at.

    Converting what is converted already changes nothing. With --data masks are brought to the size of the
    annotation.
    """
    from sfc_cli.conversion import convert_masks
    from sfc_cli.data.davis import DavisDataset
    from sfc_cli.settings.locations import find_data

    options.set_up_logging(verbose)
    dataset = DavisDataset(root=find_data(data)) if data is not None else None
    done = convert_masks(source, output, to=to, dataset=dataset, split=split)
    typer.echo(f"{done.masks} masks of {done.sequences} sequences: {output}")
