"""Checkpoints in every published layout, small because each tensor is one number repeated."""

import argparse
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import torch
from torch import Tensor
from torchvision import models

from sfc_cli.core.encoders import ENCODERS, load_encoder

State = dict[str, Tensor]

ARCHITECTURES = {name: entry.architecture for name, entry in ENCODERS.items()}
NAMES = tuple(name for name, entry in ENCODERS.items() if entry.file)


@cache
def shapes(architecture: str) -> dict[str, torch.Size]:
    with torch.device("meta"):
        return {key: tensor.shape for key, tensor in models.get_model(architecture).state_dict().items()}


def constants(architecture: str, start: float) -> State:
    """Return a whole ResNet with a number of its own in every tensor, expanded from one element."""
    return {
        key: torch.tensor(start + 0.25 * number).expand(shape)
        for number, (key, shape) in enumerate(shapes(architecture).items())
    }


def plausible() -> State:
    """Return a whole ResNet-18 whose trunk computes what a trained one could."""
    return {**constants("resnet18", start=1.0), **load_encoder("random18").state_dict()}


def trunk_part(state: Mapping[str, Tensor]) -> State:
    return {key: value for key, value in state.items() if not key.startswith(("layer4.", "fc."))}


def _under(prefix: str, state: Mapping[str, Tensor]) -> State:
    return {prefix + key: value for key, value in state.items()}


def _mmaction(key: str) -> str:
    """Rename a torchvision key to mmaction's, block by block."""
    parts = key.split(".")
    for place, part in enumerate(parts):
        if part == "downsample":
            parts[place + 1] = {"0": "conv", "1": "bn"}[parts[place + 1]]
            break
        if part.startswith("conv"):
            parts[place] = f"{part}.conv"
        elif part.startswith("bn"):
            parts[place] = f"conv{part[2:]}.bn"
    return ".".join(parts)


def pack(name: str, state: Mapping[str, Tensor]) -> dict[str, object]:
    """Lay a ResNet out as the published file of an encoder, among everything else that such a file holds."""
    other = {key: torch.full_like(value, -7.0) for key, value in list(state.items())[:6]}
    arguments = argparse.Namespace(lr=0.001, name="made", steps=[1, 2], nested=argparse.Namespace(depth=18))
    head = {"0.weight": torch.ones(2, 2)}
    without_fc = {key: value for key, value in state.items() if not key.startswith("fc.")}
    layouts: dict[str, Callable[[], dict[str, object]]] = {
        "fine-grained": lambda: {
            "model": {
                **_under("target_encoder.", other),
                **_under("online_encoder.", without_fc),
                **_under("online_projector.", head),
                **_under("predictor.", head),
            },
            "optimizer": {"state": {0: {"step": 1, "exp_avg": torch.ones(2)}}, "param_groups": [{"lr": 0.1}]},
            "epoch": 20,
            "args": arguments,
        },
        "crw": lambda: {
            "model": {**_under("encoder.model.", without_fc), **_under("selfsim_fc.", head)},
            "args": arguments,
        },
        "mocov1": lambda: {
            "epoch": 200,
            "arch": "resnet50",
            "state_dict": {
                **_under("module.encoder_k.", other),
                "module.queue": torch.ones(2, 2),
                **_under("module.encoder_q.", state),
            },
        },
        "simsiam": lambda: {
            "state_dict": {
                **_under("module.encoder.", state),
                **_under("module.encoder.fc.", head),
                **_under("module.predictor.", head),
            }
        },
        "vfs": lambda: {
            "meta": {"epoch": 100, "CLASSES": None},
            "state_dict": {
                **{f"backbone.{_mmaction(key)}": value for key, value in without_fc.items()},
                **_under("img_head.", head),
            },
        },
        "pixpro": lambda: {
            "model": {
                **_under("module.encoder_k.", other),
                **_under("module.encoder.", without_fc),
                **_under("module.projector.", head),
            },
            "opt": "SGD",
        },
    }
    return layouts[name]() if name in layouts else dict(state)


def write(folder: Path, name: str, state: Mapping[str, Tensor] | None = None) -> Path:
    """Write a published file under its name; by default with ``constants`` of the encoder's trunk."""
    if state is None:
        state = constants(ARCHITECTURES[name], start=1.0)
    file = ENCODERS[name].file
    assert file is not None
    folder.mkdir(parents=True, exist_ok=True)
    torch.save(pack(name, state), folder / file)
    return folder / file
