"""Times each propagation backend at 480p with a full context, side by side with the dense oracle.

    python benchmarks/propagation.py [--channels 256 1280] [--oracle-frames 2] [--frames 8] [--sweep]

Correctness comes first: a backend with a wrong vote is not timed. A vote is wrong if it comes from beyond the
reach, twice, with another weight than the softmax gives it, or with an affinity, in float64, below that of
the oracle's vote in its place; so ties, of which any may vote, are told from errors. "Needed" counts the
products inside the window and with frame 0; "dense" is what the oracle computes. ``--sweep`` times the fused
backend with other blocks than it chooses, keys in boxes among them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from measure import copy_ceiling, gemm_ceiling, peak_memory_gb, report, summary, timed
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation.fused import FusedMatcher
from sfc_cli.core.propagation.matching import (
    Matcher,
    Votes,
    pairs_within_radius,
    slot_of,
    window_frames,
    within_radius,
)
from sfc_cli.core.propagation.reference import propagate_frame
from sfc_cli.core.propagation.windowed import WindowedMatcher
from sfc_cli.settings import PRESETS, PropagationSettings

HEIGHT, WIDTH = 60, 107  # 480×854 pixels
LABELS = 4
# Query cells whose votes are compared with the oracle's.
SAMPLED = 512
# How far an affinity may lie below the oracle's: float32 sums of the same products, or float16 ones.
TOLERANCES = {"exact": 1e-5, "fast": 1e-3}

OracleCall = Callable[[], Tensor]
MatcherKind = Callable[[Tensor, PropagationSettings], Matcher]


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


def same_labels(votes: Votes, oracle: OracleCall, memory: Tensor) -> float:
    """Return the share of cells whose labels the votes and the oracle mix alike; ties make it smaller."""
    rows = memory.permute(0, 2, 3, 1).flatten(0, 2)  # [(1+F)·N, K]
    found = (rows[votes.sources[0]] * votes.weights[0, ..., None]).sum(1)  # [N, K]
    return float(((found - oracle().flatten(1).T).abs() < 1e-4).all(1).double().mean())


def judge(
    votes: Votes, target: int, features: Tensor, settings: PropagationSettings, tolerance: float
) -> dict[str, float]:
    """Compare the votes for a frame whose context is full with what float64 makes of the same features.

    Returns:
        ``wrong``: the share of sampled cells with a wrong vote; ``largest_gap``: how far an affinity lies
        below that of the oracle's vote in its place, in the worst of them.
    """
    context = [0, *window_frames(target, settings.context_frames)]
    slots = [slot_of(frame, settings.context_frames) for frame in context]
    keys = torch.empty_like(features[: len(context)])
    keys[slots] = features[context]
    keys = keys.flatten(2).transpose(1, 2).flatten(0, 1)  # [(1+F)·N, C]
    cells = HEIGHT * WIDTH
    sampled = torch.randperm(cells, generator=torch.Generator().manual_seed(1))[:SAMPLED].to(features.device)
    y, x = sampled // WIDTH, sampled % WIDTH
    cell = torch.arange(cells, device=features.device)
    near = within_radius(cell // WIDTH - y[:, None], cell % WIDTH - x[:, None], settings.radius)  # [S, N]
    queries = features[target].flatten(1).T[sampled].double()
    affinity = torch.cat([queries @ part.double().T for part in keys.split(cells)], dim=1)  # [S, (1+F)·N]
    affinity[:, cells:].masked_fill_(~near.repeat(1, settings.context_frames), -torch.inf)
    best = affinity.topk(settings.top_k).values
    sources, weights = votes.sources[0, sampled], votes.weights[0, sampled].double()
    voted = affinity.gather(1, sources)
    gap = (best - voted.sort(descending=True).values).amax(1)  # [S]
    expected = (voted / settings.temperature).softmax(1)
    is_wrong = (gap > tolerance) | ((weights - expected).abs().amax(1) > tolerance / settings.temperature)
    is_wrong |= (sources.sort().values.diff() == 0).any(1)
    return {"wrong": round(float(is_wrong.double().mean()), 5), "largest_gap": float(f"{gap.max():.2g}")}


def make_backends(
    device: str, channels: int, settings: PropagationSettings, *, sweep: bool
) -> dict[str, MatcherKind]:
    """Return the backends that run on a device."""
    backends: dict[str, MatcherKind] = {"windowed": WindowedMatcher}
    if device != "cuda":
        return backends
    backends |= {"fused": FusedMatcher, "fused fast": partial(FusedMatcher, precision="fast")}
    if not sweep:
        return backends
    chosen = FusedMatcher(torch.zeros(channels, HEIGHT, WIDTH, device=device), settings).blocks
    queries = chosen.tile_height * chosen.tile_width
    has_boxes = torch.cuda.get_device_capability()[0] >= 9 and chosen.keys == queries
    for boxes in (False, True) if has_boxes else (False,):
        for stages in (2, 3, 4):
            blocks = replace(chosen, boxes=boxes, stages=stages)
            if blocks != chosen:
                name = f"fused, {'boxes' if boxes else 'lists'}, {stages} stages"
                backends[name] = partial(FusedMatcher, blocks=blocks)
    return backends


def kernel_times(matcher: Matcher, frames: Tensor) -> dict[str, float]:
    """Return the milliseconds a frame of each of the fused kernels."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        matcher.advance(frames)
        torch.cuda.synchronize()
    times = {event.key: event.device_time_total / 1e3 / len(frames) for event in profile.key_averages()}
    return {
        f"{name}_ms": round(sum(time for key, time in times.items() if key.startswith(f"{name}_kernel")), 4)
        for name in ("select", "vote")
    }


