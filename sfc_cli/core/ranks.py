"""This process among all that ``torchrun`` started, or alone."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeVar

import torch
import torch.distributed as dist

from sfc_cli.errors import UsageError

T = TypeVar("T")


@dataclass(frozen=True)
class Ranks:
    """This process among all processes of a run, as ``torchrun`` numbers them.

    Args:
        rank: Its number.
        world: How many there are.
        local_rank: Its number on this machine.
        local_world: How many run on this machine.
    """

    rank: int = 0
    world: int = 1
    local_rank: int = 0
    local_world: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes the common files and prints."""
        return self.rank == 0


def read_ranks() -> Ranks:
    """Read this process's number from the environment that ``torchrun`` sets; one process alone without it.

    Raises:
        UsageError: If the variables are incomplete or no numbers.
    """
    if "WORLD_SIZE" not in os.environ:
        return Ranks()
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    try:
        rank, world, local_rank, local_world = (int(os.environ[name]) for name in names)
    except (KeyError, ValueError):
        found = ", ".join(f"{name}={os.environ.get(name, '(missing)')}" for name in names)
        raise UsageError(
            f"The environment names several processes incompletely: {found}.",
            "Start with `torchrun --nproc-per-node N -m sfc_cli …`, or unset WORLD_SIZE.",
        ) from None
    return Ranks(rank, world, local_rank, local_world)


@contextlib.contextmanager
def joined(ranks: Ranks, device: torch.device) -> Iterator[None]:
    """Join the other processes for the time of the context: NCCL between cards, gloo between CPUs."""
    if ranks.world == 1:
        yield
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def gathered(value: T, ranks: Ranks) -> list[T]:
    """Return every process's value in order of rank, in every process. Needs ``joined`` with gloo."""
    if ranks.world == 1:
        return [value]
    values: list[T | None] = [None] * ranks.world
    dist.all_gather_object(values, value)
    return values  # type: ignore[return-value]  # all places are filled
