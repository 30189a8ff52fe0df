"""The one way of a sequence through the networks: frames and anchors in, the labels of every frame out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation.tracks import Tracks, repaint
from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import Resolved, SoftLabels
from sfc_cli.errors import InputError
from sfc_cli.inference.anchors import Anchor, Anchors, MaskAnchors
from sfc_cli.inference.resumption import ContextMemory
from sfc_cli.settings.propagation import Backend, PropagationSettings

Size = tuple[int, int]

_MOST_FRAMES_AT_ONCE = 8
# What a ResNet-50's widest maps take per pixel and frame at once, measured generously.
_BYTES_PER_PIXEL = 400


@dataclass(frozen=True)
class Labelled:
    """One frame with its result.

    Args:
        frame: uint8 [H, W, 3], RGB.
        resolve: Gives mask, confidence and soft labels; made to be called once, in any thread.
        keep: Keeps on disk what later frames of an interrupted run need of this one.
        is_done: Whether the result is on disk already, from a run that was interrupted.
    """

    frame: Frame
    resolve: Callable[[], Resolved]
    keep: Callable[[], None] | None = None
    is_done: bool = False

    def mask(self) -> Ids:
        """Return the ids, uint8 [H, W]."""
        return self.resolve().mask


@dataclass(frozen=True, slots=True)
class Tracked:
    """One frame with its soft labels.

    Args:
        index: The frame's index among those given.
        frame: uint8 [H, W, 3], RGB.
        labels: Gives float32 [K, h, w], in any thread; None before the first anchor, and for frames that an
            interrupted run has finished.
        keep: Keeps what later frames need of this one, see ``ContextMemory``.
    """

    index: int
    frame: Frame
    labels: Callable[[], SoftLabels] | None
    keep: Callable[[], None] | None = None


class VideoPropagator:
    """Carries labels through sequences with one set of networks and settings.

    Args:
        extractor: Turns frames into unit features.
        settings: How labels travel.
        backend: See ``propagate_labels``.
    """

    def __init__(
        self, extractor: FeatureExtractor, settings: PropagationSettings, *, backend: Backend = "auto"
    ) -> None:
        self.extractor = extractor
        self.settings = settings
        self.backend = backend
        self._most_at_once = _MOST_FRAMES_AT_ONCE if extractor.device.type == "cuda" else 1

    def use_less_memory(self) -> bool:
        """Work on half as many frames at once from now on; return False if it is one already."""
        if self._most_at_once == 1:
            return False
        self._most_at_once //= 2
        return True

    def _frames_at_once(self, height: int, width: int) -> int:
        """Choose how many frames a card with little free memory takes at once."""
        if self.extractor.device.type != "cuda":
            return 1
        free, _ = torch.cuda.mem_get_info(self.extractor.device)
        return max(1, min(self._most_at_once, free // (2 * _BYTES_PER_PIXEL * height * width)))

    def run(
        self, frames: Iterable[Frame], anchors: Anchors | Ids, *, input_size: Size | None = None
    ) -> Iterator[Labelled]:
        """Propagate masks to the frames after them, holding only the context in memory.

        Args:
            frames: The frames in order, uint8 [H, W, 3], all of one size.
            anchors: Where labels start, or the first frame's mask, uint8 [H, W], whose 255 is void.
            input_size: Height and width to which frames are resized for the networks; None for their own.

        Yields:
            Every frame from the first anchor on; a painted mask is the result of its frame.

        Raises:
            InputError: If there is no frame, or a frame and the masks differ in size.
        """
        if isinstance(anchors, np.ndarray):
            anchors = MaskAnchors({0: anchors})
        checked = (_of_size(frame, anchors.size, index) for index, frame in enumerate(frames))
        for tracked in self.track(checked, anchors, input_size=input_size):
            if tracked.labels is not None:
                yield Labelled(tracked.frame, partial(anchors.resolve, tracked.index, tracked.labels))

    def track(
        self,
        frames: Iterable[Frame],
        anchors: Anchors,
        *,
        input_size: Size | None = None,
        antialias: bool = False,
        memory: ContextMemory | None = None,
    ) -> Iterator[Tracked]:
        """Propagate soft labels through the frames of a sequence.

        Args:
            frames: The frames in order, all of one size.
            anchors: Which labels start on which frames.
            input_size: Height and width to which frames are resized for the networks; None for their own.
            antialias: Resize by area, which suits frames much larger than ``input_size``.
            memory: Keeps the context on disk; frames that it says are done are passed by, and the context of
                the next one is built again from the window before it.

        Yields:
            Every frame, from the first anchor on with its labels.

        Raises:
            InputError: If there is no frame.
        """
        starts = anchors.starts()
        tracks = Tracks(
            anchors.label_count, self.settings, backend=self.backend, precision=self.extractor.precision
        )
        done = memory.done if memory is not None else 0
        window = done - self.settings.context_frames

        def extract(batch: list[tuple[int, Frame]]) -> Tensor:
            return self.extractor(_as_batch([frame for _, frame in batch], input_size, antialias))

        def advance(batch: list[tuple[int, Frame]], anchor: Anchor | None = None) -> Iterator[Tracked]:
            features = extract(batch)  # [B, C, h, w]
            parts: list[Tensor] = (
                [] if tracks.is_empty else tracks.step(features)
            )  # one [B, K_t, h, w] a track
            reached = tracks.combine(parts) if anchor is None else _paint(tracks, features, parts, anchor)
            download = _Download(reached)
            context = [_Download(part) if part is not reached else download for part in parts]
            for number, (index, frame) in enumerate(batch):
                keep = None
                if memory is not None:
                    keep = partial(_keep, memory, index, number, context)
                yield Tracked(index, frame, partial(download.frame, number), keep)

        def pass_by(index: int, frame: Frame) -> None:
            """Build the context of the first frame that is not done."""
            anchor = starts.get(index)
            is_in_window = index >= window and not tracks.is_empty
            if memory is None or (anchor is None and not is_in_window):
                return
            features = extract([(index, frame)])
            if is_in_window:
                tracks.remember(features, memory.read(index))
            if anchor is not None:
                labels = torch.from_numpy(anchor.labels(*features.shape[2:]))
                tracks.paint(features[0], anchor.planes, labels, skipped=max(0, window - index - 1))

        index, batch = -1, list[tuple[int, Frame]]()
        at_once = 1
        try:
            for index, frame in enumerate(frames):
                if index < done:
                    pass_by(index, frame)
                    yield Tracked(index, frame, None)
                    continue
                if index == done:
                    at_once = self._frames_at_once(*(input_size or frame.shape[:2]))
                anchor = starts.get(index)
                if anchor is not None:
                    # What the next frames follow changes here: the frame is a batch of its own.
                    if batch:
                        yield from advance(batch)
                        batch = []
                    yield from advance([(index, frame)], anchor)
                    at_once = self._frames_at_once(*(input_size or frame.shape[:2]))
                elif tracks.is_empty:
                    yield Tracked(index, frame, None)
                else:
                    batch.append((index, frame))
                    if len(batch) == at_once:
                        yield from advance(batch)
                        batch = []
            if batch:
                yield from advance(batch)
        finally:
            tracks.close()
        if index < 0:
            raise InputError("The video has no frames.")


def _paint(tracks: Tracks, features: Tensor, parts: list[Tensor], anchor: Anchor) -> Tensor:
    """Let labels start on a frame; return all labels of the frame, [1, K, h, w]."""
    labels = torch.from_numpy(anchor.labels(*features.shape[2:])).to(features.device)
    arrived = tracks.combine(parts)[0] if parts else None
    tracks.paint(features[0], anchor.planes, labels)
    if arrived is None:
        if len(labels) == tracks.labels:
            return labels[None]
        arrived = labels.new_zeros(tracks.labels, *labels.shape[1:])
    return repaint(arrived, anchor.planes, labels)[None]


def _keep(memory: ContextMemory, index: int, number: int, context: list[_Download]) -> None:
    memory.write(index, [part.frame(number) for part in context])


class _Download:
    """Labels [B, K, h, w] on their way from the device; the thread that reads them waits."""

    def __init__(self, labels: Tensor) -> None:
        self._event: torch.cuda.Event | None = None
        if labels.is_cuda:
            self._labels = torch.empty(labels.shape, dtype=labels.dtype, pin_memory=True)
            self._labels.copy_(labels, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record()
        else:
            self._labels = labels.cpu()

    def frame(self, number: int) -> SoftLabels:
        if self._event is not None:
            self._event.synchronize()
        return self._labels[number].contiguous().numpy()


def _as_batch(frames: list[Frame], size: Size | None, antialias: bool) -> Tensor:
    if size is not None and size != frames[0].shape[:2]:
        import cv2

        height, width = size
        how = cv2.INTER_AREA if antialias else cv2.INTER_LINEAR
        frames = [np.asarray(cv2.resize(frame, (width, height), interpolation=how)) for frame in frames]
    return torch.from_numpy(np.stack(frames))  # [B, H, W, 3]


def _of_size(frame: Frame, size: Size, index: int) -> Frame:
    if frame.shape[:2] != size:
        raise InputError(
            f"Frame {index} has {frame.shape[1]}×{frame.shape[0]} pixels, the first mask "
            f"{size[1]}×{size[0]}.",
            "All frames of a sequence and its mask must have one size.",
        )
    return frame
