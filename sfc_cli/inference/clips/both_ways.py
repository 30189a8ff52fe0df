"""Propagation from masks on any frames to all frames, forwards or both ways."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from functools import partial
from pathlib import Path

import torch

from sfc_cli.core.propagation.tracks import blend
from sfc_cli.data.frames import Frame
from sfc_cli.data.label_store import LabelStore
from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.data.videos import FrameStamp, VideoFrame
from sfc_cli.inference.painting import PaintedMasks
from sfc_cli.inference.video import Labelled, Size, VideoPropagator

Stamped = Generator[tuple[FrameStamp, Labelled], None, None]


def run_forwards(
    propagator: VideoPropagator, frames: Iterable[VideoFrame], painted: PaintedMasks, input_size: Size | None
) -> Stamped:
    """Propagate masks to the frames after them.

    Args:
        propagator: Networks and settings.
        frames: The frames in order.
        painted: The masks by their places among the frames.
        input_size: See ``VideoPropagator.track``.

    Yields:
        The frames from the first mask on.
    """
    stream = _Stamps(frames)
    for tracked in propagator.track(
        stream, painted.anchors(), painted.labels, input_size=input_size, antialias=True
    ):
        stamp = stream.next()
        if tracked.labels is not None:
            yield stamp, Labelled(tracked.frame, partial(painted.resolve, tracked.place, tracked.labels))


def run_both_ways(
    propagator: VideoPropagator,
    forwards: Iterable[VideoFrame],
    backwards: Iterable[VideoFrame],
    count: int,
    painted: PaintedMasks,
    input_size: Size | None,
    folder: Path,
    on_frame: Callable[[], None],
) -> Stamped:
    """Propagate masks to all frames; between two masks of an object the nearer one counts more.

    First come the frames before the last mask, backwards; their labels wait on disk for the second pass,
    which goes through all frames in order and joins what comes from both sides.

    Args:
        propagator: Networks and settings.
        forwards: All frames in order.
        backwards: The frames from the last mask's to the first, in that order.
        count: How many frames ``backwards`` gives.
        painted: The masks by their places among the frames.
        input_size: See ``VideoPropagator.track``.
        folder: Whose disk keeps the labels in between.
        on_frame: Called after each frame of the first pass.

    Yields:
        All frames in order.
    """
    with LabelStore(folder) as store:
        turned = painted.turned_round(count)
        reverse = (clip_frame.frame for clip_frame in backwards)
        for tracked in propagator.track(
            reverse, turned.anchors(), turned.labels, input_size=input_size, antialias=True
        ):
            if tracked.labels is not None:
                store.write(count - 1 - tracked.place, tracked.labels())
            on_frame()
        stream = _Stamps(forwards)
        for tracked in propagator.track(
            stream, painted.anchors(), painted.labels, input_size=input_size, antialias=True
        ):
            labels = tracked.labels
            if tracked.place < count - 1:
                # Read here and now: the store belongs to this thread, and ends with it.
                labels = partial(_join, labels, store.read(tracked.place), painted.shares(tracked.place))
            assert labels is not None  # the last mask is at count - 1
            yield stream.next(), Labelled(tracked.frame, partial(painted.resolve, tracked.place, labels))


def _join(forward: Callable[[], SoftLabels] | None, backward: SoftLabels, shares: SoftLabels) -> SoftLabels:
    if forward is None:
        return backward
    joined = blend(torch.from_numpy(forward()), torch.from_numpy(backward), torch.from_numpy(shares))
    return joined.numpy()


class _Stamps:
    """Gives away the frames of a stream and keeps their stamps until they are asked for, in order."""

    def __init__(self, frames: Iterable[VideoFrame]) -> None:
        self._frames = frames
        self._waiting: deque[FrameStamp] = deque()

    def __iter__(self) -> Iterator[Frame]:
        for clip_frame in self._frames:
            self._waiting.append(clip_frame.stamp)
            yield clip_frame.frame

    def next(self) -> FrameStamp:
        """Return the stamp of the earliest frame that was given away and not asked for."""
        return self._waiting.popleft()
