"""Which frames enter which step, and loading them: workers decode and crop, a card gets them ahead of need.

Every frame and crop is drawn from the seed and the position alone, so that any step can be found again after
a restart, whatever the number of workers.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.data.views import EncodedFrame, ViewPair, cut_on_device, make_views, read_encoded
from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation.workers import available_cores
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.failures import LostProcessError
from sfc_cli.training.stopping import leave_signals_to_parent
from sfc_cli.wording import counted

# Separates the stream of frame draws from that of crops, which use the same seed.
_FRAMES, _CROPS = 0, 1
_SPARES = 3
_MOST_WORKERS = 16


@dataclass(frozen=True)
class FrameRequest:
    """One frame to load.

    Args:
        path: Its file.
        spares: Files to take instead, in order, if it cannot be read.
        entropy: What the random crops are drawn from.
    """

    path: Path
    spares: tuple[Path, ...]
    entropy: tuple[int, ...]


class Plan:
    """The order of all frames of a training over all its processes.

    An epoch takes at most ``frames_per_video`` random frames of each video without replacement, shuffled
    together; what is left over after the last whole step is dropped. A step of P processes and A accumulated
    batches of B frames takes A·P·B consecutive frames, so that ranks are disjoint and P processes see what
    one process would with a batch P times as large.

    Args:
        index: The frames.
        settings: The training's settings.
        world: P, the number of processes.

    Raises:
        UsageError: If an epoch does not fill a single step.
    """

    def __init__(self, index: FrameIndex, settings: PretrainingSettings, world: int = 1) -> None:
        self._index = index
        self._settings = settings
        self._world = world
        self._drawn: tuple[int, npt.NDArray[np.int64]] | None = None
        self.frames_per_step = settings.batch_size * settings.accumulate * world
        frames = sum(min(len(video.frames), settings.frames_per_video) for video in index.videos)
        self.steps_per_epoch = frames // self.frames_per_step
        if self.steps_per_epoch == 0:
            raise UsageError(
                f"An epoch has {counted(frames, 'frame')}, fewer than the {self.frames_per_step} of one step "
                f"(`batch_size` {settings.batch_size} × `accumulate` {settings.accumulate} "
                f"× {world} processes).",
                "Lower `batch_size`, raise `frames_per_video`, or give more data.",
            )
        self.total_steps = self.steps_per_epoch * settings.epochs

    def batches(self, rank: int, first_step: int, stop_step: int) -> Iterator[list[FrameRequest]]:
        """Yield a rank's batches from ``first_step`` to before ``stop_step``, ``accumulate`` a step."""
        for step in range(first_step, stop_step):
            for part in range(self._settings.accumulate):
                yield self.batch(step, part, rank)

    def batch(self, step: int, part: int, rank: int) -> list[FrameRequest]:
        """Return the frames of one rank in one accumulated part of a step."""
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        order = self._order(epoch)  # [frames, 2]
        size = self._settings.batch_size
        start = step_in_epoch * self.frames_per_step + (part * self._world + rank) * size
        return [self._request(order, epoch, position) for position in range(start, start + size)]

    def _request(self, order: npt.NDArray[np.int64], epoch: int, position: int) -> FrameRequest:
        # A spare is the frame of a later position; it takes the crops of the one that it replaces.
        positions = [(position + ahead) % len(order) for ahead in range(_SPARES + 1)]
        path, *spares = (self._index.path(*order[one].tolist()) for one in positions)
        return FrameRequest(path, tuple(spares), (self._settings.seed, _CROPS, epoch, position))

    def _order(self, epoch: int) -> npt.NDArray[np.int64]:
        """Return the indices of video and frame at every position of an epoch, [frames, 2]."""
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = (epoch, self._draw_order(epoch))
        return self._drawn[1]

    def _draw_order(self, epoch: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng((self._settings.seed, _FRAMES, epoch))
        drawn = []
        for index, video in enumerate(self._index.videos):
            count = min(len(video.frames), self._settings.frames_per_video)
            frames = rng.choice(len(video.frames), size=count, replace=False)
            drawn.append(np.stack([np.full(count, index), frames], axis=1))
        order = np.concatenate(drawn)
        rng.shuffle(order, axis=0)
        return order


@dataclass
class Batch:
    """The view pairs of one batch.

    Args:
        views: uint8 [B, 2, S, S, 3].
        boxes: float32 [B, 2, 4].
        paths: The file of each pair.
        unreadable: Files that were skipped, and why.
        failure: Why there is nothing in the place of one of them; empty if all is well.
    """

    views: Tensor
    boxes: Tensor
    paths: list[str]
    unreadable: dict[str, str]
    failure: str = ""

    def pin_memory(self) -> Batch:
        """Move the tensors to page-locked memory, from where a device copies them without waiting."""
        views, boxes = self.views.pin_memory(), self.boxes.pin_memory()
        return Batch(views, boxes, self.paths, self.unreadable, self.failure)


@dataclass
class Loaded:
    """What a worker made of one request: a finished pair, an encoded frame for the device, or nothing."""

    content: ViewPair | EncodedFrame | None
    path: str
    unreadable: dict[str, str]


class ViewDataset(Dataset[Loaded]):
    """Turns requests into view pairs; it knows nothing but the settings, so that workers stay small."""

    def __init__(self, settings: PretrainingSettings) -> None:
        self._settings = settings

    def __getitem__(self, request: FrameRequest) -> Loaded:
        unreadable: dict[str, str] = {}
        for path in (request.path, *request.spares):
            try:
                return Loaded(self._load(path, request.entropy), str(path), unreadable)
            except InputError as error:
                unreadable[str(path)] = error.message
        # Raised here, in a worker, the error would reach the user with this function's traceback.
        return Loaded(None, str(request.path), unreadable)

    def _load(self, path: Path, entropy: tuple[int, ...]) -> ViewPair | EncodedFrame:
        settings = self._settings
        rng = np.random.default_rng(entropy)
        area_share = (settings.min_crop_area, settings.max_crop_area)
        if settings.decode == "nvjpeg":
            return read_encoded(path, rng, area_share)
        return make_views(
            path, rng, crop_size=settings.crop_size, area_share=area_share, decode=settings.decode
        )


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
    # What the card decodes is joined in this process: forked workers cannot use CUDA.
    on_device = settings.decode == "nvjpeg"
    join = partial(_join, crop_size=settings.crop_size, device=device)
    loader: DataLoader[Loaded] = DataLoader(
        ViewDataset(settings),
        batch_sampler=plan.batches(rank, *steps),
        num_workers=workers,
        collate_fn=list if on_device else join,
        pin_memory=device.type == "cuda" and not on_device,
        worker_init_fn=_start_worker,
    )
    loaded = _guarded(loader)
    batches: Iterator[Batch] = map(_require_loaded, map(join, loaded) if on_device else loaded)
    return _ahead(batches, device) if device.type == "cuda" else batches


def worker_count(settings: PretrainingSettings, device: torch.device, local_processes: int = 1) -> int:
    """Return how many workers feed one process: as set, else all its cores for a card, one on a CPU."""
    if settings.workers is not None:
        return settings.workers
    if device.type == "cpu":
        return 1
    return max(1, min(_MOST_WORKERS, available_cores() // local_processes))


def _join(loaded: list[Loaded], *, crop_size: int, device: torch.device) -> Batch:
    """Join what the workers made into a batch; encoded frames are decoded on the device first."""
    nothing = [one for one in loaded if one.content is None]
    if nothing:
        why = next(iter(nothing[0].unreadable.values()))
        failure = f"{len(nothing[0].unreadable)} frames in a row cannot be read; the first: {why}"
        return Batch(torch.empty(0), torch.empty(0), [], {}, failure)
    pairs = [one.content for one in loaded if isinstance(one.content, ViewPair)]
    encoded = [one.content for one in loaded if isinstance(one.content, EncodedFrame)]
    if encoded:
        pairs = cut_on_device(encoded, crop_size, device)
    return Batch(
        views=torch.stack([pair.views for pair in pairs]),  # [B, 2, S, S, 3]
        boxes=torch.stack([pair.boxes for pair in pairs]),  # [B, 2, 4]
        paths=[one.path for one in loaded],
        unreadable={path: why for one in loaded for path, why in one.unreadable.items()},
    )


def _require_loaded(batch: Batch) -> Batch:
    if batch.failure:
        raise InputError(batch.failure, "Check the data set's files.")
    return batch


def _start_worker(_: int) -> None:
    # Whoever signals the process group means the training, whose parent still needs frames for its last step.
    leave_signals_to_parent()
    cv2.setNumThreads(0)


def _guarded(loader: DataLoader[Loaded]) -> Iterator[Any]:
    """Yield what a loader does, and name a worker that was killed; see ``LostProcessError``."""
    # torch raises the death of a worker wherever the program is, in the middle of a step or of a save; it
    # looks between two batches as well.
    handler = signal.getsignal(signal.SIGCHLD) if hasattr(signal, "SIGCHLD") else None
    batches = iter(loader)
    if handler is not None:
        with contextlib.suppress(ValueError):  # not the main thread, which has no handler either
            signal.signal(signal.SIGCHLD, handler)
    try:
        yield from batches
    except (RuntimeError, ConnectionError, EOFError, FileNotFoundError) as error:
        text = " ".join(str(error).split())
        is_of_worker = not isinstance(error, RuntimeError) or text.startswith(
            ("DataLoader worker", "Pin memory")
        )
        if not (loader.num_workers and is_of_worker):
            raise
        raise LostProcessError(
            f"A process that decodes frames was killed ({text}).",
            "Often memory has run out: set `workers` lower, then go on with `resume`.",
        ) from error


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
        # Else the memory could be handed out again while the other stream still reads it.
        for tensor in (copied.views, copied.boxes):
            tensor.record_stream(torch.cuda.current_stream(device))
        waiting = copied
    if waiting is not None:
        yield waiting
