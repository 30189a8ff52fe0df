"""The layouts in which the field's checkpoints store a ResNet trunk, and how to read each as ours."""

from __future__ import annotations

import argparse
import pickle
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sfc_cli.core.trunk import Padding
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import Architecture


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


# Any tensor of a ResNet trunk under torchvision's names.
_TRUNK_KEY = re.compile(r"(conv1|bn1|layer[1-4]\.\d+\.(conv\d|bn\d|downsample\.[01]))\.\w+")
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True, kw_only=True)
class CheckpointLayout:
    """How one project's checkpoint stores its trunk.

    Args:
        name: The project's name.
        container: The entry that holds the weights; empty if the file itself is the mapping.
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

    def trunk_state(self, checkpoint: Mapping[str, Any]) -> dict[str, Tensor]:
        """Return the trunk's tensors under torchvision's names; empty if the file has another layout."""
        stored = checkpoint.get(self.container) if self.container else checkpoint
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


def recognise_layout(checkpoint: Mapping[str, Any], path: Path) -> CheckpointLayout:
    """Find the layout of a checkpoint by its keys: the one in which most of a trunk is found.

    Raises:
        InputError: If no known layout fits.
    """
    best = max(LAYOUTS.values(), key=lambda layout: layout.trunk_keys(checkpoint))
    if best.trunk_keys(checkpoint):
        return best
    keys = ", ".join(str(key) for key in list(checkpoint)[:4])
    raise InputError(
        f"{path} has no known checkpoint layout (its first keys: {keys or 'none'}).",
        f"Known layouts: {', '.join(LAYOUTS)}.",
    )


def recognise_architecture(state: Mapping[str, Tensor], path: Path) -> Architecture:
    """Recognise ResNet-18 or ResNet-50 by the blocks of a trunk.

    Raises:
        InputError: If it is another network.
    """
    bottleneck = any(re.match(r"layer\d\.\d+\.conv3\.", key) for key in state)
    numbers = [int(match[1]) for key in state if (match := re.match(r"layer3\.(\d+)\.", key))]
    blocks = 1 + max(numbers, default=-1)
    depth = {(False, 2): "resnet18", (True, 6): "resnet50"}.get((bottleneck, blocks))
    if depth is None:
        kind = "bottleneck" if bottleneck else "basic"
        raise InputError(
            f"{path} has {blocks} {kind} blocks in layer3.",
            "sfc reads ResNet-18 (2 basic blocks) and ResNet-50 (6 bottleneck blocks).",
        )
    return depth  # type: ignore[return-value]


def read_checkpoint(path: Path) -> Mapping[str, Any]:
    """Read a PyTorch file safely: tensors, plain Python values and ``argparse.Namespace``, nothing else.

    Returns:
        The stored mapping, with every tensor on the CPU.

    Raises:
        InputError: If the file is missing, truncated, not a PyTorch file, or asks to execute anything.
    """
    _refuse_other_files(path)
    try:
        # The published files store their command line as an argparse.Namespace.
        with torch.serialization.safe_globals([argparse.Namespace]):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        forbidden = re.search(r"(?:GLOBAL|global)\s+([\w.]+)", str(error))
        if forbidden:
            raise InputError(
                f"{path} is refused: it asks for the Python object {forbidden[1]}, which could execute code.",
                "Only load files whose source you trust, saved as plain tensors.",
            ) from None
        raise _damaged(path) from None
    except (
        RuntimeError,
        EOFError,
        ValueError,
        KeyError,
        OSError,
        zipfile.BadZipFile,
        AttributeError,
        TypeError,
        IndexError,
    ):
        raise _damaged(path) from None
    if not isinstance(content, Mapping):
        raise InputError(
            f"{path} contains a {type(content).__name__}, not a mapping of weights.", "Is it the right file?"
        )
    return content


def _damaged(path: Path) -> InputError:
    return InputError(
        f"{path} ({path.stat().st_size} bytes) is truncated or not a PyTorch checkpoint.",
        "Download it again.",
    )


def _refuse_other_files(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(512)
    except FileNotFoundError:
        raise InputError(
            f"Checkpoint {path} is missing.", "Check the path, or type `sfc download --list`."
        ) from None
    except OSError as error:
        raise InputError(f"Cannot read checkpoint {path}: {error.strerror or error}.") from None
    if not start:
        raise InputError(f"Checkpoint {path} is empty (0 bytes).", "Download it again.")
    if start.lstrip()[:1] == b"<":
        raise InputError(
            f"{path} is an HTML or XML page, not a checkpoint: an error page was saved instead.",
            "Delete it and download it again.",
        )
