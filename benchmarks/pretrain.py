"""Pretraining against a straightforward loop in the same run: steps, loader, loss, and the arithmetic limit.

The straightforward loop decodes and crops with Pillow, computes in float32 in the default memory layout,
builds dense float masks and lets autograd keep the affinities. Steps of both alternate, so that a busy
machine slows both. Prints Markdown; `--log PATH` appends it to a file.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from sfc_cli.core.correspondence import Correspondence
from sfc_cli.core.matching_loss import matching_loss
from sfc_cli.core.ranks import Ranks
from sfc_cli.data.frame_index import index_frames
from sfc_cli.data.views import DEVIATION, MEAN, draw_crop, make_views
from sfc_cli.settings.locations import find_data
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Plan, load_batches
from sfc_cli.training.stepping import Stepper, allow_tf32, build_model

LOSS_BATCH = 96


def dense_loss(query: Tensor, key: Tensor, query_boxes: Tensor, key_boxes: Tensor, radius: float) -> Tensor:
    """The loss as its definition reads: every N×N map in float32."""
    h, w = query.shape[2:]
    centres, diagonals = [], []
    for boxes in (query_boxes, key_boxes):
        size = torch.stack([(boxes[:, 2] - boxes[:, 0]) / w, (boxes[:, 3] - boxes[:, 1]) / h], 1)
        y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
        cells = torch.stack([x, y], -1).view(1, h * w, 2).to(boxes) + 0.5
        centres.append(boxes[:, None, :2] + cells * size[:, None])
        diagonals.append(size.norm(dim=1))
    distance = (centres[0][:, :, None] - centres[1][:, None]).norm(dim=-1)
    mask = (distance / torch.maximum(*diagonals)[:, None, None] < radius).float()
    affinity = torch.bmm(query.flatten(2).transpose(1, 2), key.flatten(2))
    return -2 * ((affinity * mask).sum((1, 2)) / (mask.sum((1, 2)) + 1e-6)).mean()


class PillowViews(Dataset):
    """Two random crops of a file with Pillow, normalised on the CPU."""

    def __init__(self, paths: list[Path], crop_size: int) -> None:
        self._paths, self._crop_size = paths, crop_size

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor]:
        image = Image.open(self._paths[number]).convert("RGB")
        rng = np.random.default_rng(number)
        views, boxes = [], []
        for _ in range(2):
            crop = draw_crop(image.size, rng)
            part = image.crop((crop.left, crop.top, crop.left + crop.width, crop.top + crop.height))
            view = (
                np.asarray(part.resize((self._crop_size,) * 2, Image.Resampling.BILINEAR), np.float32) / 255
            )
            views.append(torch.from_numpy((view - np.float32(MEAN)) / np.float32(DEVIATION)).permute(2, 0, 1))
            boxes.append(torch.tensor(crop.in_image(image.size)))
        return torch.stack(views), torch.stack(boxes)


def straightforward_steps(
    settings: PretrainingSettings, paths: list[Path], device: torch.device, workers: int
) -> Iterator[tuple[float, float]]:
    model = build_model(settings).to(device)
    optimizer = torch.optim.Adam([p for p in model.parameters() if p.requires_grad], lr=1e-3, foreach=False)
    loader = iter(
        DataLoader(
            PillowViews(paths, settings.crop_size), settings.batch_size, num_workers=workers, drop_last=True
        )
    )
    while True:
        started = time.perf_counter()
        views, boxes = (tensor.to(device) for tensor in next(loader))
        loaded = time.perf_counter()
        predictions = [model.predict(views[:, i]) for i in (0, 1)]
        model.follow(0.99)
        targets = [model.project(views[:, i]) for i in (0, 1)]
        loss = dense_loss(predictions[0], targets[1], boxes[:, 0], boxes[:, 1], 0.5)
        loss = loss + dense_loss(predictions[1], targets[0], boxes[:, 1], boxes[:, 0], 0.5)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        loss.item()
        yield loaded - started, time.perf_counter() - loaded


def our_steps(
    settings: PretrainingSettings, plan: Plan, device: torch.device, workers: int
) -> Iterator[tuple[float, float]]:
    stepper = Stepper(settings, device, Ranks())
    batches = load_batches(
        plan, settings, rank=0, steps=(0, plan.total_steps), device=device, workers=workers
    )
    while True:
        started = time.perf_counter()
        batch = next(batches)
        loaded = time.perf_counter()
        stepper.step([batch], 0.99).item()
        yield loaded - started, time.perf_counter() - loaded


def compare_steps(
    loops: dict[str, Iterator[tuple[float, float]]], rounds: int, frames: int
) -> dict[str, tuple[float, float]]:
    """Take a step of each loop in turn; return images/s of the best and data share of all."""
    for loop in loops.values():
        next(loop)
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in loops}
    for _ in range(rounds):
        for name, loop in loops.items():
            # Each loop sets this once for its process; here they share one.
            allow_tf32("fp32" not in name)
            times[name].append(next(loop))
    result = {}
    for name, taken in times.items():
        seconds = min(data + step for data, step in taken)
        share = sum(data for data, _ in taken) / sum(data + step for data, step in taken)
        result[name] = frames / seconds, share
    return result


def step_flops(settings: PretrainingSettings) -> float:
    """Count the multiply-adds, as two operations each, of both branches and the backward pass per frame."""
    with torch.device("meta"):
        model = Correspondence(settings.arch, last_layer=settings.last_layer)
        view = torch.empty(1, 3, settings.crop_size, settings.crop_size)
    with FlopCounterMode(display=False) as counter:
        (model.predict(view).sum() + model.predict(view).sum()).backward()
        model.project(view)
        model.project(view)
    return float(counter.get_total_flops())


def matrix_rate(device: torch.device, dtype: torch.dtype) -> float:
    """Return the best FLOP/s of a large matrix product."""
    size = 8192 if device.type == "cuda" else 2048
    a, b = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    return 2 * size**3 / best(lambda: (a @ b)[0, 0].item(), 8)


def best(call: Callable[[], object], times: int) -> float:
    seconds = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return min(seconds)


def loss_memory(name: str) -> tuple[float, float]:
    """Return the most MiB that a loss and its backward pass hold above their inputs, and the best time."""
    torch.manual_seed(0)
    query, key = (
        torch.nn.functional.normalize(torch.randn(LOSS_BATCH, 256, 32, 32), dim=1) for _ in range(2)
    )
    query.requires_grad_(True)
    corners = torch.rand(2, LOSS_BATCH, 2) * 0.5
    boxes = torch.cat([corners, corners + 0.1 + 0.4 * torch.rand(2, LOSS_BATCH, 2)], dim=2)
    loss = {"dense": dense_loss, "sfc": matching_loss}[name]

    def both_passes() -> None:
        query.grad = None
        loss(query, key, boxes[0], boxes[1], 0.5).backward()

    seconds = best(both_passes, 3)
    query.grad = None
    # The allocator's own record: the resident size of a process also moves for other reasons.
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        both_passes()
    changes = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    held = itertools.accumulate(
        event.nbytes() for event in sorted(changes, key=lambda event: event.start_ns())
    )
    return max(held) / 2**20, seconds


def loader_rates(paths: list[Path], crop_size: int) -> dict[str, float]:
    """Return view pairs/s of one core, whole pass over the files, best of three."""
    torch.set_num_threads(1)
    pillow = PillowViews(paths, crop_size)

    def ours() -> None:
        for number, path in enumerate(paths):
            make_views(path, np.random.default_rng(number), crop_size=crop_size, area_share=(0.0, 1.0))

    calls = {"Pillow": lambda: [pillow[number] for number in range(len(paths))], "sfc": ours}
    return {name: len(paths) / best(call, 3) for name, call in calls.items()}


def report_steps(steps: dict[str, tuple[float, float]], flops: float, device: torch.device) -> list[str]:
    base = next(iter(steps.values()))[0]
    ceilings = {"fp32": matrix_rate(device, torch.float32), "bf16": matrix_rate(device, torch.bfloat16)}
    lines = [
        "| step | images/s | against straightforward | data share | of the matrix rate |",
        "|---|---|---|---|---|",
    ]
    for name, (images, share) in steps.items():
        ceiling = ceilings[name[-4:]]
        used = f"{images * flops / ceiling:.0%} of {ceiling / 1e9:.0f} GFLOP/s"
        lines.append(f"| {name} | {images:.2f} | {images / base:.2f}× | {share:.1%} | {used} |")
    return lines


def report_loss_memory() -> list[str]:
    title = f"loss and gradient, batch {LOSS_BATCH}, 32×32 cells, 256 channels, CPU"
    lines = [f"| {title} | peak memory | time |", "|---|---|---|"]
    for name in ("dense", "sfc"):
        held, seconds = loss_memory(name)
        lines.append(f"| {name} | {held:.0f} MiB | {seconds:.2f} s |")
    return lines


def report(arguments: argparse.Namespace) -> str:
    cuda = torch.cuda.is_available()
    device, threads = torch.device("cuda" if cuda else "cpu"), torch.get_num_threads()
    crop_size = arguments.crop_size or (256 if cuda else 128)
    batch_size = arguments.batch_size or (96 if cuda else 8)
    index = index_frames(arguments.data or find_data("sample"))
    paths = [index.path(v, f) for v, video in enumerate(index.videos) for f in range(len(video.frames))]
    # Long enough for every loop, however small the set.
    settings = {
        name: PretrainingSettings(
            crop_size=crop_size, batch_size=batch_size, precision=name, epochs=1000, frames_per_video=10**6
        )
        for name in ("fp32", "bf16")
    }
    rates = loader_rates(paths[:: max(1, len(paths) // 100)][:100], 256)
    torch.set_num_threads(threads)
    repeated = paths * (1 + 2 * arguments.rounds * batch_size // len(paths))
    loops = {
        "straightforward, fp32": straightforward_steps(settings["fp32"], repeated, device, arguments.workers)
    }
    for name, chosen in settings.items():
        loops[f"sfc, {name}"] = our_steps(chosen, Plan(index, chosen), device, arguments.workers)
    steps = compare_steps(loops, arguments.rounds, batch_size)
    flops = step_flops(settings["fp32"])
    lines = [
        f"torch {torch.__version__}, {torch.cuda.get_device_name() if cuda else f'CPU, {threads} threads'}; "
        f"ResNet-18 to layer4, crops {crop_size}, batch {batch_size}, {arguments.workers} workers; "
        f"best of {arguments.rounds} alternating steps; {flops / 1e9:.1f} GFLOP a frame",
        "",
        *report_steps(steps, flops, device),
        "",
        "| loader, one core, 256×256 | view pairs/s |",
        "|---|---|",
        *(f"| {name} | {rate:.0f} |" for name, rate in rates.items()),
        "",
        *report_loss_memory(),
    ]
    if cuda:
        lines += ["", f"Peak memory of the card: {torch.cuda.max_memory_allocated() / 2**30:.1f} GiB"]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="any folder of frames; the bundled sample by default")
    parser.add_argument("--crop-size", type=int)
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--log", type=Path, help="append the table to this file")
    arguments = parser.parse_args()
    text = report(arguments)
    print(text)
    if arguments.log:
        with arguments.log.open("a", encoding="utf-8") as file:
            file.write(text)


if __name__ == "__main__":
    main()
