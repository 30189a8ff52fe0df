"""The options of ``sfc propagate``: videos and data sets, outputs, networks, and how labels travel."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sfc_cli.commands.completion import complete_data, complete_networks, complete_splits
from sfc_cli.commands.help_screens import MACHINE, NETWORKS, OUTPUT, PROCEDURE, WHAT
from sfc_cli.settings.propagation import (
    DEFAULT_SIZE,
    LABEL_PATCHES,
    PRESETS,
    Backend,
    BatchNormMode,
    CutoutKind,
    OverlayKind,
    Precision,
    Protocol,
    improved,
)


def _defaults(name: str) -> str:
    """Return a setting's default, and where a preset has another."""
    usual = getattr(PRESETS["single"], name)
    others: dict[float, list[str]] = {}
    for preset, words in (("sfc", "with two networks"), ("mini", "with mini")):
        if (value := getattr(PRESETS[preset], name)) != usual:
            others.setdefault(value, []).append(words)
    parts = [f"{usual:g}", *(f"{value:g} {' or '.join(words)}" for value, words in others.items())]
    return f"[default: {'; '.join(parts)}]"


def _improved_default(name: str) -> str:
    """Return the default of a part that only the improved protocol uses."""
    return f"[default: {getattr(improved(PRESETS['single']), name):g} improved]"


