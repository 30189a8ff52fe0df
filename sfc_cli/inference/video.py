"""One video: a stream of frames and masks on some of them in, a stream of soft labels out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation.tracks import Tracks, repaint
from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import Resolved, SoftLabels
from sfc_cli.errors import InputError
from sfc_cli.inference.painting import Anchor, PaintedMasks
from sfc_cli.settings.propagation import Backend, PropagationSettings

Size = tuple[int, int]

_MOST_FRAMES_AT_ONCE = 8
# What a ResNet-50's widest maps take per pixel and frame at once, measured generously.
_BYTES_PER_PIXEL = 400


@dataclass(frozen=True)
class Labelled:
    """One frame with its labels.

    Args:
        frame: uint8 [H, W, 3], RGB.
        resolve: Gives mask, confidence and soft labels; made to be called once, in any thread.
    """

    frame: Frame
    resolve: Callable[[], Resolved]

    def mask(self) -> Ids:
        """Return the ids, uint8 [H, W]."""
        return self.resolve().mask


class Tracked(NamedTuple):
    """One frame with its soft labels.

    Args:
        place: The frame's place among those given.
        frame: uint8 [H, W, 3], RGB.
        labels: Gives float32 [K, h, w], in any thread; None before the first anchor.
    """

    place: int
    frame: Frame
    labels: Callable[[], SoftLabels] | None


class VideoPropagator:
    """Carries first masks through videos with one set of networks and settings.

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
        """Work on half as many frames at once from now on; False if it is one already."""
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
        self,
        frames: Iterable[Frame],
        first_mask: Ids,
        *,
        input_size: Size | None = None,
    ) -> Iterator[Labelled]:
        """Propagate a first mask through a video's frames, holding only the context in memory.

        Args:
            frames: The video's frames in order, all of one size.
            first_mask: Ids of the first frame, uint8 [H, W]; 255 is void and is not propagated.
            input_size: Height and width to which frames are resized for the networks; None for their own.

        Yields:
            Every frame with its mask; that of the first frame is ``first_mask`` itself.

        Raises:
            InputError: If there is no frame, or the mask and a frame differ in size.
        """
        painted = PaintedMasks({0: first_mask})
        checked = (_of_size(frame, first_mask, number) for number, frame in enumerate(frames))
        for tracked in self.track(checked, painted.anchors(), painted.labels, input_size=input_size):
            assert tracked.labels is not None  # the anchor is the first frame
            yield Labelled(tracked.frame, partial(painted.resolve, tracked.place, tracked.labels))

    def track(
        self,
        frames: Iterable[Frame],
        anchors: Mapping[int, Anchor],
        labels: int,
        *,
        input_size: Size | None = None,
        antialias: bool = False,
    ) -> Iterator[Tracked]:
        """Propagate soft labels through a video's frames, from one frame or from several.

        Args:
            frames: The video's frames in order, all of one size.
            anchors: Which labels start on which frames, by their places from 0.
            labels: K, with the background.
            input_size: Height and width to which frames are resized for the networks; None for their own.
            antialias: Resize by area, which suits frames much larger than ``input_size``.

        Yields:
            Every frame, from the first anchor on with its labels.

        Raises:
            InputError: If there is no frame.
        """
        tracks = Tracks(labels, self.settings, backend=self.backend, precision=self.extractor.precision)

        def advance(batch: list[tuple[int, Frame]], anchor: Anchor | None = None) -> Iterator[Tracked]:
            features = self.extractor(_as_batch([frame for _, frame in batch], input_size, antialias))
            reached = tracks.step(features) if anchor is None else _anchored(tracks, features, anchor)
            download = _Download(reached)
            for number, (place, frame) in enumerate(batch):
                yield Tracked(place, frame, partial(download.frame, number))

        place, batch = -1, list[tuple[int, Frame]]()
        try:
            for place, frame in enumerate(frames):
                anchor = anchors.get(place)
                if anchor is not None:
                    # What the next frames follow changes here: the frame is a batch of its own.
                    if batch:
                        yield from advance(batch)
                        batch = []
                    yield from advance([(place, frame)], anchor)
                    at_once = self._frames_at_once(*(input_size or frame.shape[:2]))
                elif tracks.is_empty:
                    yield Tracked(place, frame, None)
                else:
                    batch.append((place, frame))
                    if len(batch) == at_once:
                        yield from advance(batch)
                        batch = []
            if batch:
                yield from advance(batch)
        finally:
            tracks.close()
        if place < 0:
            raise InputError("The video has no frame.")


def _anchored(tracks: Tracks, features: Tensor, anchor: Anchor) -> Tensor:
    """Let labels start on a frame; return all labels of the frame, [1, K, h, w]."""
    labels = torch.from_numpy(anchor.labels(*features.shape[2:])).to(features.device)
    arrived = None if tracks.is_empty else tracks.step(features)[0]
    tracks.paint(features[0], anchor.planes, labels)
    if arrived is None:
        if len(labels) == tracks.labels:
            return labels[None]
        arrived = labels.new_zeros(tracks.labels, *labels.shape[1:])
    return repaint(arrived, anchor.planes, labels)[None]


class _Download:
    """Soft labels [B, K, h, w] on their way from the device; the thread that reads them waits."""

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


def _of_size(frame: Frame, mask: Ids, number: int) -> Frame:
    if frame.shape[:2] != mask.shape:
        raise InputError(
            f"Frame {number} has {frame.shape[1]}×{frame.shape[0]} pixels, the first mask "
            f"{mask.shape[1]}×{mask.shape[0]}.",
            "All frames of a sequence and its mask must have one size.",
        )
    return frame
