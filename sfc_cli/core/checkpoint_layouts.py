"""The layouts in which the field's checkpoints store a ResNet trunk, and how to read each as ours."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfc_cli.core.trunk import Padding
from sfc_cli.errors import InputError


def _as_stored(key: str) -> str:
    return key


def _unwrap_padded_convolution(key: str) -> str:
    # An older release of CRW wraps a padded 3×3 convolution in a Sequential: (pad, convolution).
    return re.sub(r"(conv\d)\.1\.(weight|bias)$", r"\1.\2", key)


def _from_mmaction(key: str) -> str:
    key = re.sub(r"^conv1\.conv\.", "conv1.", key)
    key = re.sub(r"^conv1\.bn\.", "bn1.", key)
    key = re.sub(r"(layer\d\.\d+\.)conv(\d)\.conv\.", r"\1conv\2.", key)
    key = re.sub(r"(layer\d\.\d+\.)conv(\d)\.bn\.", r"\1bn\2.", key)
    key = re.sub(r"(layer\d\.\d+\.)downsample\.conv\.", r"\1downsample.0.", key)
    return re.sub(r"(layer\d\.\d+\.)downsample\.bn\.", r"\1downsample.1.", key)


def _from_any(key: str) -> str:
    return _unwrap_padded_convolution(_from_mmaction(key))


# Any tensor of a ResNet trunk under torchvision's names.
_TRUNK_KEY = re.compile(r"(conv1|bn1|layer[1-4]\.\d+\.(conv\d|bn\d|downsample\.[01]))\.\w+")
_COUNTER = "num_batches_tracked"
# What every ResNet has, with whatever stands before it; one key may be missing.
_TRUNK_START = re.compile(r"(.*?)layer[123]\.0\.conv[12](\.conv|\.1)?\.weight$")
# Momentum encoders. Of DINO's two networks the teacher is the one that its authors use.
_LAGGING = re.compile(r"encoder_k|target|momentum|student|(^|[./_])key_encoder|(^|[./_])ema([./_]|$)")


@dataclass(frozen=True, kw_only=True)
class CheckpointLayout:
    """How one project's checkpoint stores its trunk.

    Args:
        name: The project's name.
        container: The entry that holds the weights, with slashes between entries of entries; empty if the
            file itself is the mapping.
        prefix: What every key of the trunk begins with.
        rename: Turns a key without its prefix into torchvision's.
        padding: How the network's convolutions pad.
        predates_counters: Files may be older than BatchNorm's counters of batches; no output needs them.
    """

    name: str
    container: str
    prefix: str
    rename: Callable[[str], str] = _as_stored
    padding: Padding = "zeros"
    predates_counters: bool = False

    @property
    def place(self) -> str:
        """Container and prefix as one, as ``key_prefix`` names them."""
        return f"{self.container}/{self.prefix}" if self.container else self.prefix

    def trunk_state(self, checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the trunk's tensors under torchvision's names; empty if the file has another layout."""
        stored: Any = checkpoint
        for entry in self.container.split("/") if self.container else ():
            stored = stored.get(entry) if isinstance(stored, Mapping) else None
        if not isinstance(stored, Mapping):
            return {}
        state = {
            self.rename(key[len(self.prefix) :]): value
            for key, value in stored.items()
            if isinstance(key, str) and key.startswith(self.prefix) and isinstance(value, Tensor)
        }
        if self.predates_counters:
            for key in [key for key in state if key.endswith("running_var")]:
                state.setdefault(key.replace("running_var", _COUNTER), torch.tensor(0))
        return state

    def trunk_keys(self, checkpoint: Mapping[str, Any]) -> int:
        """Return how many tensors of a trunk a checkpoint has in this layout."""
        return sum(bool(_TRUNK_KEY.fullmatch(key)) for key in self.trunk_state(checkpoint))


LAYOUTS: dict[str, CheckpointLayout] = {
    layout.name: layout
    for layout in (
        CheckpointLayout(name="sfc", container="model", prefix="online_encoder."),
        CheckpointLayout(
            name="crw",
            container="model",
            prefix="encoder.model.",
            rename=_unwrap_padded_convolution,
            padding="reflect",
        ),
        CheckpointLayout(name="moco", container="state_dict", prefix="module.encoder_q."),
        CheckpointLayout(name="simsiam", container="state_dict", prefix="module.encoder."),
        CheckpointLayout(name="vfs", container="state_dict", prefix="backbone.", rename=_from_mmaction),
        CheckpointLayout(name="pixpro", container="model", prefix="module.encoder."),
        CheckpointLayout(name="torchvision", container="", prefix="", predates_counters=True),
    )
}


