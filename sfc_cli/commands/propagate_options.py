"""The options of ``sfc propagate``: videos and data sets, outputs, networks, and how labels travel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand

from sfc_cli.settings.propagation import PRESETS, Backend, BatchNormMode, OverlayKind, Precision


def _defaults(name: str) -> str:
    """Return a setting's default, and where a preset has another."""
    usual = getattr(PRESETS["single"], name)
    others: dict[float, list[str]] = {}
    for preset, words in (("sfc", "with two networks"), ("mini", "with mini")):
        if (value := getattr(PRESETS[preset], name)) != usual:
            others.setdefault(value, []).append(words)
    parts = [f"{usual:g}", *(f"{value:g} {' or '.join(words)}" for value, words in others.items())]
    return f"[default: {'; '.join(parts)}]"


# Frames of the user's own videos are shrunk to the size that the method was tuned and is scored at.
DEFAULT_SIZE = 480

VideoFiles = Annotated[
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

# The parameters that only a video of one's own has.
VIDEO_OPTIONS = frozenset({"mask", "both_ways", "start", "end", "every", "size", "fps"})

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
    str, typer.Option(help="auto (CUDA where there is a card), cpu, cuda, cuda:N or mps.", metavar="NAME")
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
JsonLines = Annotated[
    bool, typer.Option("--json", help="Write progress as JSON lines to standard output, for programs.")
]

# Options whose value may be left out, which Typer does not offer: their words, and the default among them.
_WORDS = {"--overlay": get_args(OverlayKind)}
_DEFAULTS = {"--overlay": "video"}


class OptionalValueCommand(TyperCommand):
    """A command that reads a bare ``--overlay`` as ``--overlay video``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Fill in what was left out, then parse as usual."""
        return super().parse_args(ctx, with_values(args))


def with_values(args: list[str]) -> list[str]:
    """Return the arguments with the default word after each option that came without one."""
    filled: list[str] = []
    for index, word in enumerate(args):
        filled.append(word)
        if word == "--":
            return filled + args[index + 1 :]
        if word in _WORDS and (index + 1 == len(args) or args[index + 1] not in _WORDS[word]):
            filled.append(_DEFAULTS[word])
    return filled
