"""Where labels start in a sequence, and what the labels of a frame become: masks of objects, or joints."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from sfc_cli.data.jhmdb import Joints, draw_joints
from sfc_cli.data.masks import VOID, Ids, object_ids
from sfc_cli.data.soft_labels import Resolved, SoftLabels, enlarge_labels, given_mask, shrink_mask


@dataclass(frozen=True)
class Anchor:
    """Labels that start, or start again, on one frame.

    Args:
        planes: Which of a sequence's label planes, background being plane 0.
        labels: Gives them for h and w with the background first, float32 [1 + len(planes), h, w].
    """

    planes: tuple[int, ...]
    labels: Callable[[int, int], SoftLabels]


class Anchors(ABC):
    """The labels of a sequence, by the index of the frame that they start on.

    Attributes:
        objects: The ids that the label planes after the background stand for.
        size: Height and width of the frames.
        has_pixels: Whether labels can be had at the resolution of pixels.
    """

    objects: Ids
    size: tuple[int, int]
    has_pixels = True

    @property
    def label_count(self) -> int:
        """How many label planes there are, with the background: K."""
        return 1 + len(self.objects)

    @property
    @abstractmethod
    def first(self) -> int:
        """The index of the earliest anchor."""

    @property
    @abstractmethod
    def last(self) -> int:
        """The index of the latest anchor."""

    @abstractmethod
    def starts(self) -> dict[int, Anchor]:
        """Return the anchors by the index of their frame."""

    @abstractmethod
    def resolve(self, index: int, labels: Callable[[], SoftLabels]) -> Resolved:
        """Turn a frame's labels into its result.

        Args:
            index: The frame's.
            labels: Gives its labels, float32 [K, h, w]; h and w are those of the labels, pixels or cells.
        """


class MaskAnchors(Anchors):
    """Masks on some frames; each says where the objects that it shows are, and nothing of others.

    Args:
        masks: Ids [H, W] by the index of their frame, all of one size.
    """

    def __init__(self, masks: Mapping[int, Ids]) -> None:
        self.masks = dict(sorted(masks.items()))
        self.shown = {index: object_ids(mask) for index, mask in self.masks.items()}
        self.objects = np.unique(np.concatenate(list(self.shown.values())))
        height, width = next(iter(self.masks.values())).shape
        self.size = height, width

    @property
    def first(self) -> int:
        """The index of the earliest mask."""
        return min(self.masks)

    @property
    def last(self) -> int:
        """The index of the latest mask."""
        return max(self.masks)

    def starts(self) -> dict[int, Anchor]:
        """Return where labels start."""
        return {
            index: Anchor(
                tuple((1 + np.searchsorted(self.objects, shown)).tolist()), partial(shrink_mask, mask, shown)
            )
            for (index, mask), shown in zip(self.masks.items(), self.shown.values(), strict=True)
        }

    def resolve(self, index: int, labels: Callable[[], SoftLabels]) -> Resolved:
        """Turn a frame's labels into its mask; what was painted on the frame stands as it was painted."""
        painted = self.masks.get(index)
        if painted is None:
            return enlarge_labels(labels(), self.objects, *self.size)
        if self.shows_all(index):
            return given_mask(painted, labels())
        return self._among_others(index, painted, labels())

    def shows_all(self, index: int) -> bool:
        """Return whether the mask of a frame shows every object, so that it is the result as it stands."""
        return len(self.shown[index]) == len(self.objects)

    def agrees(self, index: int, result: Ids) -> bool:
        """Return whether the result [H, W] of a painted frame may come from its mask."""
        mask = self.masks[index]
        if self.shows_all(index):
            return np.array_equal(result, mask)
        shown = self.shown[index]
        return np.array_equal(np.where(np.isin(result, shown), result, 0), np.where(mask == VOID, 0, mask))

    def lost_at(self, height: int, width: int) -> list[int]:
        """Return the objects that have no pixel left once their masks went through labels of h × w."""
        lost = set(self.objects.tolist())
        for mask, shown in zip(self.masks.values(), self.shown.values(), strict=True):
            if lost & set(shown.tolist()):
                labels = shrink_mask(mask, shown, height, width)
                lost -= set(np.unique(enlarge_labels(labels, shown, *self.size).mask).tolist())
        return sorted(lost)

    def _among_others(self, index: int, painted: Ids, labels: SoftLabels) -> Resolved:
        """Put a painted mask over the objects that it does not show."""
        shown = np.isin(self.objects, self.shown[index])
        others = np.concatenate([labels[:1] + labels[1:][shown].sum(0), labels[1:][~shown]])
        resolved = enlarge_labels(others, self.objects[~shown], *self.size)
        # Void says nothing of the objects that are not shown.
        certain = (painted != 0) & ((painted != VOID) | (resolved.mask == 0))
        mask = np.where(certain, painted, resolved.mask)
        confidence = np.where(certain & (painted != VOID), np.float32(1), resolved.confidence)
        return Resolved(mask, confidence, labels)

    def shares(self, index: int) -> SoftLabels:
        """Return how much of each object's label comes from an earlier mask where a later one shows it too.

        The share falls linearly from 1 on the earlier mask's frame to 0 on the later one's.

        Args:
            index: A frame's.

        Returns:
            float32 [K − 1], in 0…1; 1 where no later mask shows the object, 0 where no earlier one does.
        """
        result = np.ones(len(self.objects), np.float32)
        for plane, identity in enumerate(self.objects):
            painted = [where for where, shown in self.shown.items() if identity in shown]
            before = max((where for where in painted if where <= index), default=None)
            after = min((where for where in painted if where >= index), default=None)
            if before is None:
                result[plane] = 0
            elif after is not None and after > before:
                result[plane] = (after - index) / (after - before)
        return result

    def reversed(self, count: int) -> MaskAnchors:
        """Return the same masks for the same ``count`` frames in reverse order."""
        return MaskAnchors({count - 1 - index: mask for index, mask in self.masks.items()})


class JointAnchors(Anchors):
    """The joints of a video's first frame, one label plane each.

    Joints overlap and leave no background: its plane stays empty.

    Args:
        joints: In pixels, float64 [J, 2].
        size: Height and width of the frames.
    """

    first = last = 0
    has_pixels = False

    def __init__(self, joints: Joints, size: tuple[int, int]) -> None:
        self.joints, self.size = joints, size
        self.objects = np.arange(1, 1 + len(joints), dtype=np.uint8)

    def starts(self) -> dict[int, Anchor]:
        """Return the first frame's joints as labels."""
        return {0: Anchor(tuple(self.objects.tolist()), self._draw)}

    def resolve(self, index: int, labels: Callable[[], SoftLabels]) -> Resolved:  # noqa: ARG002
        """Return the labels alone: joints have no mask."""
        nothing = np.zeros((0, 0), np.uint8)
        return Resolved(nothing, nothing.astype(np.float32), labels())

    def _draw(self, height: int, width: int) -> SoftLabels:
        drawn = draw_joints(self.joints, self.size, height, width)
        return np.concatenate([np.zeros_like(drawn[:1]), drawn])