def recognise_layout(
    checkpoint: Mapping[str, Any], path: Path, key_prefix: str | None = None
) -> CheckpointLayout:
    """Find the layout of a checkpoint by its keys: the one in which most of a trunk is found.

    Where no published layout fits, any mapping inside the file and any prefix of its keys is tried, which
    reads what DataParallel, ``torch.compile``, Lightning, DINO, MoCo v3 and SwAV wrap around a ResNet.

    Args:
        checkpoint: The file's content.
        path: Where it lies, for the error.
        key_prefix: What the keys of the trunk begin with, for files in which several trunks lie.

    Raises:
        InputError: If there is no trunk, or there are several and nothing tells which is meant.
    """
    others = _layouts_inside(checkpoint, key_prefix)
    if key_prefix is None:
        best = max(LAYOUTS.values(), key=lambda layout: layout.trunk_keys(checkpoint))
        count = best.trunk_keys(checkpoint)
        # One that lacks a few tensors is still meant, and not the whole copy of it that lies beside it.
        if count and count >= max((other.trunk_keys(checkpoint) for other in others), default=0) / 2:
            return best
    found = _preferred(others)
    if len(found) == 1:
        return found[0]
    keys = ", ".join(_names(checkpoint)[:6]) or "none"
    if found:
        places = ", ".join(repr(layout.place) for layout in found)
        raise InputError(
            f"{path} has several networks, with the prefixes {places}.", "Choose one with `key_prefix`."
        )
    if key_prefix is not None:
        raise InputError(
            f"{path} has no ResNet whose keys begin with {key_prefix!r}; its first keys: {keys}.",
            "Correct `key_prefix`.",
        )
    raise InputError(
        f"{path} has no known checkpoint layout (its first keys: {keys}).",
        f"Known layouts: {', '.join(LAYOUTS)}, or any ResNet under torchvision's names; other networks are "
        "read as timm:NAME=FILE.",
    )


def _layouts_inside(checkpoint: Mapping[str, Any], key_prefix: str | None) -> list[CheckpointLayout]:
    """Return every place of a file in which a ResNet lies, as a layout of its own."""
    found = []
    for container, stored in mappings_inside(checkpoint):
        keys = [key for key in stored if isinstance(key, str)]
        prefixes = dict.fromkeys(match[1] for key in keys if (match := _TRUNK_START.match(key)))
        for prefix in prefixes:
            layout = CheckpointLayout(
                name="other",
                container=container,
                prefix=prefix,
                rename=_from_any,
                # What CRW keeps beside its encoder tells its files from others.
                padding="reflect" if any("selfsim_fc." in key for key in keys) else "zeros",
                predates_counters=True,
            )
            if key_prefix is None or key_prefix in (prefix, layout.place):
                found.append(layout)
    most = max((layout.trunk_keys(checkpoint) for layout in found), default=0)
    return [layout for layout in found if layout.trunk_keys(checkpoint) == most]


def _preferred(layouts: list[CheckpointLayout]) -> list[CheckpointLayout]:
    """Leave out copies that lag behind the trained network, where it is there too."""
    trained = [layout for layout in layouts if not _LAGGING.search(layout.place)]
    return trained or layouts


def mappings_inside(checkpoint: Mapping[str, Any], depth: int = 3) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield a file's mapping and those inside it, with the keys that lead to each joined by slashes."""
    yield "", checkpoint
    if depth:
        for key, value in checkpoint.items():
            if isinstance(key, str) and isinstance(value, Mapping):
                for inner, mapping in mappings_inside(value, depth - 1):
                    yield f"{key}/{inner}".rstrip("/"), mapping


def _names(checkpoint: Mapping[str, Any]) -> list[str]:
    """Return the keys of a file, those of the mappings inside it too."""
    names = []
    for container, mapping in mappings_inside(checkpoint):
        before = f"{container}/" if container else ""
        names += [f"{before}{key}" for key, value in mapping.items() if not isinstance(value, Mapping)]
    return sorted(names or map(str, checkpoint), key=lambda name: name.count("/") == 0)


# ResNets by what tells them apart: bottleneck blocks or basic ones, how many in layer3, and the shape of the
# first block's second convolution.
_ARCHITECTURES: dict[tuple[bool, int], dict[tuple[int, int] | None, str]] = {
    (False, 2): {None: "resnet18"},
    (False, 6): {None: "resnet34"},
    (True, 6): {None: "resnet50", (128, 4): "resnext50_32x4d", (128, 128): "wide_resnet50_2"},
    (True, 23): {
        None: "resnet101",
        (256, 8): "resnext101_32x8d",
        (256, 4): "resnext101_64x4d",
        (128, 128): "wide_resnet101_2",
    },
    (True, 36): {None: "resnet152"},
}


def recognise_architecture(state: Mapping[str, Tensor], path: Path) -> str:
    """Recognise which of torchvision's ResNets a trunk is, by its blocks.

    Raises:
        InputError: If it is another network.
    """
    bottleneck = any(re.match(r"layer\d\.\d+\.conv3\.", key) for key in state)
    numbers = [int(match[1]) for key in state if (match := re.match(r"layer3\.(\d{1,6})\.", key))]
    blocks = 1 + max(numbers, default=-1)
    widths = _ARCHITECTURES.get((bottleneck, blocks))
    if widths is None:
        kind = "bottleneck" if bottleneck else "basic"
        raise InputError(
            f"{path} has {blocks} {kind} blocks in layer3.",
            "sfc reads ResNets as torchvision builds them: 2 or 6 basic blocks (ResNet-18, 34), or 6, 23 or "
            "36 bottleneck blocks (50, 101, 152).",
        )
    second = state.get("layer1.0.conv2.weight")
    width = (second.shape[0], second.shape[1]) if second is not None and second.dim() == 4 else None
    return widths.get(width, widths[None])
