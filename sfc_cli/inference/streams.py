"""The frames of a sequence as a stream: through the networks, one way or both, or past finished masks."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from sfc_cli.core.propagation.tracks import blend
from sfc_cli.data.frames import Frame
from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.soft_labels import SoftLabels
from sfc_cli.data.videos import FrameStamp, VideoFrame
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.concurrency import ReadAhead, readers_for
from sfc_cli.inference.outputs import with_stored_mask
from sfc_cli.inference.propagator import Labelled, VideoPropagator
from sfc_cli.inference.resumption import ContextMemory, LabelStore
from sfc_cli.inference.sequences import FrameSequence
from sfc_cli.progress import Progress

Stamped = Generator[tuple[FrameStamp, Labelled], None, None]

# Frames may be large: a bounded number of bytes waits on either side of the networks.
_BYTES_WAITING = 1 << 27
_MOST_WAITING = 16


@dataclass(frozen=True, kw_only=True)
class SequenceStream:
    """Gives the frames of a sequence with their results.

    Args:
        sequence: Whose frames.
        results: Where the masks of finished frames lie.
        progress: Receives the frames of the backward pass.
    """

    sequence: FrameSequence
    results: ResultsFolder
    progress: Progress

    def stored(self) -> Stamped:
        """Give all frames that have a mask on disk."""
        with closing(ReadAhead(self.sequence.frames.read(), self.frames_waiting())) as frames:
            for index, video_frame in enumerate(frames):
                path = self.results.mask(self.sequence.name, video_frame.stamp.name)
                if path.is_file():
                    yield video_frame.stamp, with_stored_mask(index, video_frame.frame, path)

    def labelled(
        self,
        propagator: VideoPropagator,
        memory: ContextMemory | None,
        folder: Path,
        backward_memory: ContextMemory | None = None,
    ) -> Stamped:
        """Give all frames from the first that has a result on.

        Args:
            propagator: Networks and settings.
            memory: See ``VideoPropagator.track``; frames that are done come with their masks.
            folder: Where the labels of the pass backwards wait.
            backward_memory: That of the pass backwards; one that forgets what nothing needs if None.
        """
        anchors, join = self.sequence.anchors, None
        with contextlib.ExitStack() as stack:
            if self.sequence.both_ways and isinstance(anchors, MaskAnchors):
                store = stack.enter_context(closing(LabelStore(folder / "backwards.labels")))
                kept = backward_memory or ContextMemory(
                    folder / "backwards", propagator.settings.context_frames
                )
                self._propagate_backwards(propagator, anchors, store, kept)
                join = partial(_join, anchors, store)
            source = self.sequence.frames.read(readers_for(propagator.extractor.device))
            depth = self.frames_waiting(at_once=propagator.most_at_once)
            frames = stack.enter_context(closing(ReadAhead(source, depth)))
            stamps: deque[FrameStamp] = deque()
            for tracked in propagator.track(
                _noted(frames, stamps),
                anchors,
                input_size=self.sequence.resized,
                antialias=self.sequence.antialias,
                memory=memory,
            ):
                stamp, labels = stamps.popleft(), tracked.labels
                if memory is not None and self.sequence.without_result <= tracked.index < memory.done:
                    yield (
                        stamp,
                        with_stored_mask(
                            tracked.index, tracked.frame, self.results.mask(self.sequence.name, stamp.name)
                        ),
                    )
                    continue
                if join is not None:
                    labels = join(tracked.index, labels)
                if labels is not None:
                    if anchors.has_pixels:
                        labels = propagator.refined(tracked.frame, labels)
                    resolve = partial(anchors.resolve, tracked.index, labels)
                    yield stamp, Labelled(tracked.index, tracked.frame, resolve, tracked.keep)

    def _propagate_backwards(
        self,
        propagator: VideoPropagator,
        anchors: MaskAnchors,
        store: LabelStore,
        memory: ContextMemory,
    ) -> None:
        """Propagate from the last mask to the first frame; the labels wait on disk for the pass forwards."""
        assert self.sequence.frames.stamps is not None  # both ways: the frames were counted
        stamps = self.sequence.frames.stamps[: anchors.last + 1]
        if memory.done == len(stamps):
            self.progress.advance(self.sequence.name, len(stamps))
            return
        backwards = self.sequence.frames.read_backwards(stamps)
        with closing(ReadAhead(backwards, self.frames_waiting())) as frames:
            for tracked in propagator.track(
                (video_frame.frame for video_frame in frames),
                anchors.reversed(len(stamps)),
                input_size=self.sequence.resized,
                antialias=self.sequence.antialias,
                memory=memory,
            ):
                if tracked.labels is not None:
                    store.write(len(stamps) - 1 - tracked.index, tracked.labels())
                if tracked.keep is not None:
                    tracked.keep()
                self.progress.advance(self.sequence.name)

    def frames_waiting(self, label_bytes: int = 0, *, at_once: int = 1) -> int:
        """Return how many frames may wait on each side of the networks.

        Args:
            label_bytes: Of the labels that wait with each.
            at_once: How many frames the networks take at once: as many again should be there by then.
        """
        height, width = self.sequence.frames.size
        most = max(_MOST_WAITING, 2 * at_once)
        return max(2, min(most, _BYTES_WAITING // (3 * height * width + label_bytes)))


def _join(
    anchors: MaskAnchors, store: LabelStore, index: int, forwards: Callable[[], SoftLabels] | None
) -> Callable[[], SoftLabels] | None:
    """Join what comes from the masks before a frame and from those after it; the nearer mask counts more."""
    if index >= anchors.last:
        return forwards
    # Read here and now: the store belongs to this thread.
    backwards, shares = store.read(index), anchors.shares(index)
    if forwards is None:
        return lambda: backwards
    return partial(_blended, forwards, backwards, shares)


def _blended(forwards: Callable[[], SoftLabels], backwards: SoftLabels, shares: SoftLabels) -> SoftLabels:
    joined = blend(torch.from_numpy(forwards()), torch.from_numpy(backwards), torch.from_numpy(shares))
    return joined.numpy()


def _noted(frames: Iterable[VideoFrame], stamps: deque[FrameStamp]) -> Iterator[Frame]:
    """Pass on the frames alone and note their stamps, until these are asked for in the same order."""
    for video_frame in frames:
        stamps.append(video_frame.stamp)
        yield video_frame.frame
