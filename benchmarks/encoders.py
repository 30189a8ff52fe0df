"""What encoders cost: features, parameters and multiplications of a frame, and its time; random weights.

    python benchmarks/encoders.py
    python benchmarks/encoders.py --networks timm:convnext_tiny dinov3:b@16 --device cuda

A name may end in `@STRIDE`. Multiplications are half the floating-point operations that PyTorch counts, up to
the layer whose features are taken; the map is brought onto the grid of the stride afterwards.
"""

from __future__ import annotations

import argparse
import copy
import time

import torch
from measure import report
from torch.utils.flop_counter import FlopCounterMode

from sfc_cli.core.encoders import ENCODERS, NetworkOptions, load_encoder
from sfc_cli.core.features import FeatureExtractor

NETWORKS = (
    "mini",
    "random50",
    "torchvision:resnet34",
    "torchvision:resnet101",
    "torchvision:convnext_tiny",
    "timm:tf_efficientnet_lite2",
    "timm:convnext_atto",
    "timm:vit_tiny_patch16_224@16",
    "dinov2:s@14",
    "dinov2:s",
    "dinov3:s@16",
    "dinov3:s",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--size", type=int, nargs=2, default=(480, 854), metavar=("HEIGHT", "WIDTH"))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--no-time", action="store_true", help="count only")
    options = parser.parse_args()
    for name in options.networks:
        report("encoders", measure(name, options))


def measure(name: str, options: argparse.Namespace) -> dict[str, object]:
    plain, _, stride = name.partition("@")
    given = plain if plain in ENCODERS else f"{plain}=random"
    chosen = NetworkOptions(stride=int(stride) if stride else None)
    encoder = load_encoder(given, options=chosen)
    with FlopCounterMode(display=False) as counter:
        # Without values nothing is computed, only counted.
        maps = copy.deepcopy(encoder).to("meta")(torch.empty(1, 3, *options.size, device="meta"))
    row: dict[str, object] = {
        "network": plain,
        "stride": encoder.stride,
        "map": list(maps.shape[1:]),
        "parameters_M": round(sum(one.numel() for one in encoder.parameters()) / 1e6, 1),
        "multiplications_G": round(counter.get_total_flops() / 2e9, 1),
    }
    if not options.no_time:
        extractor = FeatureExtractor([encoder], device=options.device)
        frame = torch.randint(0, 256, (1, *options.size, 3), dtype=torch.uint8)
        extractor(frame[:, :96, :96])
        start = time.process_time() if options.device == "cpu" else time.perf_counter()
        extractor(frame).cpu()
        end = time.process_time() if options.device == "cpu" else time.perf_counter()
        row["s_per_frame"] = round(end - start, 3)
    return row


if __name__ == "__main__":
    main()
