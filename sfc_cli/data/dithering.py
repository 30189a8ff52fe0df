"""Takes dithering out of masks: programs imitate colours that a palette lacks by patterns of others."""

from __future__ import annotations

import numpy as np

from sfc_cli.data.colour_index import index_colours
from sfc_cli.data.colours import Colours

# Shares of the pixels that have not the most frequent colour: of dithered areas few are even, and nearly all
# once the patterns are smoothed.
_HARDLY_EVEN, _MOSTLY_EVEN = 0.45, 0.6
# How far colours of a smoothed area may still differ within a 3×3 square, in any channel.
_EVEN = 24
# Patterns repeat within so many pixels.
_WINDOW = 5


def without_dithering(image: Colours) -> Colours | None:
    """Return an image [H, W, 3] with flat colours in place of dithered ones; None if it has none such."""
    import cv2

    index = index_colours(image)
    frequent = index.counts.argmax()
    shown = index.numbers != frequent
    is_all = bool(shown.mean() > 0.5)
    if not shown.any() or index.solid[shown].mean() > _HARDLY_EVEN:
        return None
    plain = np.asarray(cv2.medianBlur(image, _WINDOW), np.uint8)
    # Even the background may be a pattern.
    left = shown | True if is_all else (plain != index.colours[frequent]).any(axis=2)
    square = np.ones((3, 3), np.uint8)
    spread = cv2.subtract(cv2.dilate(plain, square), cv2.erode(plain, square)).max(axis=2)
    # Strokes and small objects are gone after smoothing, or no more even than before.
    if left.sum() < _MOSTLY_EVEN * shown.sum() or (spread[left] <= _EVEN).mean() < _MOSTLY_EVEN:
        return None
    return plain
