"""Where objects may be: near where they were, frame by frame, as long as the window shows them."""

from __future__ import annotations

import torch
from torch import Tensor

from sfc_cli.settings.propagation import PropagationSettings

# A cell shows an object if one of its pixels has a label of at least this.
_SHOWN = 0.5


class ObjectReach:
    """Keeps the labels of objects within reach of where they were last seen.

    Frame 0 votes from any distance, and so an object would appear wherever something looks like it. Here it
    stays in cells less than ``object_reach`` from those that showed it in the frame before. After n frames
    that do not show it, it may be (1 + n)² times as far away, so a leap costs it a frame or two; once no
    frame of the window shows it, it may be anywhere.

    Args:
        labels: Of frame 0, background first, [K·p², h, w].
        patch: p.
        settings: ``object_reach``, above 0, and ``context_frames`` are used.
    """

    def __init__(self, labels: Tensor, patch: int, settings: PropagationSettings) -> None:
        self._planes = patch * patch  # of each label
        self._settings = settings
        objects = len(labels) // self._planes - 1
        # The squared distance of each cell from the nearest that showed the object, and for how many frames
        # none has shown it since.
        self._squared = labels.new_full((objects, *labels.shape[1:]), float("inf"), dtype=torch.float32)
        self._hidden = self._squared.new_full((objects, 1, 1), settings.context_frames)
        self.follow(labels)

    def cells(self) -> Tensor:
        """Return where each object may be in the next frame, bool [K − 1, N]."""
        reach = self._settings.object_reach * (1 + self._hidden).square()
        # The window shows nothing of what has been hidden for all of its frames.
        near = (self._squared < reach * reach) | (self._hidden >= self._settings.context_frames)
        return near.flatten(1)

    def keep(self, labels: Tensor, cells: Tensor) -> Tensor:
        """Give the background what objects have beyond their reach.

        Args:
            labels: Of the next frame, [N, K·p²].
            cells: What ``cells`` returned.

        Returns:
            [N, K·p²]; where no object may be there is nothing but background.
        """
        every = labels.unflatten(1, (-1, self._planes))  # [N, K, p²]
        near = cells.T[..., None]  # [N, K − 1, 1]
        objects = every[:, 1:] * near
        background = every[:, 0] + (every[:, 1:] * ~near).sum(1)
        background = background.where(near.any(1), 1)
        return torch.cat([background[:, None], objects], 1).flatten(1)

    def follow(self, labels: Tensor) -> None:
        """Note where a frame shows the objects.

        Args:
            labels: Of the frame, [K·p², h, w].
        """
        shown = labels.unflatten(0, (-1, self._planes))[1:].amax(1) >= _SHOWN  # [K − 1, h, w]
        is_seen = shown.flatten(1).any(1)[:, None, None]
        squared = torch.stack([_squared_distance(one) for one in shown]) if len(shown) else self._squared
        self._squared = squared.where(is_seen, self._squared)
        self._hidden = torch.where(is_seen, 0, self._hidden + 1)


def _squared_distance(shown: Tensor) -> Tensor:
    """Return the squared distance of every cell from the nearest that is shown, float32 [h, w]."""
    y, x = (torch.arange(side, device=shown.device, dtype=torch.float32) for side in shown.shape)
    rows = torch.zeros_like(shown, dtype=torch.float32).masked_fill_(~shown, float("inf"))  # [h, w]
    # Over the columns of each row first, then over the rows.
    rows = ((x[:, None] - x).square() + rows[:, None]).amin(2)  # [h, w]
    return ((y[:, None] - y).square()[..., None] + rows).amin(1)
