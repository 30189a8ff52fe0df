"""Label propagation: one function over all backends, and its streaming form."""

from __future__ import annotations

import logging
from collections import deque
from functools import lru_cache
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation import reference
from sfc_cli.core.propagation.fused import FusedMatcher, why_not_fused
from sfc_cli.core.propagation.long_memory import LongMemory
from sfc_cli.core.propagation.matching import Matcher, memory_slots, require_reachable, slot_of
from sfc_cli.core.propagation.object_reach import ObjectReach
from sfc_cli.core.propagation.windowed import WindowedMatcher
from sfc_cli.errors import UsageError, require_choice
from sfc_cli.settings.propagation import Backend, PropagationSettings, VotePrecision

__all__ = ["LabelPropagator", "backend_for", "propagate_labels"]

logger = logging.getLogger(__name__)


@torch.no_grad()
def propagate_labels(
    features: Tensor,
    first_labels: Tensor,
    *,
    top_k: int = PropagationSettings.top_k,
    radius: float = PropagationSettings.radius,
    temperature: float = PropagationSettings.temperature,
    context_frames: int = PropagationSettings.context_frames,
    long_memory: int | tuple[int, ...] = PropagationSettings.long_memory,
    backend: Backend = "auto",
) -> Tensor:
    """Carry the first frame's labels through a video (SFC, section 3; the protocol of CRW).

    The soft label of cell q of frame t is the sum over the ``top_k`` context cells p of largest affinity
    f_q · f_p, weighted by the softmax of the affinities over ``temperature``. The context is frame 0 and the
    ``context_frames`` frames before t, with copies of frame 0 for those before the start; cells of the
    latter count only within ``radius``.

    Args:
        features: Unit features of all frames, [T, C, h, w]. All work is done on their device, in float32.
        first_labels: Soft labels of frame 0, [K, h, w].
        top_k: Votes per cell over all context frames together.
        radius: In cells; strict.
        temperature: Divides the affinities.
        context_frames: Length of the window; 0 for frame 0 alone.
        long_memory: See ``PropagationSettings``.
        backend: ``reference``, ``windowed``, ``fused``, or ``auto`` for the fastest that fits.

    Returns:
        Soft labels of all frames, float32 [T, K, h, w]; those of frame 0 are ``first_labels``.

    Raises:
        UsageError: If a setting is out of range, or ``top_k`` is beyond the reachable cells.
        ValueError: If the shapes do not belong together.
    """
    if (
        features.dim() != 4
        or first_labels.dim() != 3
        or features.shape[2:] != first_labels.shape[1:]
        or 0 in (*features.shape, *first_labels.shape)
    ):
        raise ValueError(
            f"features {tuple(features.shape)} and first_labels {tuple(first_labels.shape)} "
            "are not [T, C, h, w] and [K, h, w]"
        )
    settings = PropagationSettings(
        top_k=top_k,
        radius=radius,
        temperature=temperature,
        context_frames=context_frames,
        long_memory=long_memory,
    )
    first_labels = first_labels.to(features.device, torch.float32)
    if backend == "reference" and not settings.memory_distance:
        require_reachable(first_labels.shape[1], first_labels.shape[2], settings)
        return reference.propagate(features.float(), first_labels, settings)
    propagator = LabelPropagator(features[0], first_labels, settings, backend=backend)
    parts = [first_labels[None]]
    # Splitting nothing would give one empty batch.
    if len(features) > 1:
        parts += [propagator.step(batch) for batch in features[1:].split(propagator.frames_at_once)]
    return torch.cat(parts)


