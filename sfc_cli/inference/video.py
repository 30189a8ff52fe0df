"""One video: a stream of frames and the first mask in, a stream of soft labels out."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import Tensor

from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation import LabelPropagator
from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import Ids, object_ids
from sfc_cli.data.soft_labels import Resolved, SoftLabels, enlarge_labels, given_mask, shrink_mask
from sfc_cli.errors import InputError
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
        self, frames: Iterable[Frame], first_mask: Ids, *, input_size: Size | None = None
    ) -> Iterator[Labelled]:
        """Propagate a first mask through a video's frames, holding only the context in memory.

        Args:
            frames: The video's frames in order, all of one size.
            first_mask: Ids of the first frame, uint8 [H, W]; 255 is void and is not propagated.
            input_size: Height and width to which frames are resized for the networks; None for their own.

        Yields:
            Every frame with its mask; that of the first frame is ``first_mask`` itself.

        Raises:
            InputError: If the mask and a frame differ in size.
        """
        objects = object_ids(first_mask)
        checked = (_of_size(frame, first_mask, number) for number, frame in enumerate(frames))
        given: list[SoftLabels] = []

        def shrink(height: int, width: int) -> SoftLabels:
            given.append(shrink_mask(first_mask, objects, height, width))
            return given[0]

        for frame, labels in self.soft_labels(checked, shrink, input_size):
            if labels is None:
                yield Labelled(frame, partial(given_mask, first_mask, given[0]))
            else:
                yield Labelled(frame, _Enlarged(labels, objects, *first_mask.shape))

    def soft_labels(
        self,
        frames: Iterable[Frame],
        first_labels: Callable[[int, int], SoftLabels],
        input_size: Size | None = None,
    ) -> Iterator[tuple[Frame, Callable[[], SoftLabels] | None]]:
        """Propagate soft labels through a video's frames.

        Args:
            frames: The video's frames in order, all of one size.
            first_labels: Gives the first frame's labels [K, h, w] for h and w.
            input_size: Height and width to which frames are resized for the networks; None for their own.

        Yields:
            Every frame with a function that gives its labels, float32 [K, h, w], in any thread; None for
            the first.

        Raises:
            InputError: If there is no frame.
        """
        stream = iter(frames)
        first = next(stream, None)
        if first is None:
            raise InputError("The video has no frame.")

        features = self.extractor(_as_batch([first], input_size))
        height, width = features.shape[2:]
        propagator = LabelPropagator(
            features[0],
            torch.from_numpy(first_labels(height, width)).to(features.device),
            self.settings,
            backend=self.backend,
            precision=self.extractor.precision,
        )
        at_once = self._frames_at_once(*(input_size or first.shape[:2]))
        try:
            yield first, None
            while batch := list(itertools.islice(stream, at_once)):
                labels = _Download(propagator.step(self.extractor(_as_batch(batch, input_size))))
                for number, frame in enumerate(batch):
                    yield frame, partial(labels.frame, number)
        finally:
            propagator.close()


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


class _Enlarged:
    """Enlarges one frame's soft labels when called."""

    def __init__(self, labels: Callable[[], SoftLabels], objects: Ids, height: int, width: int) -> None:
        self._labels, self._objects = labels, objects
        self._height, self._width = height, width

    def __call__(self) -> Resolved:
        return enlarge_labels(self._labels(), self._objects, self._height, self._width)


def _as_batch(frames: list[Frame], size: Size | None) -> Tensor:
    if size is not None:
        import cv2

        height, width = size
        frames = [
            np.asarray(cv2.resize(frame, (width, height), interpolation=cv2.INTER_LINEAR)) for frame in frames
        ]
    return torch.from_numpy(np.stack(frames))  # [B, H, W, 3]


def _of_size(frame: Frame, mask: Ids, number: int) -> Frame:
    if frame.shape[:2] != mask.shape:
        raise InputError(
            f"Frame {number} has {frame.shape[1]}×{frame.shape[0]} pixels, the first mask "
            f"{mask.shape[1]}×{mask.shape[0]}.",
            "All frames of a sequence and its mask must have one size.",
        )
    return frame
