"""One training over several processes: averaging gradients, joint BatchNorm, order among them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce

from sfc_cli.core.ranks import Ranks


def restarted_by_torchrun() -> bool:
    """Tell whether ``torchrun`` started this process again after a failure."""
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
