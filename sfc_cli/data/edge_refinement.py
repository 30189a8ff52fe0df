"""Labels that follow the edges of their frame: a colour guided filter (He, Sun and Tang, 2013)."""

from __future__ import annotations

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.soft_labels import SoftLabels

RADIUS = 8
# Colours in 0…1; a smaller value follows weaker edges.
EPSILON = 1e-4
# A share of objects so small is none.
_NOTHING = 1e-3


def refine_edges(labels: SoftLabels, frame: Frame, share: float) -> SoftLabels:
    """Mix labels with their guided filter.

    In each window of the filter the labels are taken for a linear function of the frame's colours,
    q = aᵀI + b, and each pixel gets the mean over the windows that it lies in. Where there is nothing but
    background the filter changes nothing, so only the rest is computed.

    Args:
        labels: float32 [K, H, W], background first; the planes sum to 1.
        frame: What guides, uint8 [H', W', 3], RGB; brought to H×W.
        share: Of the filtered labels in the mixture, 0…1.

    Returns:
        float32 [K, H, W], in 0…1.
    """
    import cv2

    height, width = labels.shape[1:]
    left, top, columns, rows = cv2.boundingRect((labels[0] < 1 - _NOTHING).astype(np.uint8))
    if not rows:
        return labels
    if frame.shape[:2] != (height, width):
        how = cv2.INTER_AREA if frame.shape[0] > height else cv2.INTER_LINEAR
        frame = np.asarray(cv2.resize(frame, (width, height), interpolation=how))
    # A pixel depends on those within two windows: so far around objects labels change, and as far around
    # these pixels the filter needs to see.
    changed, seen = (
        (
            slice(max(0, top - reach), top + rows + reach),
            slice(max(0, left - reach), left + columns + reach),
        )
        for reach in (2 * RADIUS, 4 * RADIUS)
    )
    filtered = _guided_filter(labels[(slice(1, None), *seen)], frame[seen])
    inner = (slice(a.start - b.start, a.stop - b.start) for a, b in zip(changed, seen, strict=True))
    refined = labels.copy()
    objects = refined[(slice(1, None), *changed)]
    objects *= 1 - share
    objects += share * filtered[(slice(None), *inner)]
    # The filter is linear and leaves a sum of 1 as it is.
    refined[0][changed] = 1 - objects.sum(0)
    # It reaches a little beyond what it filters.
    return np.clip(refined, 0, 1, out=refined)


def _guided_filter(planes: SoftLabels, frame: Frame) -> SoftLabels:
    """Filter planes [K, H, W] guided by a frame [H, W, 3]."""
    import cv2

    guide: SoftLabels = frame.astype(np.float32) / np.float32(255)
    size = (2 * RADIUS + 1, 2 * RADIUS + 1)

    def mean(values: SoftLabels) -> SoftLabels:
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT))

    mean_guide = mean(guide)  # [H, W, 3]
    # The six entries of the windows' symmetric covariance of colours: rr, rg, rb, gg, gb, bb.
    first, second = np.array([0, 0, 0, 1, 1, 2]), np.array([0, 1, 2, 1, 2, 2])
    covariance = np.stack(
        [
            mean(guide[..., i] * guide[..., j]) - mean_guide[..., i] * mean_guide[..., j]
            for i, j in zip(first, second, strict=True)
        ]
    )
    rr, rg, rb, gg, gb, bb = covariance
    rr, gg, bb = rr + EPSILON, gg + EPSILON, bb + EPSILON
    # The inverse of the symmetric 3×3 matrix, by cofactors.
    inverse = np.stack(
        [
            gg * bb - gb * gb,
            gb * rb - rg * bb,
            rg * gb - gg * rb,
            rr * bb - rb * rb,
            rb * rg - rr * gb,
            rr * gg - rg * rg,
        ]
    )
    inverse /= rr * inverse[0] + rg * inverse[1] + rb * inverse[2]
    irr, irg, irb, igg, igb, ibb = inverse
    filtered = np.empty_like(planes)
    for plane, out in zip(planes, filtered, strict=True):
        mean_plane = mean(plane)
        with_guide = [mean(guide[..., c] * plane) - mean_guide[..., c] * mean_plane for c in range(3)]
        red, green, blue = with_guide
        slope = np.dstack(
            [
                irr * red + irg * green + irb * blue,
                irg * red + igg * green + igb * blue,
                irb * red + igb * green + ibb * blue,
            ]
        )
        offset = mean_plane - (slope * mean_guide).sum(2)
        np.add((mean(slope) * guide).sum(2), mean(offset), out=out)
    return filtered
