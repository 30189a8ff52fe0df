"""One step of the optimizer, in one process or several that average their gradients.

Precision, memory layout, both branches, gradients over accumulated batches, joint BatchNorm.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Literal

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.ranks import Ranks
from sfc_cli.data.views import normalise
from sfc_cli.errors import UsageError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Batch

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
            f"`precision` tf32 needs an NVIDIA GPU, Ampere or later; the device is {device}.",
            "Choose auto, fp32 or bf16.",
        )
    if settings.precision == "bf16" and not has_bf16:
        raise UsageError(f"`precision` bf16 is not supported on {device}.", "Choose auto or fp32.")
    return settings.precision


def _has_tf32(device: torch.device) -> bool:
    return device.type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def build_model(settings: PretrainingSettings) -> Correspondence:
    """Build both branches with weights drawn from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        return Correspondence(
            settings.arch,
            last_layer=settings.last_layer,
            hidden_channels=settings.hidden_channels,
            out_channels=settings.out_channels,
            recipe=settings.recipe,
        )


def make_optimizer(model: Correspondence, settings: PretrainingSettings) -> torch.optim.Adam:
    """Build Adam over what is learned; weights of convolutions alone decay, apart from the gradient."""
    learned = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not settings.weight_decay:
        return torch.optim.Adam(learned, lr=settings.learning_rate, fused=True)
    groups = [
        {"params": [one for one in learned if one.ndim > 1], "weight_decay": settings.weight_decay},
        {"params": [one for one in learned if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=settings.learning_rate, fused=True)


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
        self.optimizer = make_optimizer(self.model, settings)
        # What a step changes before the optimizer's own, and how it was before the step.
        self._moved: list[Tensor] = [*self.model.target_parameters(), *self.model.buffers()]
        self._before = [tensor.detach().clone() for tensor in self._moved]
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
        with self._undone_if_broken_off():
            total = self._find_gradients(batches, momentum)
        self.optimizer.step()
        return total

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set the learning rate of the next steps."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    def _find_gradients(self, batches: Sequence[Batch], momentum: float) -> Tensor:
        self.optimizer.zero_grad(set_to_none=True)
        total = torch.zeros((), device=self._device)
        for number, batch in enumerate(batches):
            last = number == len(batches) - 1
            with contextlib.nullcontext() if last else self._without_exchange():
                loss = self._loss(batch, momentum if number == 0 else None) / len(batches)
                loss.backward()
            total += loss.detach()
        return total

    @contextlib.contextmanager
    def _undone_if_broken_off(self) -> Iterator[None]:
        """Put target and statistics back if a step ends early, as when another process is lost.

        What is saved then is what there was after the last whole step.
        """
        torch._foreach_copy_(self._before, self._moved)
        try:
            yield
        except BaseException:
            with torch.no_grad():
                torch._foreach_copy_(self._moved, self._before)
            raise

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


def restarted_by_torchrun() -> bool:
    """Return whether ``torchrun`` started this process again after a failure."""
    return os.environ.get("TORCHELASTIC_RESTART_COUNT", "0") != "0"


@contextlib.contextmanager
def leader_first(ranks: Ranks) -> Iterator[None]:
    """Let the first process of each machine run the body before the others do, which find its caches."""
    if ranks.world > 1 and ranks.local_rank != 0:
        dist.barrier()
    yield
    if ranks.world > 1 and ranks.local_rank == 0:
        dist.barrier()


def sum_over_ranks(values: Tensor, ranks: Ranks) -> Tensor:
    """Add up a small tensor over all processes, in place; on a card the host does not wait for it."""
    if ranks.world > 1:
        dist.all_reduce(values)
    return values


def distribute(model: nn.Module, ranks: Ranks, device: torch.device, *, sync_batchnorm: bool) -> nn.Module:
    """Wrap a model so that its gradients are averaged over all processes.

    With ``sync_batchnorm`` the gradients equal those of one process with the whole batch; without it, those
    of one process that accumulates the ranks' batches one by one.
    """
    if ranks.world == 1:
        return model
    if sync_batchnorm:
        convert = nn.SyncBatchNorm.convert_sync_batchnorm if device.type == "cuda" else join_batchnorm
        model = convert(model)
    return nn.parallel.DistributedDataParallel(
        model,
        device_ids=[device.index] if device.type == "cuda" else None,
        # The leader's statistics are the ones saved; sending them round every step would change nothing else.
        broadcast_buffers=False,
        gradient_as_bucket_view=True,
    )


def join_batchnorm(model: nn.Module) -> nn.Module:
    """Replace every BatchNorm of a model in place by one with joint statistics, sharing its tensors."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.BatchNorm2d:
                joint = JointBatchNorm2d(child.num_features, eps=child.eps, momentum=child.momentum)
                joint.weight, joint.bias = child.weight, child.bias
                joint.running_mean, joint.running_var = child.running_mean, child.running_var
                joint.num_batches_tracked = child.num_batches_tracked
                setattr(parent, name, joint)
    return model


class JointBatchNorm2d(nn.BatchNorm2d):
    """BatchNorm over the batches of all processes, on any device; PyTorch's own needs a GPU.

    Every process must hold a batch of the same shape. Two small sums travel per forward pass: mean first,
    then the squared deviations from the joint mean, which loses no digits.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Normalise [B, C, h, w] with the statistics of all processes in training mode."""
        if not self.training:
            return super().forward(maps)
        assert self.running_mean is not None
        assert self.running_var is not None
        world = dist.get_world_size()
        mean = all_reduce(maps.float().mean(dim=(0, 2, 3))) / world  # [C]
        centred = maps.float() - mean[:, None, None]  # [B, C, h, w]
        variance = all_reduce(centred.square().mean(dim=(0, 2, 3))) / world  # [C]
        with torch.no_grad():
            count = world * maps.numel() // maps.shape[1]
            momentum = 0.0 if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean, momentum)
            self.running_var.lerp_(variance * count / (count - 1), momentum)
            if self.num_batches_tracked is not None:
                self.num_batches_tracked += 1
        scale = self.weight * (variance + self.eps).rsqrt()  # [C]
        normalised: Tensor = centred * scale[:, None, None] + self.bias[:, None, None]  # [B, C, h, w]
        return normalised.to(maps.dtype)
