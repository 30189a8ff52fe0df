"""The table of encoders by name, and the strict loader that turns a checkpoint into a trunk."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor

from sfc_cli.core import manifest
from sfc_cli.core.checkpoint_layouts import read_checkpoint, recognise_architecture, recognise_layout
from sfc_cli.core.trunk import Padding, Trunk, step_batchnorm_on_zeros
from sfc_cli.errors import InputError, UsageError, require_choice
from sfc_cli.settings.locations import assets_folder
from sfc_cli.settings.pretraining import Architecture
from sfc_cli.settings.propagation import BatchNormMode

logger = logging.getLogger(__name__)

RANDOM_SEED = 0
_SUFFIXES = (".pth", ".pt", ".tar")


@dataclass(frozen=True, kw_only=True)
class EncoderEntry:
    """One encoder that has a name.

    Args:
        architecture: The trunk.
        file: The checkpoint's file name as published; None for a random or a bundled trunk.
        layout: The name of the file's layout.
        download: What ``sfc download`` calls the file.
        bundled: The name of a file that comes with the package.
    """

    architecture: Architecture
    file: str | None = None
    layout: str | None = None
    download: str | None = None
    bundled: str | None = None

    @property
    def is_published(self) -> bool:
        """Whether others have published numbers of it."""
        return self.download is not None


ENCODERS: dict[str, EncoderEntry] = {
    "fine-grained": EncoderEntry(
        architecture="resnet18", file="pretrained_fc.pth", layout="sfc", download="fc"
    ),
    "crw": EncoderEntry(architecture="resnet18", file="pretrained.pth", layout="crw", download="crw"),
    "mocov1": EncoderEntry(
        architecture="resnet50", file="moco_v1_200ep_pretrain.pth.tar", layout="moco", download="moco"
    ),
    "simsiam": EncoderEntry(
        architecture="resnet50", file="checkpoint_0099.pth.tar", layout="simsiam", download="simsiam"
    ),
    "vfs": EncoderEntry(
        architecture="resnet50",
        file="r50_nc_sgd_cos_100e_r5_1xNx2_k400-d7ce3ad0.pth",
        layout="vfs",
        download="vfs",
    ),
    "pixpro": EncoderEntry(
        architecture="resnet50",
        file="pixpro_base_r50_400ep_md5_919c6612.pth",
        layout="pixpro",
        download="pixpro",
    ),
    "imagenet18": EncoderEntry(
        architecture="resnet18", file="resnet18-f37072fd.pth", layout="torchvision", download="imagenet"
    ),
    "imagenet50": EncoderEntry(
        architecture="resnet50", file="resnet50-0676ba61.pth", layout="torchvision", download="imagenet"
    ),
    "mini": EncoderEntry(architecture="resnet18", bundled="mini.pth", layout="torchvision"),
    "random18": EncoderEntry(architecture="resnet18"),
    "random50": EncoderEntry(architecture="resnet50"),
}


@dataclass(frozen=True, kw_only=True)
class EncoderSource:
    """What an encoder's name or path stands for.

    Args:
        name: The name or path as given.
        path: The checkpoint; None for a random trunk.
        architecture: The trunk it must be; None to recognise it from the keys.
        layout: The layout it must have; None to recognise it from the keys.
    """

    name: str
    path: Path | None
    architecture: Architecture | None
    layout: str | None


def find_encoder(name: str, checkpoints: Path) -> EncoderSource:
    """Resolve an encoder's name, or a path to a ``.pth`` file in any known layout.

    Raises:
        UsageError: If it is neither a known name nor a path.
        InputError: If the file is missing.
    """
    entry = ENCODERS.get(name)
    if entry is None:
        given = Path(name).expanduser()
        if not given.is_file():
            if os.sep in name or given.suffix in _SUFFIXES:
                raise InputError(
                    f"Checkpoint {given} is missing.", "Check the path, or type `sfc download --list`."
                )
            raise UsageError(
                f"No encoder {name!r}: it is neither a name nor a file.",
                f"Names: {', '.join(ENCODERS)}; or give the path of a .pth file.",
            )
        return EncoderSource(name=name, path=given, architecture=None, layout=None)
    path: Path | None = None
    if entry.bundled is not None:
        path = assets_folder() / entry.bundled
    elif entry.file is not None:
        path = checkpoints / entry.file
        if not path.is_file():
            raise InputError(
                f"Encoder {name} needs {path}, which is missing.",
                f"Type `sfc download {entry.download}`, or name the folder with `checkpoints`.",
            )
    return EncoderSource(name=name, path=path, architecture=entry.architecture, layout=entry.layout)


def load_encoder(
    name: str,
    *,
    checkpoints: Path = Path("checkpoints"),
    batchnorm: BatchNormMode = "released",
    seed: int = RANDOM_SEED,
) -> Trunk:
    """Build an encoder's trunk up to ``layer3`` and load its weights strictly.

    Args:
        name: A name from ``ENCODERS`` or the path of a checkpoint in any layout of ``LAYOUTS``.
        checkpoints: The folder of the named encoders' files.
        batchnorm: ``released`` repeats the released code's step of the BatchNorm statistics towards an
            all-zero image, ``checkpoint`` keeps the statistics as stored.
        seed: Of the random trunks' weights.

    Returns:
        The trunk in evaluation mode on the CPU, float32, without gradients.

    Raises:
        UsageError: If the name or the mode is unknown.
        InputError: If the file is missing, damaged, unsafe, of another depth, lacks a tensor, or is no longer
            the file that the manifest beside it records.
    """
    require_choice("batchnorm", batchnorm, get_args(BatchNormMode))
    source = find_encoder(name, checkpoints)
    if source.path is None:
        assert source.architecture is not None  # every entry without a file names its trunk
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            trunk = Trunk(source.architecture)
        logger.info("%s: random weights, seed %d", name, seed)
    else:
        manifest.check(source.path)
        state, architecture, padding = read_trunk_state(
            source.path, architecture=source.architecture, layout=source.layout
        )
        trunk = Trunk(architecture, padding=padding)
        wanted = trunk.state_dict()
        _check_complete(wanted, state, source.path)
        trunk.load_state_dict({key: state[key] for key in wanted})
        logger.info("%s: loaded %d tensors into a %s trunk", source.path, len(wanted), architecture)
    trunk.eval().requires_grad_(False)
    if batchnorm == "released":
        step_batchnorm_on_zeros(trunk)
    return trunk


def read_trunk_state(
    path: Path, *, architecture: Architecture | None = None, layout: str | None = None
) -> tuple[dict[str, Tensor], Architecture, Padding]:
    """Read the tensors of a trunk from a checkpoint under torchvision's names.

    Args:
        path: The checkpoint.
        architecture: The trunk it must be; None to recognise it.
        layout: The layout it must have; None to recognise it.

    Returns:
        The tensors of the whole stored network, its architecture and its padding.

    Raises:
        InputError: If the file is missing, damaged, unsafe, of another layout or depth.
    """
    checkpoint = read_checkpoint(path)
    found_layout = recognise_layout(checkpoint, path)
    if layout is not None and found_layout.name != layout:
        raise InputError(
            f"{path} has the layout of {found_layout.name}, not of {layout}.",
            "The file has the wrong name: download it again, or choose the network by its path.",
        )
    state = found_layout.trunk_state(checkpoint)
    found = recognise_architecture(state, path)
    if architecture is not None and found != architecture:
        raise InputError(f"{path} has a {found}, but a {architecture} is needed.", "Is it the right file?")
    return state, found, found_layout.padding


def verify_checkpoint(
    path: Path, *, architecture: Architecture | None = None, layout: str | None = None
) -> None:
    """Make sure that a checkpoint opens safely and has every tensor of its trunk.

    Raises:
        InputError: Naming what is wrong.
    """
    state, found, padding = read_trunk_state(path, architecture=architecture, layout=layout)
    with torch.device("meta"):
        trunk = Trunk(found, padding=padding)
    _check_complete(trunk.state_dict(), state, path)


def _check_complete(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    missing = [key for key in wanted if key not in state]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"{path} lacks {len(missing)} of {len(wanted)} tensors of its trunk: "
            f"{', '.join(missing[:3])}{more}.",
            "The file is incomplete; download it again.",
        )
    for key, tensor in wanted.items():
        if state[key].shape != tensor.shape:
            raise InputError(
                f"{path}: {key} has the shape {tuple(state[key].shape)} instead of {tuple(tensor.shape)}.",
                "Is it the right file?",
            )
