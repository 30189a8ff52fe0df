"""Feeding the network: workers that decode and crop, and copying to the device ahead of need."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sfc_cli.data.device_views import EncodedFrame, cut_on_device, read_encoded
from sfc_cli.data.views import ViewPair, make_views
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.plan import FrameRequest, Plan

_MOST_WORKERS = 16


@dataclass
class Batch:
    """The view pairs of one batch.

    Args:
        views: uint8 [B, 2, S, S, 3].
        boxes: float32 [B, 2, 4].
        paths: The file of each pair.
        unreadable: Files that were skipped, and why.
    """

    views: Tensor
    boxes: Tensor
    paths: list[str]
    unreadable: dict[str, str]

    def pin_memory(self) -> Batch:
        """Move the tensors to page-locked memory, from where a device copies them without waiting."""
        return Batch(self.views.pin_memory(), self.boxes.pin_memory(), self.paths, self.unreadable)


@dataclass
class Loaded:
    """What a worker made of one request: a finished pair, or an encoded frame for the device."""

    content: ViewPair | EncodedFrame
    path: str
    unreadable: dict[str, str]


class ViewDataset(Dataset[Loaded]):
    """Turns requests into view pairs; it knows nothing but the settings, so that workers stay small."""

    def __init__(self, settings: PretrainingSettings) -> None:
        self._settings = settings

    def __getitem__(self, request: FrameRequest) -> Loaded:
        unreadable: dict[str, str] = {}
        for path in (request.path, *request.spares):
            # A spare takes the crops that the unreadable frame would have had.
            rng = np.random.default_rng(request.entropy)
            area_share = (self._settings.min_crop_area, 1.0)
            try:
                if self._settings.decode == "nvjpeg":
                    return Loaded(read_encoded(path, rng, area_share), str(path), unreadable)
                pair = make_views(
                    path,
                    rng,
                    crop_size=self._settings.crop_size,
                    area_share=area_share,
                    decode=self._settings.decode,
                )
                return Loaded(pair, str(path), unreadable)
            except InputError as error:
                unreadable[str(path)] = error.message
        raise InputError(
            f"{len(unreadable)} frames in a row cannot be read; the first: {next(iter(unreadable.values()))}",
            "Check the data set's files.",
        )


class Collate:
    """Joins what the workers made into a batch; encoded frames are decoded on the device here.

    Args:
        crop_size: S.
        device: Where encoded frames are decoded.
    """

    def __init__(self, crop_size: int, device: torch.device) -> None:
        self._crop_size = crop_size
        self._device = device

    def __call__(self, loaded: list[Loaded]) -> Batch:
        """Join one batch."""
        pairs = [one.content for one in loaded if isinstance(one.content, ViewPair)]
        encoded = [one.content for one in loaded if isinstance(one.content, EncodedFrame)]
        if encoded:
            pairs = cut_on_device(encoded, self._crop_size, self._device)
        return Batch(
            views=torch.stack([pair.views for pair in pairs]),  # [B, 2, S, S, 3]
            boxes=torch.stack([pair.boxes for pair in pairs]),  # [B, 2, 4]
            paths=[one.path for one in loaded],
            unreadable={path: why for one in loaded for path, why in one.unreadable.items()},
        )


class _Batches:
    """The plan's batches of one rank as the iterable that ``DataLoader`` wants."""

    def __init__(self, plan: Plan, rank: int, first_step: int, stop_step: int) -> None:
        self._arguments = (plan, rank, first_step, stop_step)

    def __iter__(self) -> Iterator[list[FrameRequest]]:
        plan, rank, first_step, stop_step = self._arguments
        return plan.batches(rank, first_step, stop_step)


def worker_count(settings: PretrainingSettings, device: torch.device, local_processes: int = 1) -> int:
    """Return how many workers feed one process: as set, else all its cores for a card, one on a CPU."""
    if settings.workers is not None:
        return settings.workers
    if device.type == "cpu":
        return 1
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(_MOST_WORKERS, cores // local_processes))


def load_batches(
    plan: Plan,
    settings: PretrainingSettings,
    *,
    rank: int,
    steps: tuple[int, int],
    device: torch.device,
    workers: int,
) -> Iterator[Batch]:
    """Yield a rank's batches on the device, the next one being copied while the last is in use.

    Args:
        plan: All frames in order.
        settings: The training's settings.
        rank: This process.
        steps: First step, and the step to stop before.
        device: Where the batches go.
        workers: Processes that decode; 0 to decode in this one.
    """
    on_device = settings.decode == "nvjpeg"
    collate = Collate(settings.crop_size, device)
    loader: DataLoader[Loaded] = DataLoader(
        ViewDataset(settings),
        batch_sampler=_Batches(plan, rank, *steps),
        num_workers=workers,
        collate_fn=_as_list if on_device else collate,
        pin_memory=device.type == "cuda" and not on_device,
        worker_init_fn=_start_worker,
    )
    batches: Iterator[Batch] = map(collate, loader) if on_device else iter(loader)
    return _ahead(batches, device) if device.type == "cuda" else batches


def _as_list(loaded: list[Loaded]) -> list[Loaded]:
    return loaded


def _start_worker(_: int) -> None:
    # The parent's handlers save a checkpoint; in a worker, SIGTERM must end it and Ctrl-C leave it alone.
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)


def _ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Copy each batch on a stream of its own while the one before it is in use."""
    stream = torch.cuda.Stream(device)
    waiting: Batch | None = None
    for batch in batches:
        with torch.cuda.stream(stream):
            copied = Batch(
                batch.views.to(device, non_blocking=True),
                batch.boxes.to(device, non_blocking=True),
                batch.paths,
                batch.unreadable,
            )
        if waiting is not None:
            yield waiting
        torch.cuda.current_stream(device).wait_stream(stream)
        for tensor in (copied.views, copied.boxes):
            tensor.record_stream(torch.cuda.current_stream(device))
        waiting = copied
    if waiting is not None:
        yield waiting
