"""Times each propagation backend at 480p with a full context, side by side with the dense oracle.

    python benchmarks/propagation.py [--channels 256 1280] [--oracle-frames 2] [--frames 8]

Correctness comes first: a backend whose labels differ from the oracle's is not timed. "Needed" counts the
products inside the window and with frame 0; "dense" is what the oracle computes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from measure import copy_ceiling, gemm_ceiling, peak_memory_gb, report, summary, timed
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation.matching import Matcher, pairs_within_radius, slot_of, window_frames
from sfc_cli.core.propagation.reference import propagate_frame
from sfc_cli.core.propagation.windowed import WindowedMatcher
from sfc_cli.settings import PRESETS, PropagationSettings

HEIGHT, WIDTH = 60, 107  # 480×854 pixels
LABELS = 4

OracleCall = Callable[[], Tensor]


def features_like_a_video(frames: int, channels: int, device: str) -> Tensor:
    """Make unit features [T, C, h, w] that vary smoothly in space and slowly in time."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(1, channels, HEIGHT // 4, WIDTH // 4, generator=generator)
    scene = functional.interpolate(coarse, size=(HEIGHT, WIDTH), mode="bilinear")
    noise = torch.randn(frames, channels, HEIGHT, WIDTH, generator=generator)
    return functional.normalize(scene + 0.5 * noise[:1] + 0.05 * noise, dim=1).to(device)


def flop(channels: int, settings: PropagationSettings) -> tuple[float, float]:
    """Return the FLOPs that a full context needs per frame, and those of the dense form."""
    cells = HEIGHT * WIDTH
    pairs = int(pairs_within_radius(HEIGHT, WIDTH, settings.radius).sum())
    needed = 2.0 * channels * (pairs * settings.context_frames + cells**2)
    return needed, 2.0 * channels * cells**2 * (settings.context_frames + 1)


def fill(matcher: Matcher, features: Tensor) -> None:
    """Give a matcher its full context."""
    for frame in features[1 : matcher.settings.context_frames + 2]:
        matcher.advance(frame[None])


def oracle_for(target: int, features: Tensor, memory: Tensor, settings: PropagationSettings) -> OracleCall:
    """Return the oracle's work on one frame, whose context has the labels of a memory [1+F, K, h, w]."""
    context = [0, *window_frames(target, settings.context_frames)]
    labels = memory[[slot_of(frame, settings.context_frames) for frame in context]]
    arguments = features[target], features[context], labels, settings
    return lambda: propagate_frame(*arguments)


def agreement(matcher: Matcher, oracle: OracleCall, frame: Tensor, memory: Tensor) -> float:
    """Return the share of cells whose labels the matcher's votes and the oracle mix alike."""
    weights, sources = matcher.advance(frame[None])
    rows = memory.permute(0, 2, 3, 1).flatten(0, 2)  # [(1+F)·N, K]
    found = (rows[sources[0]] * weights[0, ..., None]).sum(1)  # [N, K]
    return float(((found - oracle().flatten(1).T).abs() < 1e-4).all(1).double().mean())


def make_backends(device: str) -> dict[str, type[Matcher]]:
    """Return the backends that run on a device."""
    backends: dict[str, type[Matcher]] = {"windowed": WindowedMatcher}
    if device == "cuda":
        from sfc_cli.core.propagation.fused import FusedMatcher

        backends["fused"] = FusedMatcher
    return backends


def measure(channels: int, device: str, frames: int, oracle_frames: int) -> dict[str, Any]:
    """Time all backends for one number of channels, the oracle between their rounds."""
    settings = PRESETS["single" if channels <= 256 else "sfc"]
    needed, dense = flop(channels, settings)
    context = settings.context_frames
    features = features_like_a_video(context + 2 + max(frames, 1), channels, device)
    ceiling = gemm_ceiling(device)
    memory = torch.rand(1 + context, LABELS, HEIGHT, WIDTH, device=device)
    oracle = oracle_for(context + 2, features, memory, settings)
    result: dict[str, Any] = {
        "channels": channels,
        "needed_gflop": round(needed / 1e9, 1),
        "dense_gflop": round(dense / 1e9, 1),
        "gemm_gflop_s": round(ceiling, 1),
    }
    matchers = {}
    for name, kind in make_backends(device).items():
        matcher = kind(features[0], settings)
        fill(matcher, features)
        same = agreement(matcher, oracle, features[context + 2], memory)
        result[name] = {"same_labels": round(same, 5)}
        if same > 0.999:
            matchers[name] = matcher
    times: dict[str, list[float]] = {name: [] for name in matchers}
    oracle_times = []
    for round_number in range(max(1, oracle_frames)):
        if oracle_frames:
            oracle_times.append(timed(oracle, device=device))
        for name, matcher in matchers.items():
            for number in range(round_number, frames, max(1, oracle_frames)):
                frame = features[context + 2 + number, None]
                times[name].append(timed(lambda m=matcher, f=frame: m.advance(f), device=device))
    for name, seconds in times.items():
        median = summary(seconds)["median_s"]
        result[name] |= summary(seconds) | {"share_of_gemm": round(needed / median / 1e9 / ceiling, 3)}
        if oracle_times:
            result[name]["times_faster"] = round(summary(oracle_times)["median_s"] / median, 1)
    if oracle_times:
        result["oracle"] = summary(oracle_times)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--channels", type=int, nargs="+", default=[256, 1280])
    parser.add_argument("--frames", type=int, default=8, help="frames timed per backend")
    parser.add_argument(
        "--oracle-frames", type=int, default=2, help="frames timed with the oracle; 0 to leave it out"
    )
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu"
    )
    options = parser.parse_args()
    for channels in options.channels:
        figures = measure(channels, options.device, options.frames, options.oracle_frames)
        figures |= {
            "copy_gb_s": round(copy_ceiling(options.device), 1),
            "peak_memory_gb": round(peak_memory_gb(), 2),
        }
        report("propagation", figures)


if __name__ == "__main__":
    main()