class LabelPropagator:
    """Carries labels through a video frame by frame, in memory that does not grow with its length.

    Args:
        first_features: Unit features of frame 0, [C, h, w].
        first_labels: Soft labels of frame 0, [K, p·h, p·w], on the same device; p > 1 makes a cell carry a
            patch of p × p.
        settings: How labels travel.
        backend: See ``propagate_labels``.
        precision: ``fast`` lets the fused backend take its votes from float16 affinities.
        skipped: Go on after so many frames; ``remember`` then tells those of the window.

    Raises:
        UsageError: If the backend is unknown, or ``top_k`` is beyond the reachable cells.
    """

    frames_at_once = 1
    """How many frames a ``step`` takes best; any number works."""

    def __init__(
        self,
        first_features: Tensor,
        first_labels: Tensor,
        settings: PropagationSettings,
        *,
        backend: Backend = "auto",
        precision: VotePrecision = "exact",
        skipped: int = 0,
    ) -> None:
        self.settings = settings
        self.backend = backend_for(backend, first_features.device)
        first_features = first_features.float()
        # A cell carries the labels of a patch of p × p pixels: K·p² planes, which travel as any others do.
        self._patch = first_labels.shape[1] // first_features.shape[1]
        first_labels = self._in_cells(first_labels.to(first_features))
        self._frame = skipped
        self._reach = ObjectReach(first_labels, self._patch, settings) if settings.object_reach else None
        if self.backend == "reference":
            if settings.memory_distance:
                raise UsageError("`long_memory` needs the `backend` windowed or fused.")
            require_reachable(first_labels.shape[1], first_labels.shape[2], settings)
            self._first = (first_features, first_labels)
            # The window begins full of copies of frame 0.
            self._window = deque([self._first] * settings.context_frames, maxlen=settings.context_frames)
            self._remembered = {0: self._first}
        else:
            self._matcher = _make_matcher(self.backend, first_features, settings, precision)
            self.frames_at_once = self._matcher.frames_at_once
            rows = first_labels.flatten(1).T  # [N, K·p²]
            # Half precision holds a label to 0.0005, and patches are what fills the memory.
            dtype = torch.float32 if self._patch == 1 else torch.float16
            slots = 1 + settings.context_frames + len(settings.memory_frames)
            self._memory = rows.new_zeros(slots, *rows.shape, dtype=dtype)
            self._memory[0] = rows
            self._matcher.skip(skipped)
            self._long = LongMemory(first_features, settings) if settings.memory_distance else None
            if self._long is not None:
                self.frames_at_once = 1

    def step(self, features: Tensor) -> Tensor:
        """Return the soft labels of the next B frames and make them context.

        Args:
            features: Unit features of the next frames, [B, C, h, w].

        Returns:
            float32 [B, K, h, w].
        """
        step = self._step_with_oracle if self.backend == "reference" else self._step_with_votes
        batches = features.float().split(self.frames_at_once)
        labels = torch.cat([step(batch) for batch in batches])  # [B, K·p², h, w]
        return labels if self._patch == 1 else self._in_pixels(labels)

    def _in_cells(self, labels: Tensor) -> Tensor:
        """Return labels [K, p·h, p·w] as those of cells, [K·p², h, w].

        Features of strided convolutions are centred on the first pixel of their cell, so the patch that a
        cell carries lies half before and half behind that pixel.
        """
        if self._patch == 1:
            return labels
        half = self._patch // 2
        centred = functional.pad(labels[None], (half, 0, half, 0), mode="replicate")[0]
        return functional.pixel_unshuffle(centred[:, :-half, :-half], self._patch)

    def _in_pixels(self, labels: Tensor) -> Tensor:
        """Return labels of cells [B, K·p², h, w] as those of pixels, [B, K, p·h, p·w]."""
        half = self._patch // 2
        centred = functional.pixel_shuffle(labels, self._patch).float()
        # Behind the last patch its last pixels go on.
        return functional.pad(centred[:, :, half:, half:], (0, half, 0, half), mode="replicate")

    def _follow_border(self, labels: Tensor) -> None:
        """Let what the first patches carry before the frame's border, in place, be what its pixels are.

        So a frame's labels [K·p², h, w] are those that its pixels say, as in the first frame and where
        ``remember`` goes on.
        """
        half = self._patch // 2
        patches = labels.unflatten(0, (-1, self._patch, self._patch))  # [K, p, p, h, w]
        patches[:, :half, :, 0] = patches[:, half : half + 1, :, 0].clone()
        patches[:, :, :half, :, 0] = patches[:, :, half : half + 1, :, 0].clone()

    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Make the next frame context without matching it, because its labels are known.

        Args:
            features: Unit features, [C, h, w].
            labels: Soft labels, [K, h, w].
        """
        features = features.float()
        labels = self._in_cells(labels.to(features))
        self._frame += 1
        if self.backend == "reference":
            self._append(features, labels)
            return
        self._matcher.remember(features)
        for slot in self._slots():
            self._memory[slot] = labels.flatten(1).T
        self._follow_objects(features.shape[1:])

    def _follow_objects(self, grid: torch.Size) -> None:
        """Note where the current frame shows the objects, as its labels are remembered."""
        slots = self._slots()
        if self._reach is not None and slots:
            self._reach.follow(self._memory[slots[0]].T.unflatten(1, grid))

    def _slots(self) -> list[int]:
        """Return where the labels of the current frame go: its place in the window, and the long memory."""
        window = self.settings.context_frames
        kept = memory_slots(self._frame, self.settings)
        return [slot_of(self._frame, window), *kept] if window else kept

    def _step_with_votes(self, features: Tensor) -> Tensor:
        rows = self._memory.flatten(0, 1)  # [(1+F)·N, K]
        result = []
        # A frame that waited for the one before knows which of its cells objects can reach.
        wanted = None if self._reach is None or len(features) > 1 else self._reach.cells().any(0)
        for query, weights, sources in zip(features, *self._matcher.advance(features, wanted), strict=True):
            labels = None if self._long is None else self._long.labels(query, weights, sources, rows)
            if labels is None:
                labels = _mixed(rows, weights, sources, wanted)  # [N, K·p²]
            if self._reach is not None:
                labels = self._reach.keep(labels, self._reach.cells())
            self._frame += 1
            for slot in self._slots():
                if self._long is not None:
                    self._long.replace(slot, self._frame, query, self._memory[slot])
                self._memory[slot] = labels
                if self._patch > 1:
                    self._follow_border(self._memory[slot].T.unflatten(1, features.shape[2:]))
            result.append(labels.T.unflatten(1, features.shape[2:]))
            self._follow_objects(features.shape[2:])
        return torch.stack(result)

    def _step_with_oracle(self, features: Tensor) -> Tensor:
        result = []
        for query in features:
            self._frame += 1
            memory = (
                self._remembered[frame] for frame in reference.long_memory_of(self._frame, self.settings)
            )
            context_features, context_labels = map(torch.stack, zip(*memory, *self._window, strict=True))
            labels = reference.propagate_frame(query, context_features, context_labels, self.settings)
            if self._reach is not None:
                kept = self._reach.keep(labels.flatten(1).T, self._reach.cells())
                labels = kept.T.unflatten(1, query.shape[1:]).contiguous()
            if self._patch > 1:
                self._follow_border(labels)
            self._append(query, labels)
            result.append(labels)
        return torch.stack(result)

    def _append(self, features: Tensor, labels: Tensor) -> None:
        """Let the current frame be context of the oracle."""
        self._window.append((features, labels))
        if self._reach is not None:
            self._reach.follow(labels)
        if memory_slots(self._frame, self.settings):
            self._remembered[self._frame] = (features, labels)


def _mixed(rows: Tensor, weights: Tensor, sources: Tensor, wanted: Tensor | None) -> Tensor:
    """Mix the label memory [R, K] by votes [N, k]: [N, K], which is 0 where it is not wanted."""
    if wanted is None or bool(wanted.all()):
        return functional.embedding_bag(sources, rows, mode="sum", per_sample_weights=weights.to(rows.dtype))
    labels = rows.new_zeros(len(weights), rows.shape[1])
    labels[wanted] = _mixed(rows, weights[wanted], sources[wanted], None)
    return labels


def backend_for(backend: Backend, device: torch.device) -> Backend:
    """Resolve ``auto`` for a device: ``fused`` on a CUDA device, else ``windowed``.

    Raises:
        UsageError: If there is no such backend.
    """
    require_choice("backend", backend, get_args(Backend))
    if backend != "auto":
        return backend
    return "fused" if device.type == "cuda" else "windowed"


def _make_matcher(
    backend: Backend, first: Tensor, settings: PropagationSettings, precision: VotePrecision
) -> Matcher:
    if backend == "fused":
        reason = why_not_fused(first, settings)
        if reason is None:
            return FusedMatcher(first, settings, precision)
        _warn_once(f"The fused backend cannot be used ({reason}); the windowed one is used instead.")
    return WindowedMatcher(first, settings)


@lru_cache(maxsize=16)
def _warn_once(message: str) -> None:
    logger.warning(message)
