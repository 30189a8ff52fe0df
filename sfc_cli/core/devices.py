"""The device that a network runs on, resolved in one way for propagation, training and the library."""

from __future__ import annotations

import re

import torch

from sfc_cli.core.ranks import Ranks
from sfc_cli.errors import UsageError

_KNOWN = re.compile(r"auto|cpu|mps|cuda(:\d+)?")


def resolve_device(name: str = "auto", ranks: Ranks = Ranks()) -> torch.device:  # noqa: B008  (frozen)
    """Resolve a device's name.

    Args:
        name: ``auto`` takes a CUDA device where there is one and the CPU elsewhere; ``cuda`` shares
            a machine's devices among its processes; ``cuda:N`` and ``mps`` are taken as they are.
        ranks: This process among those of the run.

    Raises:
        UsageError: If the name is unknown or the device is not there.
    """
    require_device_name(name)
    if name == "mps":
        if not torch.backends.mps.is_available():
            raise UsageError("`device` is mps, but PyTorch finds no Apple GPU.", "Use cpu.")
        return torch.device("mps")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if name == "cpu" or (name == "auto" and not count):
        return torch.device("cpu")
    if not count:
        raise UsageError(
            f"`device` is {name}, but PyTorch finds no CUDA device.", "Use cpu, or check the driver."
        )
    if ":" not in name:
        return torch.device("cuda", ranks.local_rank % count)
    index = int(name.partition(":")[2])
    if index >= count:
        raise UsageError(
            f"`device` is {name}, but this machine has {count} CUDA devices.", f"Choose 0 to {count - 1}."
        )
    return torch.device("cuda", index)


def require_device_name(name: str) -> None:
    """Make sure that a name can be a device's; whether it is there is not looked at.

    Raises:
        UsageError: If the name is unknown.
    """
    if not _KNOWN.fullmatch(name):
        raise UsageError(f"`device` {name!r} is unknown.", "Choose auto, cpu, cuda, cuda:N or mps.")


def memory_format_for(device: torch.device) -> torch.memory_format:
    """Return how maps [B, C, H, W] lie in memory where convolutions run: channels last, but on Apple's GPU.

    There, pooling and convolutions have read views of such maps wrongly (PyTorch's issues 174345, 180984).
    """
    return torch.contiguous_format if device.type == "mps" else torch.channels_last


def writes_into_views(device: torch.device) -> bool:
    """Return whether an operator's ``out`` may be a strided view; not on Apple's GPU.

    There, products into one have left it as it was (PyTorch's issue 104832).
    """
    return device.type != "mps"


def describe_device(device: torch.device) -> str:
    """Return the name that a record gives a device: the card's model, or ``cpu``."""
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
