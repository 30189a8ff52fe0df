"""Networks of torchvision and timm as encoders: which of their maps is taken, and on which grid it lies."""

from __future__ import annotations

import contextlib
import logging
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from sfc_cli.core.network_table import NetworkSpec
from sfc_cli.core.trunk import IMAGENET_DEVIATION, IMAGENET_MEAN
from sfc_cli.errors import InputError, UsageError

logger = logging.getLogger(__name__)

# Maps of a convolutional network are taken where a ResNet's are: at stride 16, before it is lowered.
_DEEPEST = 16
# Frames for measuring a network: no square, so that rows and columns are told apart.
_PROBE = (160, 224)
_DEEPEST_STAGE = 32
_PARENTS = ("features", "layers", "trunk_output", "")


class Backbone(nn.Module):
    """A network whose maps serve as features, with what FeatureExtractor must know of it.

    A vision transformer sees frames resized so that one patch covers one cell of the grid: patches need not
    divide the frame, and a stride below the patch means an enlarged frame. A convolutional network sees
    frames at their own scale, stretched by less than a cell to whole cells.

    Args:
        maps: The network: frames [B, 3, H, W] to maps [B, C, h, w].
        name: For errors.
        stride: Pixels per cell of the grid.
        mean: Of the normalised input.
        deviation: The same.
        patch: The side of a vision transformer's patches; None for other networks.

    Raises:
        UsageError: If the network gives no maps of frames of any size.
        InputError: If its maps tell nothing.
    """

    def __init__(
        self,
        maps: nn.Module,
        *,
        name: str,
        stride: int,
        mean: Sequence[float],
        deviation: Sequence[float],
        patch: int | None,
    ) -> None:
        super().__init__()
        self.maps = maps
        self.name = name
        self.stride = stride
        self.mean = tuple(mean)
        self.deviation = tuple(deviation)
        self.eval().requires_grad_(False)
        self._patch = patch
        self.cell = patch or self._measure_cell()
        self._check()

    def forward(self, frames: Tensor) -> Tensor:
        """Map normalised frames [B, 3, H, W] to maps [B, C, h, w]; see the class for h and w."""
        height, width = frames.shape[-2:]
        if self._patch is not None:
            size = (-(-height // self.stride) * self._patch, -(-width // self.stride) * self._patch)
        else:
            size = (-(-height // self.cell) * self.cell, -(-width // self.cell) * self.cell)
        if size != (height, width):
            shrinks = size[0] < height
            frames = functional.interpolate(
                frames, size, mode="bilinear", align_corners=False, antialias=shrinks
            )
        # Resized before they are rounded: not every type can be resized.
        dtype = next(self.maps.parameters()).dtype
        return self.maps(frames.to(dtype))  # type: ignore[no-any-return]

    def _measure_cell(self) -> int:
        """Return how many of a convolutional network's pixels make a cell of its map."""
        maps = self._try(*_PROBE)
        # A network that does not pad loses a row or two; strides are powers of two.
        cell = 1 << round(math.log2(_PROBE[0] / maps.shape[-2]))
        with contextlib.suppress(UsageError):
            self._try(_PROBE[0] + cell, _PROBE[1] + 3 * cell)
            return cell
        # Some need whole cells of their deepest stage, too.
        self._try(_PROBE[0] + _DEEPEST_STAGE, _PROBE[1] + 3 * _DEEPEST_STAGE)
        return max(cell, _DEEPEST_STAGE)

    def _check(self) -> None:
        maps = self._try(4 * self.cell, 6 * self.cell) if self._patch else self._try(*_PROBE)
        if not bool(maps.isfinite().all()) or not bool(maps.std((2, 3)).any()):
            raise InputError(f"{self.name} sees nothing: its features are the same everywhere, or NaN.")

    @torch.inference_mode()
    def _try(self, height: int, width: int) -> Tensor:
        """Return the map of a frame of noise.

        Raises:
            UsageError: If the network does not take it, or gives no map.
        """
        generator = torch.Generator().manual_seed(0)
        frames = torch.randn(1, 3, height, width, generator=generator)
        with _own_words(self.name):
            maps = self.maps(frames)
        if maps.dim() != 4 or min(maps.shape[-2:]) < 2:
            raise UsageError(
                f"{self.name} gives no map of features there, but {tuple(maps.shape)}.",
                "Choose another `layer`.",
            )
        return maps  # type: ignore[no-any-return]


@contextlib.contextmanager
def _own_words(name: str) -> Iterator[None]:
    """Say in one line that a network does not take frames of some size; each library does in its own way.

    Raises:
        UsageError: In place of any other error.
    """
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:160] or type(error).__name__
        raise UsageError(
            f"{name} cannot be used: it does not take frames of any size ({reason}).",
            "Choose another network.",
        ) from None


class _TimmMaps(nn.Module):
    """One of a timm model's intermediate maps."""

    def __init__(self, model: nn.Module, index: int, is_patched: bool) -> None:
        super().__init__()
        self.model = model
        self._index = index
        self._is_patched = is_patched

    def forward(self, frames: Tensor) -> Tensor:
        maps = self.model.forward_intermediates(  # type: ignore[operator]
            frames,
            indices=[self._index],
            norm=self._is_patched,
            stop_early=True,
            output_fmt="NCHW",
            intermediates_only=True,
        )
        return maps[0]  # type: ignore[no-any-return]


class _ReachedError(Exception):
    """Ends a forward pass at the layer that was wanted."""


class _ModuleMaps(nn.Module):
    """The output of one module inside a network; what comes after it is not computed."""

    def __init__(self, model: nn.Module, layer: str) -> None:
        super().__init__()
        self.model = model
        self._layer = layer

    def forward(self, frames: Tensor) -> Tensor:
        found: list[Tensor] = []

        def stop(_module: nn.Module, _inputs: Any, output: Any) -> None:
            found.append(output)
            raise _ReachedError

        handle = self.model.get_submodule(self._layer).register_forward_hook(stop)
        try:
            with contextlib.suppress(_ReachedError):
                self.model(frames)
        finally:
            handle.remove()
        return _channels_first(found[0], frames)


class _PatchMaps(nn.Module):
    """A torchvision vision transformer, whose own forward takes one size alone."""

    def __init__(self, model: Any, block: int) -> None:
        super().__init__()
        self.model = model
        self._block = block

    def forward(self, frames: Tensor) -> Tensor:
        model = self.model
        tokens = model.conv_proj(frames)  # [B, C, h, w]
        batch, channels, height, width = tokens.shape
        tokens = tokens.flatten(2).transpose(1, 2)  # [B, N, C]
        side = model.image_size // model.patch_size
        stored = model.encoder.pos_embedding  # [1, 1 + side², C]
        positions = stored[:, 1:].reshape(1, side, side, channels).permute(0, 3, 1, 2).float()
        if (height, width) != (side, side):
            positions = functional.interpolate(
                positions, (height, width), mode="bicubic", align_corners=False, antialias=True
            )
        tokens = tokens + positions.flatten(2).transpose(1, 2).to(tokens.dtype)
        first = (model.class_token + stored[:, :1]).expand(batch, -1, -1)
        tokens = torch.cat([first, tokens], dim=1)
        for layer in list(model.encoder.layers)[: self._block]:
            tokens = layer(tokens)
        tokens = model.encoder.ln(tokens)[:, 1:]
        return tokens.transpose(1, 2).reshape(batch, channels, height, width)  # type: ignore[no-any-return]


def _channels_first(maps: Any, frames: Tensor) -> Tensor:
    """Return maps [B, C, h, w], which some networks keep as [B, h, w, C]."""
    if not isinstance(maps, Tensor) or maps.dim() != 4:
        shape = tuple(maps.shape) if isinstance(maps, Tensor) else type(maps).__name__
        raise ValueError(f"there is no map, but {shape}")
    return maps.permute(0, 3, 1, 2) if _has_channels_last(maps, frames) else maps


def _has_channels_last(maps: Tensor, frames: Tensor) -> bool:
    aspect = frames.shape[-2] / frames.shape[-1]
    first, last = (abs(maps.shape[axis] / maps.shape[axis + 1] - aspect) for axis in (2, 1))
    return last < first


def build_backbone(spec: NetworkSpec, fill: Callable[[nn.Module], None] | None = None) -> Backbone:
    """Build a network.

    Args:
        spec: Which.
        fill: Puts weights into the library's model; None keeps the random ones.

    Raises:
        UsageError: If its layer does not exist, or it cannot serve as an encoder.
    """
    build = _build_timm if spec.source == "timm" else _build_torchvision
    maps, patch, mean, deviation = build(spec, fill)
    return Backbone(
        maps,
        name=spec.plain,
        stride=spec.stride,
        mean=spec.mean or mean,
        deviation=spec.deviation or deviation,
        patch=patch,
    )


_Built = tuple[nn.Module, int | None, Sequence[float], Sequence[float]]


def make_model(spec: NetworkSpec) -> nn.Module:
    """Return a library's model with random weights, without its classifier where that can be left out.

    Raises:
        UsageError: If the library cannot build it.
    """
    if spec.source == "torchvision":
        from torchvision import models

        # These two take minutes to draw their weights otherwise.
        options = {"init_weights": False} if spec.model in ("googlenet", "inception_v3") else {}
        return models.get_model(spec.model, weights=None, **options).eval()  # type: ignore[no-any-return]
    import timm

    tried: tuple[dict[str, Any], ...] = (
        {"dynamic_img_size": True},
        {"output_stride": spec.stride},
        {"strict_img_size": False},
        {},
    )
    for options in tried:
        if options.get("output_stride", 8) not in (8, 16, 32):
            continue
        with contextlib.suppress(TypeError, NotImplementedError, AssertionError, KeyError):
            build: Callable[..., nn.Module] = timm.create_model
            model = build(spec.model, pretrained=False, num_classes=0, **options)
            return model.eval()
    raise UsageError(f"timm cannot build {spec.model}.", "Choose another network.")


def _build_timm(spec: NetworkSpec, fill: Callable[[nn.Module], None] | None) -> _Built:
    model = make_model(spec)
    if fill is not None:
        fill(model)
    stages = list(getattr(model, "feature_info", ()))
    if not stages or not hasattr(model, "forward_intermediates"):
        raise UsageError(f"timm's {spec.model} offers no maps of features.", "Choose another network.")
    steps = [int(stage["reduction"]) for stage in stages]
    is_patched = len(set(steps)) == 1
    names = [str(stage["module"]) for stage in stages]
    usual = max((i for i, step in enumerate(steps) if is_patched or step <= _DEEPEST), default=0)
    # With a lowered stride several stages share one: a ResNet's layer3 and layer4.
    if not is_patched and len(steps) > 2 and steps[-1] <= _DEEPEST:
        usual = len(steps) - 2
    index = usual if spec.layer is None else _index(spec, names)
    stated = getattr(model, "pretrained_cfg", None) or {}
    logger.info("%s: features of %s", spec.name, names[index])
    return (
        _TimmMaps(model, index, is_patched),
        steps[0] if is_patched else None,
        stated.get("mean", IMAGENET_MEAN),
        stated.get("std", IMAGENET_DEVIATION),
    )


def _build_torchvision(spec: NetworkSpec, fill: Callable[[nn.Module], None] | None) -> _Built:
    from torchvision import models

    model = make_model(spec)
    if fill is not None:
        fill(model)
    stated = models.get_model_weights(spec.model)[spec.tag].transforms() if spec.tag else None
    mean, deviation = getattr(stated, "mean", IMAGENET_MEAN), getattr(stated, "std", IMAGENET_DEVIATION)
    if isinstance(model, models.VisionTransformer):
        names = [f"blocks.{number}" for number in range(len(model.encoder.layers))]
        block = len(names) if spec.layer is None else _index(spec, names) + 1
        return _PatchMaps(model, block), model.patch_size, mean, deviation
    layer = _usual_layer(model, spec.plain) if spec.layer is None else spec.layer
    modules = dict(model.named_modules())
    if layer not in modules or not layer:
        raise UsageError(f"{spec.plain} has no layer {layer!r}.", f"Layers: {', '.join(_candidates(model))}.")
    logger.info("%s: features of %s", spec.name, layer)
    return _ModuleMaps(model, layer), None, mean, deviation


def _candidates(model: nn.Module) -> list[str]:
    """Return the modules that follow each other in a convolutional network."""
    for parent in _PARENTS:
        with contextlib.suppress(AttributeError):
            names = [name for name, _ in model.get_submodule(parent).named_children()]
            return [f"{parent}.{name}" if parent else name for name in names]
    return []


@torch.inference_mode()
def _usual_layer(model: nn.Module, name: str) -> str:
    """Return the deepest module whose map has a stride of 16 at most."""
    frames = torch.zeros(1, 3, *_PROBE)
    usual: list[str] = []

    def note(name: str) -> Callable[[nn.Module, Any, Any], None]:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.dim() == 4:
                rows = output.shape[1 if _has_channels_last(output, frames) else 2]
                # A network that does not pad loses a row or two.
                usual.extend([name] if rows + 2 >= _PROBE[0] // _DEEPEST else [])

        return hook

    handles = [model.get_submodule(name).register_forward_hook(note(name)) for name in _candidates(model)]
    with _own_words(name):
        model(frames)
    for handle in handles:
        handle.remove()
    return usual[-1] if usual else ""


def _index(spec: NetworkSpec, names: Sequence[str]) -> int:
    """Return which of the stages or blocks ``layer`` names, by its name or by its number from 1."""
    layer = str(spec.layer)
    if layer in names:
        return names.index(layer)
    if layer.isascii() and layer.isdigit() and 1 <= int(layer[:6]) <= len(names):
        return int(layer) - 1
    raise UsageError(
        f"{spec.plain} has no layer {layer!r}.",
        f"Layers: {', '.join(names)}; or their number, 1 to {len(names)}.",
    )
