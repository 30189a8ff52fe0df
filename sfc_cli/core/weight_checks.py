"""What no working network contains, found before it computes anything, and refused with the tensor's name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sfc_cli.errors import InputError

_FLOATS = {torch.float16, torch.bfloat16, torch.float32, torch.float64}
_INTEGERS = {torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64}


def refuse_unusable(wanted: Mapping[str, Tensor], state: Mapping[str, Tensor], path: Path) -> None:
    """Make sure that every tensor of a network is there, has its shape, and can be computed with.

    Args:
        wanted: The network's own tensors, whose shapes and kinds of numbers count; they may be on ``meta``.
        state: The stored ones.
        path: Where they come from, for the error.

    Raises:
        InputError: Naming the first tensor that is missing, of another shape or kind, not finite, a negative
            variance, or zero throughout where that makes the network blind.
    """
    missing = [key for key in wanted if key not in state]
    if missing:
        more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
        raise InputError(
            f"{path} lacks {len(missing)} of {len(wanted)} tensors of its trunk: "
            f"{', '.join(missing[:3])}{more}.",
            "The file is incomplete; download it again.",
        )
    for key, tensor in wanted.items():
        if state[key].shape != tensor.shape:
            raise InputError(
                f"{path}: {key} has the shape {tuple(state[key].shape)} instead of {tuple(tensor.shape)}.",
                "Is it the right file?",
            )
        reason = _why_unusable(key, state[key], is_float=tensor.is_floating_point())
        if reason is not None:
            raise InputError(
                f"{path}: {key} {reason}.", "The file is damaged or was saved by a training that failed."
            )


def _why_unusable(key: str, tensor: Tensor, *, is_float: bool) -> str | None:
    kind = _why_not_plain(tensor)
    if kind is not None:
        return kind
    if not is_float:
        return None if tensor.dtype in _FLOATS | _INTEGERS else f"has numbers of type {_name(tensor.dtype)}"
    if tensor.dtype not in _FLOATS:
        return f"has numbers of type {_name(tensor.dtype)} instead of floating-point ones"
    # What float64 stores may be beyond float32, in which it is computed.
    values = tensor.float()
    if not bool(values.isfinite().all()):
        count = int((~values.isfinite()).sum())
        which = "NaN" if bool(values.isnan().any()) else "infinite values"
        return f"contains {which} ({count} of {values.numel()})"
    if key.endswith("running_var") and bool((values < 0).any()):
        return f"has a negative variance ({float(values.min()):.3g})"
    # A residual block may begin as nothing (a normalisation's weight of 0); a convolution never is nothing.
    is_mixing = key.endswith("weight") and (tensor.dim() > 1 or key == "bn1.weight")
    if is_mixing and not bool(values.any()):
        return "is zero throughout, so the network sees nothing"
    return None


def _why_not_plain(tensor: Tensor) -> str | None:
    if tensor.is_meta:
        return "has no values (a meta tensor)"
    if tensor.is_quantized:
        return "is quantised"
    if tensor.layout != torch.strided or tensor.is_nested:
        return "is a sparse tensor"
    return None


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
