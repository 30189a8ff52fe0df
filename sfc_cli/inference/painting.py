"""Masks painted on some frames of a video: where labels start from them, and how they look in the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from sfc_cli.data.masks import VOID, Ids, object_ids
from sfc_cli.data.soft_labels import Resolved, SoftLabels, enlarge_labels, given_mask, shrink_mask


@dataclass(frozen=True)
class Anchor:
    """Labels that start, or start anew, on one frame.

    Args:
        planes: Which of a run's label planes, background being plane 0.
        labels: Gives them with the background first, float32 [1 + len(planes), h, w], for h and w.
    """

    planes: tuple[int, ...]
    labels: Callable[[int, int], SoftLabels]


class PaintedMasks:
    """The masks of one video; each says of the objects that it shows where they are, and of no other.

    Args:
        masks: Ids [H, W] by the frame's place among those that are propagated, all of one size.
    """

    def __init__(self, masks: Mapping[int, Ids]) -> None:
        self._masks = dict(sorted(masks.items()))
        self._shown = {place: object_ids(mask) for place, mask in self._masks.items()}
        self.objects: Ids = np.unique(np.concatenate(list(self._shown.values())))
        self.height, self.width = next(iter(self._masks.values())).shape

    @property
    def first(self) -> int:
        """The place of the earliest mask."""
        return min(self._masks)

    @property
    def last(self) -> int:
        """The place of the latest mask."""
        return max(self._masks)

    @property
    def labels(self) -> int:
        """How many label planes there are, with the background."""
        return 1 + len(self.objects)

    def anchors(self) -> dict[int, Anchor]:
        """Return where labels start."""
        return {
            place: Anchor(
                tuple((1 + np.searchsorted(self.objects, shown)).tolist()), partial(shrink_mask, mask, shown)
            )
            for (place, mask), shown in zip(self._masks.items(), self._shown.values(), strict=True)
        }

    def resolve(self, place: int, labels: Callable[[], SoftLabels]) -> Resolved:
        """Turn a frame's labels into its mask; what was painted on the frame stands as it was painted.

        Args:
            place: The frame's place.
            labels: Gives its labels, float32 [K, h, w].
        """
        painted = self._masks.get(place)
        if painted is None:
            return enlarge_labels(labels(), self.objects, self.height, self.width)
        if len(self._shown[place]) == len(self.objects):
            return given_mask(painted, labels())
        return self._among_others(place, painted, labels())

    def _among_others(self, place: int, painted: Ids, labels: SoftLabels) -> Resolved:
        """Put a painted mask over the objects that it does not show."""
        shown = np.isin(self.objects, self._shown[place])
        others = np.concatenate([labels[:1] + labels[1:][shown].sum(0), labels[1:][~shown]])
        resolved = enlarge_labels(others, self.objects[~shown], self.height, self.width)
        # Void says nothing of the objects that are not shown.
        certain = (painted != 0) & ((painted != VOID) | (resolved.mask == 0))
        mask = np.where(certain, painted, resolved.mask)
        confidence = np.where(certain & (painted != VOID), np.float32(1), resolved.confidence)
        return Resolved(mask, confidence, labels)

    def shares(self, place: int) -> SoftLabels:
        """Return how much of each object's label comes from an earlier mask where a later one shows it too.

        The share falls linearly from 1 on the earlier mask's frame to 0 on the later one's.

        Args:
            place: A frame's place.

        Returns:
            float32 [K − 1], in 0…1; 1 where no later mask shows the object, 0 where no earlier one does.
        """
        result = np.ones(len(self.objects), np.float32)
        for index, identity in enumerate(self.objects):
            places = [where for where, shown in self._shown.items() if identity in shown]
            before = max((where for where in places if where <= place), default=None)
            after = min((where for where in places if where >= place), default=None)
            if before is None:
                result[index] = 0
            elif after is not None and after > before:
                result[index] = (after - place) / (after - before)
        return result

    def turned_round(self, frames: int) -> PaintedMasks:
        """Return the same masks for the same frames in reverse order.

        Args:
            frames: How many there are.
        """
        return PaintedMasks({frames - 1 - place: mask for place, mask in self._masks.items()})
