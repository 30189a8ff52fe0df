"""What the words of ``precision`` mean on each device: the data type in which networks compute."""

from __future__ import annotations

import logging
import platform
from functools import lru_cache
from typing import Final, Literal

import torch

from sfc_cli.settings.propagation import Precision

DataType = Literal["float32", "tf32", "float16", "bfloat16"]
# TF32 is no type of tensors: float32 whose products round their factors.
TENSOR_TYPES: Final[dict[DataType, torch.dtype]] = {
    "float32": torch.float32,
    "tf32": torch.float32,
    "float16": torch.float16,
    "bfloat16": torch.bfloat16,
}

logger = logging.getLogger(__name__)


def default_precision(device: torch.device) -> Precision:
    """Return what is meant where nobody chose: ``tf32`` on a CUDA device, as in PyTorch, else ``exact``."""
    return "tf32" if device.type == "cuda" else "exact"


def data_type_for(precision: Precision, device: torch.device) -> DataType:
    """Return the data type that a precision stands for on a device: float32 where it has no other.

    Args:
        precision: ``exact`` is float32 everywhere. On a CUDA device ``tf32`` is TF32 and ``fast`` float16; on
            a processor with instructions for it ``fast`` is bfloat16.
        device: Where the networks run.
    """
    if precision == "exact":
        return "float32"
    if device.type == "cuda":
        if precision == "fast":
            return "float16"
        if torch.cuda.get_device_capability(device) >= (8, 0):
            return "tf32"
        _remark("This card has no TF32, which begins with Ampere: tf32 computes as exact.")
    elif precision == "tf32":
        _remark(f"TF32 belongs to NVIDIA cards: tf32 computes as exact on {device.type}.")
    elif device.type != "cpu":
        _remark(f"Nobody has measured half precision on {device.type} yet: fast computes as exact.")
    elif multiplies_bfloat16():
        return "bfloat16"
    else:
        _remark("This processor has no instructions for bfloat16: fast computes as exact.")
    return "float32"


def multiplies_bfloat16() -> bool:
    """Return whether the processor has instructions for products of bfloat16, and PyTorch uses them."""
    # Its convolutions of bfloat16 are oneDNN's; without it they are slower than those of float32.
    if not torch.backends.mkldnn.is_available():
        return False
    if platform.machine().lower() in ("aarch64", "arm64"):
        return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    # On x86 that operator says yes from AVX-512 on, where bfloat16 is imitated in float32.
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


@lru_cache(maxsize=8)
def _remark(text: str) -> None:
    logger.warning(text)
