"""From frames to unit features, and the fusion of two networks.

Letters in the shapes of this package: B batch, T frames of a video, F context_frames, C channels, K labels
with the background, H×W pixels, h×w feature cells, N = h·w, k = top_k.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import get_args

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from sfc_cli.core.backbones import Backbone
from sfc_cli.core.trunk import IMAGENET_DEVIATION, IMAGENET_MEAN, Trunk
from sfc_cli.errors import InputError, UsageError, require_choice
from sfc_cli.settings.propagation import Precision


def normalise_frames(
    frames: Tensor,
    mean: Sequence[float] = IMAGENET_MEAN,
    deviation: Sequence[float] = IMAGENET_DEVIATION,
) -> Tensor:
    """Turn frames [B, H, W, 3], uint8 RGB, into normalised network input [B, 3, H, W], float32."""
    scaled = frames.to(torch.float32).div_(255.0)
    scaled.sub_(_constant(tuple(mean), frames.device)).div_(_constant(tuple(deviation), frames.device))
    return scaled.permute(0, 3, 1, 2)  # channels_last in memory


@lru_cache(maxsize=16)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    """Return values on a device: to bring them to a card for every batch would wait for all its work."""
    with torch.inference_mode(mode=False):
        return torch.tensor(values, device=device)


def onto_grid(maps: Tensor, grid: tuple[int, int]) -> Tensor:
    """Bring maps [B, C, h, w] of another size onto a grid, by bilinear interpolation over the whole frame."""
    if maps.shape[-2:] == grid:
        return maps
    shrinks = maps.shape[-2] > grid[0]
    return functional.interpolate(maps, grid, mode="bilinear", align_corners=False, antialias=shrinks)


def fuse_features(fine_grained: Tensor, semantic: Tensor, fusion_weight: float) -> Tensor:
    """Fuse two networks' unit features: concatenate(λ·fine-grained, semantic), scaled to unit norm (SFC).

    Args:
        fine_grained: [B, C1, h, w], unit norm.
        semantic: [B, C2, h, w], unit norm.
        fusion_weight: The paper's λ.

    Returns:
        [B, C1 + C2, h, w], unit norm.
    """
    return functional.normalize(torch.cat([fusion_weight * fine_grained, semantic], dim=1), dim=1)


def stack_levels(levels: Sequence[Tensor], weight: float) -> Tensor:
    """Put the maps of earlier layers beside those of the last: they know better where, it knows better what.

    Args:
        levels: Maps [B, C_l, h_l, w_l], the last layer's last; earlier ones may have finer grids.
        weight: Of the layer before the last, whose unit features are scaled by it; each one before has half
            the weight of the next.

    Returns:
        [B, ΣC_l, h, w], unit norm, on the grid of the last.
    """
    size = levels[-1].shape[-2:]
    parts = [functional.normalize(levels[-1], dim=1)]
    for maps in reversed(levels[:-1]):
        while maps.shape[-2:] != size:
            maps = functional.avg_pool2d(maps, 2, ceil_mode=True)
        parts.append(functional.normalize(maps, dim=1) * weight)
        weight /= 2
    return functional.normalize(torch.cat(parts, dim=1), dim=1)


class FeatureExtractor:
    """Turns frames into the unit features of one network, or of two fused.

    The maps of two networks are brought onto the finer of their grids. BatchNorm of a ResNet is folded into
    the convolutions, which changes features by rounding only.

    Args:
        trunks: The fine-grained and the semantic network, or either alone.
        fusion_weight: The paper's λ; without effect for one network.
        device: Where the networks run.
        precision: ``exact`` computes in float32; ``fast`` lets a CUDA device compute in bfloat16.
        shallow_weight: Of the earlier layers of the first trunk, see ``stack_levels``; 0 leaves them out.
        stride: Pixels per cell of the grid; None for the smallest stride of the networks.

    Raises:
        UsageError: If there is no network or more than two.
    """

    def __init__(
        self,
        trunks: Sequence[Trunk | Backbone],
        *,
        fusion_weight: float = 1.75,
        device: torch.device | str = "cpu",
        precision: Precision = "exact",
        shallow_weight: float = 0.0,
        stride: int | None = None,
    ) -> None:
        if len(trunks) not in (1, 2):
            raise UsageError("No network is chosen.", "Give `fine_grained`, `semantic` or both.")
        require_choice("precision", precision, get_args(Precision))
        self.device = torch.device(device)
        self.fusion_weight = fusion_weight
        self.precision = precision
        self.shallow_weight = shallow_weight
        self.stride = stride or min(trunk.stride for trunk in trunks)
        self._half = precision == "fast" and self.device.type == "cuda"
        self._trunks = [
            _for_inference(trunk).to(self.device).to(memory_format=torch.channels_last) for trunk in trunks
        ]
        self._has_seen = False

    @torch.inference_mode()
    def __call__(self, frames: Tensor) -> Tensor:
        """Extract the features of frames of one size.

        Args:
            frames: uint8 [B, H, W, 3], RGB, on any device.

        Returns:
            Unit features [B, C, h, w], float32, on the extractor's device, with h = ceil(H/stride).

        Raises:
            InputError: If a network gives no features for the first frames: NaN, infinity, or zeros.
        """
        frames = frames.to(self.device, non_blocking=True)
        height, width = frames.shape[1:3]
        grid = (-(-height // self.stride), -(-width // self.stride))
        inputs = {
            scales: normalise_frames(frames, *scales)
            for scales in {(trunk.mean, trunk.deviation) for trunk in self._trunks}
        }
        maps = [
            self._unit_features(number, inputs[trunk.mean, trunk.deviation], grid)
            for number, trunk in enumerate(self._trunks)
        ]
        if not self._has_seen:
            _refuse_blindness(maps)
            self._has_seen = True
        if len(maps) == 1:
            return maps[0]
        return fuse_features(maps[0], maps[1], self.fusion_weight)

    def _unit_features(self, number: int, inputs: Tensor, grid: tuple[int, int]) -> Tensor:
        trunk = self._trunks[number]
        if number == 0 and self.shallow_weight and isinstance(trunk, Trunk):
            stacked = stack_levels(self._run(trunk.levels, inputs), self.shallow_weight)
            if stacked.shape[-2:] == grid:
                return stacked
            return functional.normalize(onto_grid(stacked, grid), dim=1)
        maps = self._run(lambda frames: [trunk(frames)], inputs)[0]
        return functional.normalize(onto_grid(maps, grid), dim=1)

    def _run(self, network: Callable[[Tensor], list[Tensor]], inputs: Tensor) -> list[Tensor]:
        if self._half:
            with torch.autocast("cuda", torch.bfloat16):
                return [maps.float() for maps in network(inputs)]
        # cuDNN rounds float32 convolutions to TF32 unless told otherwise.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return network(inputs)


def _refuse_blindness(maps: Sequence[Tensor]) -> None:
    which = ("network",) if len(maps) == 1 else ("fine-grained network", "semantic network")
    for name, one in zip(which, maps, strict=True):
        if not bool(one.isfinite().all()) or not bool(one.any()):
            what = "only zeros" if bool(one.isfinite().all()) else "NaN or infinite features"
            raise InputError(
                f"The {name} gives {what} for the first frame.",
                "Its weights are damaged, or of a training that failed: choose another network.",
            )


def _for_inference(encoder: Trunk | Backbone) -> Trunk | Backbone:
    return fold_batchnorm(encoder) if isinstance(encoder, Trunk) else encoder


def fold_batchnorm(trunk: Trunk) -> Trunk:
    """Return a copy of a trunk in evaluation mode with every BatchNorm folded into its convolution."""
    folded = copy.deepcopy(trunk).eval()
    # A ResNet pairs conv1 with bn1 and so on, and "0" with "1" in a block's downsampling.
    for module in list(folded.modules()):
        children = dict(module.named_children())
        for name, child in children.items():
            norm_name = "1" if name == "0" else name.replace("conv", "bn")
            norm = children.get(norm_name)
            if isinstance(child, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(child, norm))
                setattr(module, norm_name, nn.Identity())
    return folded
