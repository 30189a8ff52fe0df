"""One step of the optimizer: precision, memory layout, both branches, gradients over accumulated batches."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.ranks import Ranks
from sfc_cli.data.crops import normalise
from sfc_cli.errors import UsageError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.distribution import distribute
from sfc_cli.training.loading import Batch

ResolvedPrecision = Literal["fp32", "tf32", "bf16"]


def resolve_precision(settings: PretrainingSettings, device: torch.device) -> ResolvedPrecision:
    """Choose the arithmetic for a device, or check that it has the one chosen.

    Raises:
        UsageError: If the device lacks it.
    """
    has_bf16 = device.type == "cpu" or (device.type == "cuda" and torch.cuda.is_bf16_supported())
    if settings.precision == "auto":
        return "bf16" if device.type == "cuda" and has_bf16 else "fp32"
    if settings.precision == "tf32" and not _has_tf32(device):
        raise UsageError(
            f"--precision tf32 needs an NVIDIA GPU, Ampere or later; the device is {device}.",
            "Choose auto, fp32 or bf16.",
        )
    if settings.precision == "bf16" and not has_bf16:
        raise UsageError(f"--precision bf16 is not supported on {device}.", "Choose auto or fp32.")
    return settings.precision


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def resolve_device(name: str, local_rank: int = 0) -> torch.device:
    """Turn ``auto``, ``cpu``, ``cuda`` or ``cuda:N`` into a device; ``cuda`` is this process's own card.

    Raises:
        UsageError: If the name is unknown or the device is missing.
    """
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        device = torch.device("meta")
    if device.type not in {"cpu", "cuda"}:
        raise UsageError(f"--device {name!r} is not known.", "Choose auto, cpu, cuda or cuda:N.")
    if device.type == "cuda":
        index = local_rank if device.index is None else device.index
        if index >= torch.cuda.device_count():
            raise UsageError(
                f"--device {name}: there is no CUDA device {index} here ({torch.cuda.device_count()} found).",
                "Choose cpu or another device.",
            )
        device = torch.device("cuda", index)
    return device


def build_model(settings: PretrainingSettings) -> Correspondence:
    """Build both branches with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return Correspondence(
            settings.arch,
            last_layer=settings.last_layer,
            hidden_channels=settings.hidden_channels,
            out_channels=settings.out_channels,
        )


class Stepper:
    """Model and optimizer on their device.

    Args:
        settings: The training's settings.
        device: Where it runs.
        ranks: This process among all.
    """

    def __init__(self, settings: PretrainingSettings, device: torch.device, ranks: Ranks) -> None:
        self._settings = settings
        self._device = device
        self.precision = resolve_precision(settings, device)
        if device.type == "cuda":
            allow_tf32(self.precision != "fp32")
        self.model = build_model(settings).to(device).to(memory_format=torch.channels_last)
        # Adam is handed the tensors before wrapping, which replaces modules but shares their tensors.
        learned = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        self.optimizer = torch.optim.Adam(learned, lr=settings.learning_rate, fused=True)
        self._wrapped = distribute(self.model, ranks, device, sync_batchnorm=settings.sync_batchnorm)
        if settings.compile:
            for module in self.model.children():
                module.compile()

    def step(self, batches: Sequence[Batch], momentum: float) -> Tensor:
        """Take one step of the optimizer over the gradients of all batches.

        Args:
            batches: ``accumulate`` of them, on the device.
            momentum: Of the target at this step.

        Returns:
            The mean loss, a scalar on the device without a gradient.
        """
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            with contextlib.nullcontext() if last else self._without_exchange():
                loss = self._loss(batch, momentum if number == 0 else None) / len(batches)
                loss.backward()
            total += loss.detach()
        self.optimizer.step()
        return total

    def _loss(self, batch: Batch, momentum: float | None) -> Tensor:
        first, second = (self._network_input(batch.views[:, view]) for view in (0, 1))  # [B, 3, S, S]
        boxes = batch.boxes.to(self._device, non_blocking=True)  # [B, 2, 4]
        with torch.autocast(self._device.type, torch.bfloat16, enabled=self.precision == "bf16"):
            loss: Tensor = self._wrapped(
                (first, second),
                (boxes[:, 0], boxes[:, 1]),
                momentum=momentum,
                radius=self._settings.pos_radius,
            )
        return loss

    def _network_input(self, views: Tensor) -> Tensor:
        """Normalise views uint8 [B, S, S, 3] and lay them out as [B, 3, S, S], channels last."""
        moved = views.to(self._device, non_blocking=True).permute(0, 3, 1, 2)  # [B, 3, S, S]
        return normalise(moved).contiguous(memory_format=torch.channels_last)

    def _without_exchange(self) -> contextlib.AbstractContextManager[None]:
        if isinstance(self._wrapped, nn.parallel.DistributedDataParallel):
            return self._wrapped.no_sync()
        return contextlib.nullcontext()


def allow_tf32(allowed: bool) -> None:
    """Let float32 products on a card round their inputs to TF32, or not."""
    torch.set_float32_matmul_precision("high" if allowed else "highest")
    torch.backends.cudnn.allow_tf32 = allowed
