"""Which frames enter which step.

Everything is drawn from the seed and the position alone, so that any step can be found again after a restart,
whatever the number of workers.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from sfc_cli.data.frame_folders import FrameIndex
from sfc_cli.errors import UsageError
from sfc_cli.settings.pretraining import PretrainingSettings

# Separates the stream of frame draws from that of crops, which use the same seed.
_FRAMES, _CROPS = 0, 1
_SPARES = 3


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

    An epoch takes at most ``clips_per_video`` random frames of each video without replacement, shuffled
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
        self.frames_per_step = settings.batch_size * settings.accumulate * world
        clips = sum(min(len(video.frames), settings.clips_per_video) for video in index.videos)
        self.steps_per_epoch = clips // self.frames_per_step
        if self.steps_per_epoch == 0:
            raise UsageError(
                f"An epoch has {clips} frames, fewer than the {self.frames_per_step} of one step "
                f"(--batch-size {settings.batch_size} × --accumulate {settings.accumulate} "
                f"× {world} processes).",
                "Lower --batch-size, raise --clips-per-video, or give more data.",
            )
        self.total_steps = self.steps_per_epoch * settings.epochs
        self._draw_epoch = lru_cache(maxsize=1)(self._draw_epoch_anew)

    def batches(self, rank: int, first_step: int, stop_step: int) -> Iterator[list[FrameRequest]]:
        """Yield a rank's batches from ``first_step`` to before ``stop_step``, ``accumulate`` a step."""
        for step in range(first_step, stop_step):
            for part in range(self._settings.accumulate):
                yield self.batch(step, part, rank)

    def batch(self, step: int, part: int, rank: int) -> list[FrameRequest]:
        """Return the frames of one rank in one accumulated part of a step."""
        epoch, step_in_epoch = divmod(step, self.steps_per_epoch)
        order = self._draw_epoch(epoch)  # [frames, 2]
        size = self._settings.batch_size
        start = step_in_epoch * self.frames_per_step + (part * self._world + rank) * size
        return [self._request(order, epoch, position) for position in range(start, start + size)]

    def _request(self, order: npt.NDArray[np.int64], epoch: int, position: int) -> FrameRequest:
        places = [(position + ahead) % len(order) for ahead in range(_SPARES + 1)]
        path, *spares = (self._index.path(*order[place].tolist()) for place in places)
        return FrameRequest(path, tuple(spares), (self._settings.seed, _CROPS, epoch, position))

    def _draw_epoch_anew(self, epoch: int) -> npt.NDArray[np.int64]:
        rng = np.random.default_rng((self._settings.seed, _FRAMES, epoch))
        drawn = []
        for number, video in enumerate(self._index.videos):
            clips = min(len(video.frames), self._settings.clips_per_video)
            frames = rng.choice(len(video.frames), size=clips, replace=False)
            drawn.append(np.stack([np.full(clips, number), frames], axis=1))
        order = np.concatenate(drawn)
        rng.shuffle(order, axis=0)
        return order
