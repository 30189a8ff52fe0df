"""The strict loader that turns a name or a checkpoint into a network."""

from __future__ import annotations

import dataclasses
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_args

import torch
from torch import Tensor

from sfc_cli.core import manifest
from sfc_cli.core.backbone_weights import cached_file, fill_model, find_weights, hash_in_name
from sfc_cli.core.backbones import Backbone, build_backbone, make_model
from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.core.checkpoint_layouts import recognise_architecture, recognise_layout
from sfc_cli.core.encoder_table import ENCODERS, EncoderEntry
from sfc_cli.core.network_table import MOST_STRIDE, RANDOM, STRIDE, NetworkSpec, find_spec
from sfc_cli.core.trunk import LAYERS, TRUNK_STRIDES, Padding, Trunk, step_batchnorm_on_zeros
from sfc_cli.core.weight_checks import refuse_unusable
from sfc_cli.errors import InputError, UsageError, require_choice
from sfc_cli.settings.locations import assets_folder
from sfc_cli.settings.propagation import BatchNormMode
from sfc_cli.wording import did_you_mean

logger = logging.getLogger(__name__)

RANDOM_SEED = 0
_SUFFIXES = (".pth", ".pt", ".tar", ".safetensors", ".bin", ".ckpt")


@dataclass(frozen=True, kw_only=True)
class EncoderSource:
    """What an encoder's name or path stands for.

    Args:
        name: The name or path as given.
        path: The checkpoint; None for random weights.
        architecture: The trunk it must be; None to recognise it from the keys.
        layout: The layout it must have; None to recognise it from the keys.
        spec: The network, if it is one of another library.
        layer: The trunk's last layer.
        stride: Pixels per cell of the grid of its features.
        key_prefix: What the keys of the network begin with; None to find out.
        sha256: The first digits of the file's sum, where a cache has it unverified.
    """

    name: str
    path: Path | None
    architecture: str | None = None
    layout: str | None = None
    spec: NetworkSpec | None = None
    layer: str = "layer3"
    stride: int = STRIDE
    key_prefix: str | None = None
    sha256: str = ""

    def cut(self) -> dict[str, str | None]:
        """Return how it differs from the usual cut of its network, for a record: layer, stride and prefix."""
        layer = self.spec.layer if self.spec is not None else None if self.layer == "layer3" else self.layer
        cut = {
            "layer": layer,
            "stride": None if self.stride == STRIDE else str(self.stride),
            "key_prefix": self.key_prefix,
        }
        return {name: value for name, value in cut.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class NetworkOptions:
    """What a user may say of a network that sfc has no name for; None leaves what is usual.

    Args:
        layer: The layer, block or stage whose output is taken.
        stride: Pixels per cell of the grid.
        key_prefix: What the keys of the network begin with in its file.
    """

    layer: str | None = None
    stride: int | None = None
    key_prefix: str | None = None

    def __post_init__(self) -> None:
        if self.stride is not None and not 1 <= self.stride <= MOST_STRIDE:
            raise UsageError(f"`stride` is {self.stride}.", f"It must be from 1 to {MOST_STRIDE}.")

    @property
    def is_empty(self) -> bool:
        """Whether everything is left as usual."""
        return self == NetworkOptions()


_AS_USUAL = NetworkOptions()
Encoder = Trunk | Backbone


def find_encoder(
    name: str,
    checkpoints: Path,
    options: NetworkOptions = _AS_USUAL,
) -> EncoderSource:
    """Resolve an encoder's name, a network of another library, or a path to a ResNet's file in any layout.

    Args:
        name: See ``load_encoder``.
        checkpoints: The folder of the named encoders' files.
        options: For networks that are not in ``ENCODERS``.

    Raises:
        UsageError: If it is neither a known name nor a path.
        InputError: If the file is missing.
    """
    entry = ENCODERS.get(name)
    if entry is not None:
        return _find_named(name, entry, checkpoints)
    spec = find_spec(name)
    if spec is not None:
        return _find_foreign(spec, checkpoints, options)
    given = Path(name).expanduser()
    if not given.is_file():
        if os.sep in name or given.suffix in _SUFFIXES:
            raise InputError(
                f"Checkpoint {given} is missing.", "Check the path, or type `sfc download --list`."
            )
        raise UsageError(
            f"No encoder {name!r}: it is neither a name nor a file.",
            f"{did_you_mean(name, ENCODERS)}Names: {', '.join(ENCODERS)}; torchvision:NAME, timm:NAME, "
            "dinov2:s, dinov3:s …; or give the path of a .pth file.",
        )
    layer, stride = _cut(options.layer, options.stride)
    return EncoderSource(name=name, path=given, layer=layer, stride=stride, key_prefix=options.key_prefix)


def _find_named(name: str, entry: EncoderEntry, checkpoints: Path) -> EncoderSource:
    path: Path | None = None
    sha256 = ""
    if entry.bundled is not None:
        path = assets_folder() / entry.bundled
    elif entry.file is not None:
        path = checkpoints / entry.file
        cached = cached_file(entry.file)
        if not path.is_file() and cached is not None:
            # Its name tells its sum, which nobody has compared yet.
            path, sha256 = cached, hash_in_name(entry.file)
        if not path.is_file():
            raise InputError(
                f"Encoder {name} needs {path}, which is missing.",
                f"Type `sfc download {entry.download}`, or name the folder with `checkpoints`.{_older(name)}",
            )
    return EncoderSource(
        name=name, path=path, architecture=entry.architecture, layout=entry.layout, sha256=sha256
    )


def _older(name: str) -> str:
    """Name the older file of a network that a cache has."""
    for other, entry in ENCODERS.items():
        if other.startswith(f"{name}-") and entry.file is not None and cached_file(entry.file) is not None:
            return f" The older {entry.file} is here: choose {other}."
    return ""


def _find_foreign(spec: NetworkSpec, checkpoints: Path, options: NetworkOptions) -> EncoderSource:
    layer = options.layer or spec.layer
    path = None if spec.given == RANDOM else find_weights(spec, checkpoints)
    in_cache = path is not None and not spec.given and path.parent != checkpoints
    sha256 = hash_in_name(path.name) if path is not None and in_cache else ""
    if spec.is_resnet:
        layer, stride = _cut(layer, options.stride)
        return EncoderSource(
            name=spec.name,
            path=path,
            architecture=spec.model,
            layer=layer,
            stride=stride,
            key_prefix=options.key_prefix,
            sha256=sha256,
        )
    stride = options.stride or spec.stride
    return EncoderSource(
        name=spec.name,
        path=path,
        spec=dataclasses.replace(spec, layer=layer, stride=stride),
        stride=stride,
        key_prefix=options.key_prefix,
        sha256=sha256,
    )


def _cut(layer: str | None, stride: int | None) -> tuple[str, int]:
    """Return where a ResNet ends and the stride of its grid.

    Raises:
        UsageError: If it has no such layer or stride.
    """
    layer = f"layer{layer}" if layer in ("1", "2", "3", "4") else layer or "layer3"
    if layer not in LAYERS:
        raise UsageError(f"A ResNet has no `layer` {layer!r}.", f"Layers: {', '.join(LAYERS)}.")
    if stride is not None and stride not in TRUNK_STRIDES:
        raise UsageError(
            f"`stride` is {stride}.", f"A ResNet's strides: {', '.join(map(str, TRUNK_STRIDES))}."
        )
    return layer, stride or (4 if layer == "layer1" else STRIDE)


def load_encoder(
    name: str,
    *,
    checkpoints: Path = Path("checkpoints"),
    batchnorm: BatchNormMode = "released",
    seed: int = RANDOM_SEED,
    options: NetworkOptions = _AS_USUAL,
) -> Any:
    """Build an encoder and load its weights strictly.

    Args:
        name: A name from ``ENCODERS``; the path of a ResNet's checkpoint in any layout; ``torchvision:NAME``,
            ``timm:NAME`` or a short name from networks.yaml, each with ``=FILE`` or ``=random`` where its
            weights do not lie in ``checkpoints``.
        checkpoints: The folder of the named encoders' files.
        batchnorm: ``released`` repeats the released code's step of a ResNet's BatchNorm statistics towards an
            all-zero image, ``checkpoint`` keeps the statistics as stored.
        seed: Of random weights.
        options: Layer, stride and prefix, for networks that are not in ``ENCODERS``.

    Returns:
        A ``Trunk`` or ``Backbone`` in evaluation mode on the CPU, float32, without gradients.

    Raises:
        UsageError: If the name, the mode or an option cannot be used.
        InputError: If the file is missing, damaged, unsafe, of another depth, lacks a tensor, has one that no
            network works with, or is no longer the file that the manifest beside it records.
    """
    return load_source(find_encoder(name, checkpoints, options), batchnorm=batchnorm, seed=seed)


def load_source(
    source: EncoderSource, *, batchnorm: BatchNormMode = "released", seed: int = RANDOM_SEED
) -> Encoder:
    """Build the encoder that was found; see ``load_encoder``."""
    require_choice("batchnorm", batchnorm, get_args(BatchNormMode))
    if source.path is not None:
        manifest.check(source.path)
        _check_sum(source.path, source.sha256)
    if source.spec is not None:
        return _load_backbone(source, source.spec, seed)
    trunk = _random_trunk(source, seed) if source.path is None else _load_trunk(source, source.path)
    trunk.eval().requires_grad_(False)
    if batchnorm == "released":
        step_batchnorm_on_zeros(trunk)
    return trunk


def _check_sum(path: Path, sha256: str) -> None:
    if sha256 and not manifest.hash_file(path).startswith(sha256):
        raise InputError(
            f"{path} is damaged: its SHA-256 does not begin with {sha256}, which its name says.",
            "Delete it and download it again.",
        )


def _load_backbone(source: EncoderSource, spec: NetworkSpec, seed: int) -> Backbone:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        path = source.path
        if path is None:
            return build_backbone(spec)
        return build_backbone(spec, lambda model: fill_model(model, path, source.key_prefix))


def _random_trunk(source: EncoderSource, seed: int) -> Trunk:
    assert source.architecture is not None  # every entry without a file names its trunk
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        trunk = Trunk(source.architecture, last_layer=source.layer, stride=source.stride)
    logger.info("%s: random weights, seed %d", source.name, seed)
    return trunk


def _load_trunk(source: EncoderSource, path: Path) -> Trunk:
    state, architecture, padding = read_trunk_state(
        path, architecture=source.architecture, layout=source.layout, key_prefix=source.key_prefix
    )
    trunk = Trunk(architecture, padding=padding, last_layer=source.layer, stride=source.stride)
    wanted = trunk.state_dict()
    refuse_unusable(wanted, state, path)
    trunk.load_state_dict({key: state[key] for key in wanted})
    logger.info("%s: loaded %d tensors into a %s trunk", path, len(wanted), architecture)
    return trunk


def read_trunk_state(
    path: Path,
    *,
    architecture: str | None = None,
    layout: str | None = None,
    key_prefix: str | None = None,
) -> tuple[dict[str, Tensor], str, Padding]:
    """Read the tensors of a trunk from a checkpoint under torchvision's names.

    Args:
        path: The checkpoint.
        architecture: The trunk it must be; None to recognise it.
        layout: The layout it must have; None to recognise it.
        key_prefix: See ``recognise_layout``.

    Returns:
        The tensors of the whole stored network, its architecture and its padding.

    Raises:
        InputError: If the file is missing, damaged, unsafe, of another layout or depth.
    """
    checkpoint = read_checkpoint(path)
    found_layout = recognise_layout(checkpoint, path, key_prefix)
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
    path: Path, *, architecture: str | None = None, layout: str | None = None, network: str | None = None
) -> None:
    """Make sure that a checkpoint opens safely and has every tensor of its trunk, or of a network by name.

    Raises:
        InputError: Naming what is wrong.
    """
    spec = find_spec(network) if network is not None else None
    if spec is not None and not spec.is_resnet:
        fill_model(make_model(spec), path)
        return
    state, found, padding = read_trunk_state(path, architecture=architecture, layout=layout)
    with torch.device("meta"):
        trunk = Trunk(found, padding=padding)
    refuse_unusable(trunk.state_dict(), state, path)
