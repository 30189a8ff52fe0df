"""The options of ``sfc propagate``: data sets, outputs, networks, and how labels travel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from sfc_cli.settings.propagation import PRESETS, Backend, BatchNormMode, OverlayKind, Precision


def _defaults(name: str) -> str:
    """Say a setting's default, and where a preset has another."""
    usual = getattr(PRESETS["single"], name)
    others: dict[float, list[str]] = {}
    for preset, words in (("sfc", "with two networks"), ("mini", "with mini")):
        if (value := getattr(PRESETS[preset], name)) != usual:
            others.setdefault(value, []).append(words)
    parts = [f"{usual:g}", *(f"{value:g} {' or '.join(words)}" for value, words in others.items())]
    return f"[default: {'; '.join(parts)}]"


DataSet = Annotated[
    str | None,
    typer.Option(
        help="A data set's name (sample, davis, or a name from sfc.yaml, $SFC_DATA or ./data) or a path to a "
        "folder in the DAVIS layout; JHMDB's and VIP's are recognised too. [default: davis]",
        metavar="NAME",
    ),
]
DataSplit = Annotated[str | None, typer.Option(help="The split. [default: val; 1 for JHMDB]", metavar="NAME")]
FineGrained = Annotated[
    str | None,
    typer.Option(
        help="Fine-grained network: fine-grained, crw, mini, imagenet18, random18, a .pth file.",
        metavar="NAME",
    ),
]
Semantic = Annotated[
    str | None,
    typer.Option(
        help="Semantic network: mocov1, simsiam, vfs, pixpro, imagenet50, random50, or a .pth file.",
        metavar="NAME",
    ),
]
Output = Annotated[
    Path | None,
    typer.Option("--output", "-o", help="Where masks go. [default: results/<data>/<fc>+<semantic>]"),
]
Overlay = Annotated[
    OverlayKind | None,
    typer.Option(
        help="Frames blended with their masks, in <output>/overlay: an MP4 (also with no word after "
        "--overlay), JPEGs, or a GIF of a short clip.",
    ),
]
Cutout = Annotated[
    bool, typer.Option("--cutout", help="The objects alone, as transparent PNGs in <output>/cutout.")
]
Soft = Annotated[bool, typer.Option("--soft", help="Soft labels as float16 .npz files in <output>/soft.")]
TopK = Annotated[int | None, typer.Option(help=f"Context cells that vote for a cell. {_defaults('top_k')}")]
Radius = Annotated[
    float | None, typer.Option(help=f"Reach on the feature grid, in cells. {_defaults('radius')}")
]
Temperature = Annotated[
    float | None, typer.Option(help=f"Divides the affinities. {_defaults('temperature')}")
]
ContextFrames = Annotated[
    int | None,
    typer.Option(
        help=f"Frames before the target that vote, besides the first. {_defaults('context_frames')}"
    ),
]
FusionWeight = Annotated[
    float | None,
    typer.Option(help=f"Weight of the fine-grained features (lambda). {_defaults('fusion_weight')}"),
]
BatchNorm = Annotated[
    BatchNormMode | None,
    typer.Option(
        help="`released` repeats the released code's BatchNorm step on an all-zero image, which the "
        "published numbers contain; `checkpoint` takes the statistics as stored.  [default: released]"
    ),
]
Device = Annotated[
    Literal["auto", "cpu", "cuda"], typer.Option(help="auto takes CUDA where there is a card.")
]
BackendName = Annotated[
    Backend, typer.Option(help="How affinities are computed; all give the same masks up to ties.")
]
PrecisionName = Annotated[
    Precision,
    typer.Option(help="`fast` lets a CUDA card compute in half precision; no effect on a CPU."),
]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace other results; do complete sequences again.")
]
