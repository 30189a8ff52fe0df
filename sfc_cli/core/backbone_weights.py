"""The weights of torchvision's and timm's models: where their files lie, and how they are read strictly."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.core.checkpoint_layouts import mappings_inside
from sfc_cli.core.network_table import NetworkSpec, weight_file
from sfc_cli.core.weight_checks import refuse_unusable
from sfc_cli.errors import InputError

# Classifiers, which no feature passes.
_HEADS = ("classifier.", "fc.", "head.", "heads.", "head_dist.", "aux1.", "aux2.", "AuxLogits.")


def cached_file(name: str) -> Path | None:
    """Return a file that torchvision or torch.hub has downloaded before, if there is one of that name."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    return path if path.is_file() else None


def hash_in_name(file: str) -> str:
    """Return the first digits of the SHA-256 that end a file's name, as torchvision's do; else nothing."""
    match = re.search(r"-([0-9a-f]{8})\.pth$", file)
    return match[1] if match else ""


def find_weights(spec: NetworkSpec, checkpoints: Path) -> Path:
    """Return the file of a network's weights: given, in the folder of checkpoints, or in a library's cache.

    Raises:
        InputError: If it is missing.
    """
    if spec.given:
        path = Path(spec.given).expanduser()
        if not path.is_file():
            raise InputError(
                f"Checkpoint {path} for {spec.name.partition('=')[0]} is missing.", "Check the path."
            )
        return path
    name, _ = weight_file(spec)
    for path in (checkpoints / name, *_cached(spec, name)):
        if path.is_file():
            return path
    plain = spec.plain
    where = f"fetch it from {spec.page} and give it" if spec.page else "give a file of your own"
    download = "" if spec.page else f"Type `sfc download {plain}`, or "
    raise InputError(
        f"Network {plain} needs {checkpoints / name}, which is missing.",
        f"{download}{where if download else where.capitalize()}: {plain}=FILE. "
        f"({plain}=random tries it without.)",
    )


def _cached(spec: NetworkSpec, name: str) -> Iterator[Path]:
    if spec.source == "torchvision":
        found = cached_file(name)
        yield from [found] if found is not None else []
        return
    home = Path(os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface")
    folder = home / "hub" / f"models--timm--{spec.weights}" / "snapshots"
    yield from sorted(folder.glob("*/model.safetensors"))


def fill_model(model: nn.Module, path: Path, key_prefix: str | None = None) -> None:
    """Load a file into a library's model, strictly up to its classifier.

    Keys may have prefixes and lie in mappings inside the file, as for ResNets; what timm knows of foreign
    names is applied.

    Raises:
        InputError: If the file is damaged, of another network, lacks a tensor or has one that cannot be used.
    """
    wanted = {key: value for key, value in model.state_dict().items() if not key.startswith(_HEADS)}
    stored = _fitting_part(read_checkpoint(path), wanted, path, key_prefix)
    state = _renamed(stored, model, path)
    for key in wanted:
        if key.endswith("num_batches_tracked"):
            state.setdefault(key, torch.tensor(0))
    # A larger network of the same family has every tensor of a smaller one, and more.
    modules = {name for name, _ in model.named_modules()}
    surplus = [key for key in state if _is_of_larger_network(key, modules)]
    if surplus:
        raise InputError(
            f"{path} is of another network: it has {surplus[0]}, which {type(model).__name__} has not.",
            "Choose the model that the file is of.",
        )
    refuse_unusable(wanted, state, path)
    model.load_state_dict({key: state[key] for key in wanted}, strict=False)


def _fitting_part(
    checkpoint: Mapping[str, Any], wanted: Mapping[str, Tensor], path: Path, key_prefix: str | None
) -> dict[str, Tensor]:
    """Return the tensors of the mapping and prefix under which most of a network's names are found."""
    # timm renames much, but what comes first and last is named alike nearly everywhere.
    anchors = [key for key in wanted if key.endswith("weight")]
    best: tuple[int, dict[str, Tensor]] = (-1, {})
    for container, mapping in mappings_inside(checkpoint):
        tensors = {
            key: value for key, value in mapping.items() if isinstance(key, str) and isinstance(value, Tensor)
        }
        prefixes = {""} if key_prefix is None else set()
        for key in tensors:
            for anchor in (anchors[0], anchors[-1]):
                if key.endswith(f".{anchor}"):
                    prefixes.add(key[: -len(anchor)])
        for prefix in prefixes:
            if key_prefix not in (None, prefix, f"{container}/{prefix}"):
                continue
            part = {key[len(prefix) :]: value for key, value in tensors.items() if key.startswith(prefix)}
            count = sum(key in wanted for key in part)
            # Of DINO's two networks the teacher is the one that its authors use.
            count -= "student" in container
            if part and count > best[0]:
                best = (count, part)
    if not best[1]:
        raise InputError(
            f"{path} has no tensors" + (f" whose names begin with {key_prefix!r}." if key_prefix else "."),
            "Is it the right file?",
        )
    return best[1]


def _renamed(state: dict[str, Tensor], model: nn.Module, path: Path) -> dict[str, Tensor]:
    """Apply timm's own renaming of foreign checkpoints, where the model's module has one."""
    rename = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if rename is None:
        return state
    try:
        return dict(rename(dict(state), model))
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise InputError(
            f"{path} does not fit {type(model).__name__} ({reason}).", "Choose the model that the file is of."
        ) from None


def _is_of_larger_network(key: str, modules: set[str]) -> bool:
    """Return whether a tensor belongs to a block that comes after a network's last one."""
    parts = key.split(".")
    for index, part in enumerate(parts[:-1]):
        above = ".".join(parts[:index])
        if part.isdigit() and above in modules and f"{above}.0" in modules:
            return f"{above}.{part}" not in modules and not key.startswith(_HEADS)
    return False
