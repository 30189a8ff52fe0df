"""The one way of a sequence through the networks: frames and anchors in, the labels of every frame out."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import torch
from torch import Tensor

from sfc_cli.core.features import FeatureExtractor
from sfc_cli.core.propagation.long_memory import MOST_FRAMES
from sfc_cli.core.propagation.matching import require_reachable
from sfc_cli.core.propagation.tracks import Tracks, repaint
from sfc_cli.core.whitening import Whitening, fit_whitening
from sfc_cli.data.edge_refinement import refine_edges
from sfc_cli.data.frames import Frame
from sfc_cli.data.masks import Ids
from sfc_cli.data.soft_labels import Resolved, SoftLabels
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import in_bytes
from sfc_cli.inference.anchors import Anchor, Anchors, MaskAnchors
from sfc_cli.inference.resumption import ContextMemory
from sfc_cli.inference.upload import FrameUpload
from sfc_cli.settings.propagation import Backend, PropagationSettings

Size = tuple[int, int]

logger = logging.getLogger(__name__)

# Of this size, and up to four times as many of smaller ones: they fill a card as well.
_MOST_FRAMES_AT_ONCE = 8
_USUAL_PIXELS = 480 * 854
_MOST_OF_SMALL = 4
_MOST_SEQUENCES = 4
# Labels of a video's whole context, in half precision: 100 objects at 480p fit.
_LABEL_BYTES = 1 << 31
# What a ResNet-50's widest maps take per pixel and frame at once, measured generously.
_BYTES_PER_PIXEL = 400


@dataclass(frozen=True)
class Labelled:
    """One frame with its result.

    Args:
        index: The frame's index in the sequence.
        frame: uint8 [H, W, 3], RGB.
        resolve: Gives mask, confidence and soft labels; made to be called once, in any thread.
        keep: Keeps on disk what later frames of an interrupted run need of this one.
        is_done: Whether the result is on disk already, from a run that was interrupted.
    """

    index: int
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

    Raises:
        UsageError: If the backend has no long memory, and the settings want one.
    """

    def __init__(
        self, extractor: FeatureExtractor, settings: PropagationSettings, *, backend: Backend = "auto"
    ) -> None:
        if backend == "reference" and settings.memory_distance:
            raise UsageError("`long_memory` needs the `backend` windowed or fused.")
        self.extractor = extractor
        self.settings = settings
        self.backend = backend
        self._most_at_once = _MOST_FRAMES_AT_ONCE if extractor.device.type == "cuda" else 1
        self._upload = FrameUpload(extractor.device)

    def label_size(self, input_size: Size, anchors: Anchors) -> Size:
        """Return the height and width of the labels of frames that the networks see at a size."""
        stride = self.extractor.stride
        height, width = (-(-side // stride) for side in input_size)
        patch = 1
        if anchors.has_pixels:
            planes = sum(1 + len(anchor.planes) for anchor in anchors.starts().values())
            patch = _affordable_patch(self.settings, height * width, planes)
        return height * patch, width * patch

    def require_reachable(self, size: Size) -> None:
        """Make sure that frames of this height and width have enough cells for ``top_k`` votes.

        Raises:
            UsageError: If they have not.
        """
        height, width = size
        stride = self.extractor.stride
        require_reachable(-(-height // stride), -(-width // stride), self.settings)

    @property
    def most_at_once(self) -> int:
        """How many frames, however small, are taken at once at most."""
        return 1 if self.extractor.device.type != "cuda" else self._most_at_once * _MOST_OF_SMALL

    def sequences_at_once(self, size: Size) -> int:
        """Return how many sequences of small frames of a size are on their way at once: on a card several.

        While one begins or ends, the others keep the card busy.
        """
        is_small = _MOST_OF_SMALL * size[0] * size[1] <= _USUAL_PIXELS
        return _MOST_SEQUENCES if is_small and self.extractor.device.type == "cuda" else 1

    def use_less_memory(self) -> bool:
        """Work on half as many frames at once from now on; return False if it is one already."""
        if self._most_at_once == 1:
            return False
        self._most_at_once //= 2
        return True

    def _frames_at_once(self, height: int, width: int) -> int:
        """Choose how many frames a card takes at once: more small ones, fewer with little free memory."""
        if self.extractor.device.type != "cuda":
            return 1
        pixels = height * width
        most = self._most_at_once * min(_MOST_OF_SMALL, max(1, _USUAL_PIXELS // pixels))
        free, _ = torch.cuda.mem_get_info(self.extractor.device)
        return max(1, min(most, free // (2 * _BYTES_PER_PIXEL * pixels)))

    def run(
        self,
        frames: Iterable[Frame],
        anchors: Anchors | Ids,
        *,
        input_size: Size | None = None,
        antialias: bool = False,
    ) -> Iterator[Labelled]:
        """Propagate masks to the frames after them, holding only the context in memory.

        Args:
            frames: The frames in order, uint8 [H, W, 3], all of one size.
            anchors: Where labels start, or the first frame's mask, uint8 [H, W], whose 255 is void.
            input_size: Height and width to which frames are resized for the networks; None for their own.
            antialias: Resize by area, which suits frames much larger than ``input_size``.

        Yields:
            Every frame from the first anchor on; a painted mask is the result of its frame.

        Raises:
            InputError: If there is no frame, or a frame and the masks differ in size.
        """
        if isinstance(anchors, np.ndarray):
            anchors = MaskAnchors({0: anchors})
        checked = (_of_size(frame, anchors.size, index) for index, frame in enumerate(frames))
        for tracked in self.track(checked, anchors, input_size=input_size, antialias=antialias):
            if tracked.labels is not None:
                labels = self.refined(tracked.frame, tracked.labels)
                resolve = partial(anchors.resolve, tracked.index, labels)
                yield Labelled(tracked.index, tracked.frame, resolve)

    def refined(self, frame: Frame, labels: Callable[[], SoftLabels]) -> Callable[[], SoftLabels]:
        """Return what gives a frame's labels as they are resolved: on its edges, where that is set.

        What is refined never becomes context: propagated further, it would lose.

        Args:
            frame: uint8 [H, W, 3], RGB.
            labels: Gives the labels as they were propagated, float32 [K, h, w].
        """
        share = self.settings.edge_refinement
        return (lambda: refine_edges(labels(), frame, share)) if share else labels

    def track(
        self,
        frames: Iterable[Frame],
        anchors: Anchors,
        *,
        input_size: Size | None = None,
        antialias: bool = False,
        memory: ContextMemory | None = None,
        types: list[torch.dtype] | None = None,
    ) -> Iterator[Tracked]:
        """Propagate soft labels through the frames of a sequence.

        Args:
            frames: The frames in order, all of one size.
            anchors: Which labels start on which frames.
            input_size: Height and width to which frames are resized for the networks; None for their own.
            antialias: Resize by area, which suits frames much larger than ``input_size``.
            memory: Keeps the context on disk; frames that it says are done are passed by, and the context of
                the next one is built again from the window before it. It may also say where to stop.
            types: Empty; receives in what each network computes this video.

        Yields:
            Every frame, from the first anchor on with its labels.

        Raises:
            InputError: If there is no frame.
        """
        starts = anchors.starts()
        patch = 1
        whitening: Whitening | None = None
        types = [] if types is None else types
        tracks = Tracks(
            anchors.label_count,
            # Joints are points, which no cell shows as it does an object.
            self.settings if anchors.has_pixels else replace(self.settings, object_reach=0.0),
            backend=self.backend,
            precision="fast" if self.extractor.precision == "fast" else "exact",
        )
        done = memory.done if memory is not None else 0
        window = done - self.settings.context_frames

        def extract(batch: list[tuple[int, Frame]]) -> Tensor:
            nonlocal patch, whitening
            frames = _resized([frame for _, frame in batch], input_size, antialias)
            features = self.extractor(self._upload(frames), types)
            settings = self.settings
            if tracks.is_empty:
                # The frame of the first anchor, which comes before all others here, on every way to it.
                planes = sum(1 + len(anchor.planes) for anchor in starts.values())
                patch = (
                    _affordable_patch(settings, features[0, 0].numel(), planes) if anchors.has_pixels else 1
                )
                if settings.whitening is not None and whitening is None:
                    channels = settings.channels or features.shape[1]
                    whitening = fit_whitening(features[0], channels, settings.whitening)
            return features if whitening is None else whitening(features)

        def advance(batch: list[tuple[int, Frame]], anchor: Anchor | None = None) -> Iterator[Tracked]:
            features = extract(batch)  # [B, C, h, w]
            parts: list[Tensor] = (
                [] if tracks.is_empty else tracks.step(features)
            )  # one [B, K_t, h, w] a track
            reached = (
                tracks.combine(parts) if anchor is None else _paint(tracks, features, parts, anchor, patch)
            )
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
                labels = torch.from_numpy(anchor.labels(*_times(features.shape[2:], patch)))
                tracks.paint(features[0], anchor.planes, labels, skipped=max(0, window - index - 1))

        index, batch = -1, list[tuple[int, Frame]]()
        at_once = 1
        try:
            for index, frame in enumerate(frames):
                if memory is not None and index == memory.until:
                    break
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


def _paint(tracks: Tracks, features: Tensor, parts: list[Tensor], anchor: Anchor, patch: int) -> Tensor:
    """Let labels start on a frame; return all labels of the frame, [1, K, h, w]."""
    labels = torch.from_numpy(anchor.labels(*_times(features.shape[2:], patch))).to(features.device)
    arrived = tracks.combine(parts)[0] if parts else None
    tracks.paint(features[0], anchor.planes, labels)
    if arrived is None:
        if len(labels) == tracks.labels:
            return labels[None]
        arrived = labels.new_zeros(tracks.labels, *labels.shape[1:])
    return repaint(arrived, anchor.planes, labels)[None]


def _times(size: Sequence[int], patch: int) -> tuple[int, int]:
    height, width = size
    return height * patch, width * patch


def _affordable_patch(settings: PropagationSettings, cells: int, planes: int) -> int:
    """Return the side of the widest patch of labels, as set or narrower, whose memory is bounded.

    Args:
        settings: ``label_patch``, ``context_frames`` and ``long_memory`` are used.
        cells: N.
        planes: How many label planes all anchors have.
    """
    patch = settings.label_patch
    kept = MOST_FRAMES if settings.memory_distance else len(settings.memory_frames)
    frames = 1 + settings.context_frames + kept
    while patch > 1 and 2 * frames * cells * planes * patch**2 > _LABEL_BYTES:
        patch //= 2
    if patch < settings.label_patch:
        wide = settings.label_patch
        _warn_once(
            f"{planes} planes of labels: a cell carries {patch}×{patch} pixels of each in place of "
            f"{wide}×{wide}, which would take {in_bytes(2 * frames * cells * planes * wide**2)}"
        )
    return patch


@lru_cache(maxsize=16)
def _warn_once(message: str) -> None:
    logger.warning(message)


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


def _resized(frames: list[Frame], size: Size | None, antialias: bool) -> list[Frame]:
    if size is None or size == frames[0].shape[:2]:
        return frames
    import cv2

    height, width = size
    how = cv2.INTER_AREA if antialias and height < frames[0].shape[0] else cv2.INTER_LINEAR
    return [np.asarray(cv2.resize(frame, (width, height), interpolation=how)) for frame in frames]


def _of_size(frame: Frame, size: Size, index: int) -> Frame:
    if frame.shape[:2] != size:
        raise InputError(
            f"Frame {index} has {frame.shape[1]}×{frame.shape[0]} pixels, the first mask "
            f"{size[1]}×{size[0]}.",
            "All frames of a sequence and its mask must have one size.",
        )
    return frame