def measure(channels: int, device: str, frames: int, oracle_frames: int, *, sweep: bool) -> dict[str, Any]:
    """Time all backends for one number of channels, the oracle between their rounds."""
    settings = PRESETS["single" if channels <= 256 else "sfc"]
    needed, dense = flop(channels, settings)
    context = settings.context_frames
    target = context + 2
    features = features_like_a_video(target + max(frames, 1), channels, device)
    ceiling = gemm_ceiling(device)
    memory = torch.rand(1 + context, LABELS, HEIGHT, WIDTH, device=device)
    oracle = oracle_for(target, features, memory, settings)
    result: dict[str, Any] = {
        "channels": channels,
        "needed_gflop": round(needed / 1e9, 1),
        "dense_gflop": round(dense / 1e9, 1),
        "gemm_gflop_s": round(ceiling, 1),
    }
    matchers = {}
    for name, kind in make_backends(device, channels, settings, sweep=sweep).items():
        try:
            matcher = kind(features[0], settings)
            fill(matcher, features)
            votes = matcher.advance(features[target, None])
        except Exception as error:  # blocks that a card has no room for
            result[name] = {"error": f"{type(error).__name__}: {error}"[:200]}
            continue
        tolerance = TOLERANCES["fast" if name.endswith("fast") else "exact"]
        result[name] = {
            **judge(votes, target, features, settings, tolerance),
            "same_labels": round(same_labels(votes, oracle, memory), 5),
        }
        if not result[name]["wrong"]:
            matchers[name] = matcher
    times: dict[str, list[float]] = {name: [] for name in matchers}
    oracle_times = []
    rounds = max(1, oracle_frames)
    for number in range(rounds):
        if oracle_frames:
            oracle_times.append(timed(oracle, device=device))
        for name, matcher in matchers.items():
            for batch in features[target:].split(matcher.frames_at_once)[number::rounds]:
                seconds = timed(lambda m=matcher, b=batch: m.advance(b), device=device)
                times[name].append(seconds / len(batch))
    for name, seconds in times.items():
        if not seconds:
            continue
        median = summary(seconds)["median_s"]
        result[name] |= summary(seconds) | {"share_of_gemm": round(needed / median / 1e9 / ceiling, 3)}
        if oracle_times:
            result[name]["times_faster"] = round(summary(oracle_times)["median_s"] / median, 1)
        if name.startswith("fused"):
            result[name] |= kernel_times(matchers[name], features[target:][: matchers[name].frames_at_once])
    if oracle_times:
        result["oracle"] = summary(oracle_times)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--channels", type=int, nargs="+", default=[256, 1280])
    parser.add_argument("--frames", type=int, help="frames timed per backend; 8, or 48 on a card")
    parser.add_argument(
        "--oracle-frames", type=int, default=2, help="frames timed with the oracle; 0 to leave it out"
    )
    parser.add_argument(
        "--device", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu"
    )
    parser.add_argument("--sweep", action="store_true", help="also with other blocks, on a card")
    options = parser.parse_args()
    frames = options.frames or (8 if options.device == "cpu" else 48)
    for channels in options.channels:
        figures = measure(channels, options.device, frames, options.oracle_frames, sweep=options.sweep)
        figures |= {
            "copy_gb_s": round(copy_ceiling(options.device), 1),
            "peak_memory_gb": round(peak_memory_gb(), 2),
        }
        report("propagation", figures)


if __name__ == "__main__":
    main()
