"""Label propagation: one function over all backends, and its streaming form."""

from __future__ import annotations

import logging
from functools import lru_cache
from typing import get_args

import torch
from torch import Tensor
from torch.nn import functional

from sfc_cli.core.propagation.context import FIRST_SLOT, slot_of
from sfc_cli.core.propagation.fused import FusedMatcher, is_supported
from sfc_cli.core.propagation.matching import Matcher
from sfc_cli.core.propagation.reference import ReferenceMatcher
from sfc_cli.core.propagation.windowed import WindowedMatcher
from sfc_cli.errors import UsageError
from sfc_cli.settings.propagation import Backend, Precision, PropagationSettings

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
    backend: Backend = "auto",
) -> Tensor:
    """Carry the first frame's labels through a video (SFC, section 3; the protocol of CRW).

    The soft label of cell q of frame t is the sum over the ``top_k`` context cells p of largest affinity
    f_q · f_p, weighted by the softmax of the affinities over ``temperature``. The context is frame 0 and the
    ``context_frames`` frames before t, frame 0 standing in for frames before the start; cells of the latter
    count only nearer than ``radius``.

    Args:
        features: Unit features of all frames, [T, C, h, w]. All work is done on their device, in float32.
        first_labels: Soft labels of frame 0, [K, h, w].
        top_k: Votes per cell over all context frames together.
        radius: In cells; strict.
        temperature: Divides the affinities.
        context_frames: Length of the window.
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
        top_k=top_k, radius=radius, temperature=temperature, context_frames=context_frames
    )
    first_labels = first_labels.to(features.device, torch.float32)
    propagator = LabelPropagator(features[0], first_labels, settings, backend=backend)
    try:
        parts = [first_labels[None]]
        # Splitting nothing would give one empty batch.
        if len(features) > 1:
            parts += [propagator.step(batch) for batch in features[1:].split(propagator.frames_at_once)]
        return torch.cat(parts)
    finally:
        propagator.close()


class LabelPropagator:
    """Carries labels through a video frame by frame, in memory that does not grow with its length.

    Args:
        first_features: Unit features of frame 0, [C, h, w].
        first_labels: Soft labels of frame 0, [K, h, w], on the same device.
        settings: How labels travel.
        backend: See ``propagate_labels``.
        precision: ``fast`` lets the fused backend take its votes from float16 affinities.
        skipped: Go on after so many frames, of which the newest are then told by ``remember``.
    """

    def __init__(
        self,
        first_features: Tensor,
        first_labels: Tensor,
        settings: PropagationSettings,
        *,
        backend: Backend = "auto",
        precision: Precision = "exact",
        skipped: int = 0,
    ) -> None:
        self.settings = settings
        self.backend = backend_for(backend, first_features.device)
        self._matcher = _make_matcher(self.backend, first_features.float(), settings, precision)
        labels, cells = first_labels.shape[0], self._matcher.cells
        self._memory = torch.zeros(1 + settings.context_frames, cells, labels, device=first_features.device)
        self._memory[FIRST_SLOT] = first_labels.flatten(1).T
        self._frame = skipped
        self._matcher.skip(skipped)

    @property
    def frames_at_once(self) -> int:
        """How many frames a ``step`` takes best; any number works."""
        return self._matcher.frames_at_once

    def step(self, features: Tensor) -> Tensor:
        """Return the soft labels of the next B frames and make them context.

        Args:
            features: Unit features of the next frames, [B, C, h, w].

        Returns:
            float32 [B, K, h, w].
        """
        weights, sources = self._matcher.advance(features.float())
        rows = self._memory.flatten(0, 1)  # [(1+F)·N, K]
        result = []
        for frame_weights, frame_sources in zip(weights, sources, strict=True):
            labels = functional.embedding_bag(
                frame_sources, rows, mode="sum", per_sample_weights=frame_weights
            )  # [N, K]
            self._frame += 1
            self._memory[slot_of(self._frame, self.settings.context_frames)] = labels
            result.append(labels.T.unflatten(1, (self._matcher.height, self._matcher.width)))
        return torch.stack(result)

    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Make the next frame context without matching it, because its labels are known.

        Args:
            features: Unit features, [C, h, w].
            labels: Soft labels, [K, h, w].
        """
        self._matcher.remember(features.float())
        self._frame += 1
        slot = slot_of(self._frame, self.settings.context_frames)
        self._memory[slot] = labels.to(self._memory.device).flatten(1).T

    def close(self) -> None:
        """Give back what the backend holds."""
        self._matcher.close()


def backend_for(backend: Backend, device: torch.device) -> Backend:
    """Resolve ``auto`` for a device: ``fused`` on a CUDA device, else ``windowed``.

    Raises:
        UsageError: If there is no such backend.
    """
    if backend not in get_args(Backend):
        raise UsageError(
            f"--backend {backend!r} is not known.", f"Choose one of: {', '.join(get_args(Backend))}."
        )
    if backend != "auto":
        return backend
    return "fused" if device.type == "cuda" else "windowed"


def _make_matcher(
    backend: Backend, first: Tensor, settings: PropagationSettings, precision: Precision
) -> Matcher:
    if backend == "reference":
        return ReferenceMatcher(first, settings)
    if backend == "fused":
        reason = is_supported(first, settings)
        if reason is None:
            return FusedMatcher(first, settings, precision)
        _say_once(f"The fused backend is not possible ({reason}): the windowed one takes its place.")
    return WindowedMatcher(first, settings)


@lru_cache(maxsize=16)
def _say_once(remark: str) -> None:
    logger.warning(remark)
