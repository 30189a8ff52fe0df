"""Whether masks depend on the data type in which the networks compute: equal pixels and J&F against float32.

    python benchmarks/precision.py --data DAVIS --frames 16
    python benchmarks/precision.py --data DAVIS --device cuda --precisions tf32 fast

A processor without instructions for a type takes seven times as long for its convolutions as for those of
float32, so on a CPU their arithmetic is repeated in float32: weights, inputs and what every convolution and
addition gives are rounded to the type, sums are not. `--check` compares that with PyTorch's own convolutions
of the type on a small frame. No time is measured here.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measure import report
from torch import Tensor, nn

from sfc_cli import evaluate
from sfc_cli.core.encoders import load_encoder
from sfc_cli.core.features import FeatureExtractor, fold_batchnorm, normalise_frames
from sfc_cli.core.trunk import Trunk
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.frames import read_frame
from sfc_cli.data.masks import read_ids
from sfc_cli.inference.propagator import VideoPropagator
from sfc_cli.settings.propagation import improved, preset_for

TYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).resolve().parents[2] / "shared" / "davis")
    parser.add_argument("--sequences", nargs="+", default=["dance-twirl", "kite-surf", "soapbox"])
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--network", default="mini")
    parser.add_argument("--semantic", help="a second network")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--precisions", nargs="+", default=list(TYPES), help="on a card: tf32, fast")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    if options.check:
        check(options.network)
        return
    if not options.data.is_dir():
        print(f"skipped: {options.data} is missing; give a DAVIS folder with --data")
        return
    source = DavisDataset(root=options.data)
    for sequence in options.sequences:
        paths = source.frames(sequence)[: options.frames]
        frames = [read_frame(path) for path in paths]
        truth = np.stack(
            [read_ids(source.annotations_root / sequence / f"{path.stem}.png") for path in paths]
        )
        compare(sequence, frames, truth, options)


def compare(sequence: str, frames: list[Any], truth: Any, options: argparse.Namespace) -> None:
    """Report one sequence, each type against float32, under both protocols."""
    exact: dict[str, Any] = {}
    for precision in ("exact", *options.precisions):
        networks = [load_encoder(name) for name in (options.network, options.semantic) if name]
        word = precision if options.device != "cpu" else "exact"
        for protocol in ("published", "improved"):
            settings = preset_for(options.network, options.semantic)
            settings = improved(settings) if protocol == "improved" else settings
            extractor = FeatureExtractor(
                networks,
                fusion_weight=settings.fusion_weight,
                device=options.device,
                precision=word,
                shallow_weight=settings.shallow_weight,
            )
            if precision in TYPES:
                for trunk in extractor._trunks:
                    round_to(trunk, TYPES[precision])
            if options.device == "cpu":
                # What both protocols share is computed once.
                share(extractor._trunks, exact.setdefault(f"levels {precision}", {}))
            labelled = VideoPropagator(extractor, settings).run(frames, truth[0])
            masks = np.stack([one.mask() for one in labelled])
            score = evaluate(truth, masks)["global"]["J&F-Mean"]
            if precision == "exact":
                exact[protocol] = masks, score
                continue
            equal = (masks == exact[protocol][0])[1:].mean((1, 2))
            report(
                "precision",
                {
                    "sequence": sequence,
                    "networks": [options.network, options.semantic],
                    "protocol": protocol,
                    "precision": precision,
                    "device": options.device,
                    "frames": len(frames),
                    "equal_worst": round(float(equal.min()), 5),
                    "equal_mean": round(float(equal.mean()), 5),
                    "J&F_exact": round(float(exact[protocol][1]), 4),
                    "J&F_change": round(float(score - exact[protocol][1]), 5),
                },
            )


def share(trunks: list[Any], levels: dict[int, list[Tensor]]) -> None:
    """Let a network compute the maps of a frame once."""
    for number, trunk in enumerate(trunks):
        plain = trunk.levels

        def recalled(inputs: Tensor, number: int = number, plain: Any = plain) -> list[Tensor]:
            key = hash((number, inputs.numpy().tobytes()))
            if key not in levels:
                levels[key] = [maps.clone() for maps in plain(inputs)]
            return levels[key]

        trunk.levels = recalled


def round_to(trunk: Trunk, dtype: torch.dtype) -> None:
    """Let a network round as if it computed in a type, with sums in float32."""

    def rounded(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        return output.to(dtype).float()

    for parameter in trunk.parameters():
        parameter.data = parameter.data.to(dtype).float()
    # The sum of a block is rounded behind its ReLU, which changes nothing between.
    for module in trunk.modules():
        if isinstance(module, nn.Conv2d | nn.ReLU):
            module.register_forward_hook(rounded)
    trunk.conv1.register_forward_pre_hook(lambda _module, inputs: (inputs[0].to(dtype).float(),))


def check(network: str) -> None:
    """Report how far the repeated arithmetic is from PyTorch's own, and that from float32."""
    frame = torch.randint(
        0, 256, (1, 64, 96, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    inputs = normalise_frames(frame)
    with torch.inference_mode():
        exact = fold_batchnorm(load_encoder(network))(inputs)
        for name, dtype in TYPES.items():
            repeated, own = (fold_batchnorm(load_encoder(network)) for _ in range(2))
            round_to(repeated, dtype)
            found, theirs = repeated(inputs), own.to(dtype)(inputs.to(dtype)).float()
            scale = exact.abs().mean()
            report(
                "precision-check",
                {
                    "type": name,
                    "repeated_to_own": float((found - theirs).abs().mean() / scale),
                    "own_to_float32": float((theirs - exact).abs().mean() / scale),
                    "repeated_to_float32": float((found - exact).abs().mean() / scale),
                },
            )


if __name__ == "__main__":
    main()
