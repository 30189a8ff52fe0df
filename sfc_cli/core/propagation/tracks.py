"""Labels that start on several frames: each object follows from the mask that painted it last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from sfc_cli.core.propagation import LabelPropagator
from sfc_cli.settings.propagation import Backend, PropagationSettings, VotePrecision

BACKGROUND = 0


@dataclass
class _Track:
    """The objects of one anchor frame on their way through the video.

    Args:
        propagator: Carries the planes of all objects painted there, background first.
        rows: For each object that still follows from this frame, by its plane among all labels: its plane in
            the propagator.
    """

    propagator: LabelPropagator
    rows: dict[int, int]


class Tracks:
    """Carries the labels of K planes, background first, from one or more anchor frames.

    An object belongs to the anchor that painted it last: that frame stays in its context for good, as frame 0
    does in the published method, of which one anchor that paints everything is the exact case. Anchors that
    own no object any more are dropped; every further one costs another matching of each frame.

    Args:
        labels: K, with the background.
        settings: How labels travel.
        backend: See ``propagate_labels``.
        precision: See ``LabelPropagator``.
    """

    def __init__(
        self,
        labels: int,
        settings: PropagationSettings,
        *,
        backend: Backend = "auto",
        precision: VotePrecision = "exact",
    ) -> None:
        self.labels = labels
        self._settings = settings
        self._backend: Backend = backend
        self._precision: VotePrecision = precision
        self._tracks: list[_Track] = []

    @property
    def is_empty(self) -> bool:
        """Whether no object has been painted yet."""
        return not self._tracks

    def step(self, features: Tensor) -> list[Tensor]:
        """Return what each anchor's labels say of the next B frames and make them context.

        Args:
            features: Unit features of the next frames, [B, C, h, w].

        Returns:
            For each anchor that still owns an object float32 [B, K_t, h, w]; ``combine`` joins them.
        """
        return [track.propagator.step(features) for track in self._tracks]

    def remember(self, features: Tensor, parts: Sequence[npt.NDArray[np.float32]]) -> None:
        """Make a frame context whose labels are known: what ``step`` returned of it in an earlier run.

        Args:
            features: Unit features of the frame, [1, C, h, w].
            parts: For each anchor [K_t, h, w].
        """
        for track, labels in zip(self._tracks, parts, strict=True):
            track.propagator.remember(features[0], torch.from_numpy(labels))

    def combine(self, parts: Sequence[Tensor]) -> Tensor:
        """Join what the anchors' labels say of B frames.

        Args:
            parts: What ``step`` returned, before anything else is painted.

        Returns:
            float32 [B, K, h, w]; the planes of objects that nobody has painted yet are 0.
        """
        # One anchor that painted every object is plain propagation, to the bit.
        if len(parts) == 1 and self._tracks[0].rows == {plane: plane for plane in range(1, self.labels)}:
            return parts[0]
        batch, _, height, width = parts[0].shape
        combined = torch.zeros(batch, self.labels, height, width, device=parts[0].device)
        background = torch.ones(batch, height, width, device=parts[0].device)
        for track, labels in zip(self._tracks, parts, strict=True):
            own = labels[:, list(track.rows.values())]
            combined[:, list(track.rows)] = own
            # A cell is background only as far as it is background to every anchor.
            background *= (1 - own.sum(1)).clamp_(0, 1)
        combined[:, BACKGROUND] = background
        return combined / combined.sum(1, keepdim=True).clamp_min(1e-12)

    def paint(self, features: Tensor, planes: Sequence[int], painted: Tensor, *, skipped: int = 0) -> None:
        """Let some objects follow from a frame from now on.

        The frame itself must have been given to ``step`` before, if anything was painted earlier.

        Args:
            features: The frame's unit features, [C, h, w].
            planes: The planes of the painted objects among all labels, from 1 to K − 1.
            painted: Their soft labels with the background first, [1 + len(planes), h, w].
            skipped: So many frames after it are neither matched nor remembered: they have left the window.
        """
        for track in self._tracks:
            track.rows = {plane: row for plane, row in track.rows.items() if plane not in planes}
        self._tracks = [track for track in self._tracks if track.rows]
        propagator = LabelPropagator(
            features,
            painted.to(features.device),
            self._settings,
            backend=self._backend,
            precision=self._precision,
            skipped=skipped,
        )
        self._tracks.append(_Track(propagator, {plane: row for row, plane in enumerate(planes, 1)}))

    def close(self) -> None:
        """Release the memory that the anchors' contexts take."""
        self._tracks = []


def repaint(labels: Tensor, planes: Sequence[int], painted: Tensor) -> Tensor:
    """Put painted objects into a frame's labels: they are as painted, the others give way to them.

    Args:
        labels: What was propagated to the frame, [K, h, w], background first.
        planes: The planes of the painted objects, from 1 to K − 1.
        painted: Their soft labels with the background first, [1 + len(planes), h, w].

    Returns:
        [K, h, w]; the planes sum to 1.
    """
    result = labels * (1 - painted[1:].sum(0)).clamp_(0, 1)
    result[list(planes)] = painted[1:]
    result[BACKGROUND] = 0
    result[BACKGROUND] = (1 - result.sum(0)).clamp_(0, 1)
    return result


def blend(forward: Tensor, backward: Tensor, weights: Tensor) -> Tensor:
    """Join the labels that reached a frame from an earlier and from a later mask.

    Args:
        forward: [K, h, w], background first.
        backward: [K, h, w].
        weights: Of the forward labels, object by object, in 0…1, [K − 1].

    Returns:
        [K, h, w]; the planes sum to 1.
    """
    share = weights[:, None, None].to(forward)
    objects = share * forward[1:] + (1 - share) * backward[1:]
    total = objects.sum(0)
    background = (1 - total).clamp_(0, 1)
    return torch.cat([background[None], objects]) / torch.maximum(total, torch.ones_like(total))