VideoFiles = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CLIP",
        help="Your own video: a video file, a folder of images, a pattern such as 'shots/*.jpg', or several "
        "images. Without it, a data set is propagated.",
        rich_help_panel=WHAT,
    ),
]
Masks = Annotated[
    list[str] | None,
    typer.Option(
        "--mask",
        metavar="[FRAME:]FILE",
        help="A mask of the video's first frame, painted or annotated, or of the frame named before the "
        "colon: its number from 0, a time (3.5s) or its file name. A folder has masks named after their "
        "frames. May be repeated: each object follows from the last mask that shows it.",
        rich_help_panel=WHAT,
    ),
]
BothWays = Annotated[
    bool,
    typer.Option(
        "--both-ways", help="Video: also propagate masks to the frames before them.", rich_help_panel=WHAT
    ),
]
Backwards = Annotated[
    bool,
    typer.Option(
        "--backwards",
        help="Video: propagate masks to the frames before them, and to none after.",
        rich_help_panel=WHAT,
    ),
]
Start = Annotated[
    str | None,
    typer.Option(
        metavar="MOMENT", help="Video: the first frame to take, as 57, 3.5s or 1:05.", rich_help_panel=WHAT
    ),
]
End = Annotated[
    str | None,
    typer.Option(
        metavar="MOMENT", help="Video: the frame to stop before, as 57, 3.5s or 1:05.", rich_help_panel=WHAT
    ),
]
Every = Annotated[
    str | None,
    typer.Option(
        metavar="STEP",
        help="Video: take every second frame (2), or one each half second (0.5s).",
        rich_help_panel=WHAT,
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        min=0,
        metavar="PIXELS",
        help="Resize frames to this short side for the networks; 0 keeps their own. Masks always have the "
        f"frames' size. [default: {DEFAULT_SIZE} for a video; a data set's own size]",
        rich_help_panel=PROCEDURE,
    ),
]
StrictSize = Annotated[
    bool,
    typer.Option(
        "--strict-size", help="Video: refuse masks of another size than the frames.", rich_help_panel=WHAT
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(
        "--fps", metavar="RATE", help="Images: frames per second. [default: 24]", rich_help_panel=WHAT
    ),
]

StrictVideo = Annotated[
    bool,
    typer.Option(
        "--strict-video", help="Video: refuse a file of which a part cannot be decoded.", rich_help_panel=WHAT
    ),
]

# The parameters that only a video of one's own has.
VIDEO_OPTIONS = frozenset(
    {"mask", "both_ways", "backwards", "start", "end", "every", "fps", "strict_size", "strict_video"}
)
# Those that only a data set has.
DATA_OPTIONS = ("data", "split", "resolution", "annotations", "filelist", "sequences")

DataSet = Annotated[
    str | None,
    typer.Option(
        help="A data set's name (sample, davis, or a name from sfc.yaml, $SFC_DATA or ./data) or a path to a "
        "folder laid out as DAVIS, YouTube-VOS, MOSE, LVOS, JHMDB or VIP. [default: davis]",
        metavar="NAME",
        autocompletion=complete_data,
        rich_help_panel=WHAT,
    ),
]
DataSplit = Annotated[
    str | None,
    typer.Option(
        help="The data set's split. [default: what the set ships: val, valid or test; 1 for JHMDB]",
        metavar="NAME",
        autocompletion=complete_splits,
        rich_help_panel=WHAT,
    ),
]
Annotations = Annotated[
    Path | None,
    typer.Option(
        help="The folder of masks, where --data is any folder of frames or of folders of frames.",
        metavar="FOLDER",
        rich_help_panel=WHAT,
    ),
]
FileList = Annotated[
    Path | None,
    typer.Option(
        help="A list in place of --data, as the released code takes it: a folder of frames and a folder of "
        "masks a line.",
        metavar="FILE",
        rich_help_panel=WHAT,
    ),
]
FineGrained = Annotated[
    str | None,
    typer.Option(
        help="Fine-grained network: fine-grained, crw, hvc, mini, imagenet18, random18, a file of a ResNet, "
        "torchvision:NAME or timm:NAME.",
        metavar="NETWORK",
        autocompletion=complete_networks,
        rich_help_panel=NETWORKS,
    ),
]
Semantic = Annotated[
    str | None,
    typer.Option(
        help="Semantic network: mocov1, simsiam, vfs, pixpro, imagenet50, random50, a file of a ResNet, "
        "torchvision:NAME, timm:NAME, dinov2:s, dinov3:s; with =FILE for weights of your own.",
        metavar="NETWORK",
        autocompletion=complete_networks,
        rich_help_panel=NETWORKS,
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        help="The folder of results. [default: results/<data>/<fc>+<semantic>]",
        metavar="FOLDER",
        rich_help_panel=OUTPUT,
    ),
]
Overlay = Annotated[
    OverlayKind | None,
    typer.Option(
        help="Write frames blended with their masks to <output>/overlay: an MP4 (mp4, video, or --overlay "
        "alone), a WebM, JPEGs, or a GIF of a short video.",
        rich_help_panel=OUTPUT,
    ),
]
Cutout = Annotated[
    CutoutKind | None,
    typer.Option(
        help="Write the objects alone to <output>/cutout: transparent PNGs (also for --cutout alone), or one "
        "film with transparency, webm (VP9) or prores (ProRes 4444).",
        rich_help_panel=OUTPUT,
    ),
]
Audio = Annotated[
    bool,
    typer.Option("--audio", help="Give the overlay's film the sound of the video.", rich_help_panel=OUTPUT),
]
Soft = Annotated[
    bool,
    typer.Option(
        "--soft", help="Write soft labels as float16 .npz files to <output>/soft.", rich_help_panel=OUTPUT
    ),
]
TopK = Annotated[
    int | None,
    typer.Option(
        help=f"How many context cells vote for a cell. {_defaults('top_k')}",
        metavar="K",
        rich_help_panel=PROCEDURE,
    ),
]
Radius = Annotated[
    float | None,
    typer.Option(
        help=f"How near cells of the latest frames must be to vote, in cells. {_defaults('radius')}",
        metavar="CELLS",
        rich_help_panel=PROCEDURE,
    ),
]
Temperature = Annotated[
    float | None,
    typer.Option(
        help=f"Divides affinities before the softmax. {_defaults('temperature')}",
        metavar="T",
        rich_help_panel=PROCEDURE,
    ),
]
ContextFrames = Annotated[
    int | None,
    typer.Option(
        help="How many of the latest frames vote, besides the first; 0 for none. "
        + _defaults("context_frames"),
        metavar="FRAMES",
        rich_help_panel=PROCEDURE,
    ),
]
FusionWeight = Annotated[
    float | None,
    typer.Option(
        help=f"Weight of the fine-grained features (lambda). {_defaults('fusion_weight')}",
        metavar="WEIGHT",
        rich_help_panel=PROCEDURE,
    ),
]
BatchNorm = Annotated[
    BatchNormMode | None,
    typer.Option(
        help="`released` repeats the released code's BatchNorm step on an all-zero image, which the "
        "published numbers contain; `checkpoint` uses the statistics as stored. [default: released]",
        rich_help_panel=NETWORKS,
    ),
]
Layer = Annotated[
    str | None,
    typer.Option(
        help="The layer, block or stage whose features are taken, by name or number, of a network of "
        "torchvision or timm or of a file. [default: layer3 of a ResNet, the last block of a transformer]",
        metavar="LAYER",
        rich_help_panel=NETWORKS,
    ),
]
Stride = Annotated[
    int | None,
    typer.Option(
        help="Pixels per cell of such a network's features. [default: 8]",
        metavar="PIXELS",
        rich_help_panel=NETWORKS,
    ),
]
KeyPrefix = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT",
        help="What the keys of the network begin with, for a file that holds several.",
        rich_help_panel=NETWORKS,
    ),
]
ProtocolName = Annotated[
    Protocol | None,
    typer.Option(
        help="`published` repeats the paper's procedure to the bit; `improved` whitens features, propagates "
        "the labels of pixels and settles them on edges. [default: published where published networks run on "
        "a data set, else improved]",
        rich_help_panel=PROCEDURE,
    ),
]
Whitening = Annotated[
    float | None,
    typer.Option(
        help="Shrinkage of the covariance that features are whitened with. " + _improved_default("whitening"),
        metavar="SHARE",
        rich_help_panel=PROCEDURE,
    ),
]
ShallowWeight = Annotated[
    float | None,
    typer.Option(
        help="Weight of the fine-grained network's earlier layers beside its last one. "
        + _improved_default("shallow_weight"),
        metavar="WEIGHT",
        rich_help_panel=PROCEDURE,
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        help="Leading channels kept of whitened features. " + _improved_default("channels"),
        metavar="N",
        rich_help_panel=PROCEDURE,
    ),
]
LabelPatch = Annotated[
    int | None,
    typer.Option(
        help="Side of the patch of pixels whose labels a cell carries: "
        f"{', '.join(map(str, LABEL_PATCHES[:-1]))} or {LABEL_PATCHES[-1]}. "
        + _improved_default("label_patch"),
        metavar="PIXELS",
        rich_help_panel=PROCEDURE,
    ),
]
ObjectReach = Annotated[
    float | None,
    typer.Option(
        help="An object stays less than so many cells from where it was in the frame before; 0 lets it "
        "appear anywhere. [default: as --radius improved]",
        metavar="CELLS",
        rich_help_panel=PROCEDURE,
    ),
]
EdgeRefinement = Annotated[
    float | None,
    typer.Option(
        help="Share of the labels that follows the frame's edges. " + _improved_default("edge_refinement"),
        metavar="SHARE",
        rich_help_panel=PROCEDURE,
    ),
]
LongMemory = Annotated[
    str | None,
    typer.Option(
        help="N: keep every N-th of the frames before the window as context; 0 for none. 0,N,…: keep these "
        "frames, as --long-mem 0 N … of the released code does. [default: 0]",
        metavar="N | 0,N,…",
        rich_help_panel=PROCEDURE,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="auto (a CUDA device if there is one), cpu, cuda, cuda:N or mps.",
        metavar="NAME",
        rich_help_panel=MACHINE,
    ),
]
BackendName = Annotated[
    Backend,
    typer.Option(
        help="How affinities are computed; all give the same masks up to ties.",
        rich_help_panel=MACHINE,
    ),
]
PrecisionName = Annotated[
    Precision | None,
    typer.Option(
        help="How the networks compute: `exact` in float32; `tf32` as PyTorch does on NVIDIA cards since "
        "Ampere; `fast` in float16 on a card, in bfloat16 on a processor with instructions for it. "
        "[default: tf32 on a CUDA device, exact elsewhere]",
        rich_help_panel=MACHINE,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        help="Replace results of other settings; propagate complete sequences again.",
        rich_help_panel=OUTPUT,
    ),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print warnings and errors alone.", rich_help_panel=OUTPUT)
]
JsonLines = Annotated[
    bool,
    typer.Option(
        "--json",
        help="For programs: write progress to standard output, one JSON object a line.",
        rich_help_panel=OUTPUT,
    ),
]
