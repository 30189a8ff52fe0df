"""Labels that follow the edges of their frame: a colour guided filter (He, Sun and Tang, 2013)."""

from __future__ import annotations

import numpy as np

from sfc_cli.data.frames import Frame
from sfc_cli.data.soft_labels import SoftLabels

RADIUS = 8
# Colours in 0…1; a smaller value follows weaker edges.
EPSILON = 1e-4


def refine_edges(labels: SoftLabels, frame: Frame, share: float) -> SoftLabels:
    """Mix labels with their guided filter.

    In each window of the filter the labels are taken for a linear function of the frame's colours,
    q = aᵀI + b, and each pixel gets the mean over the windows that it lies in.

    Args:
        labels: float32 [K, H, W].
        frame: What guides, uint8 [H', W', 3], RGB; brought to H×W.
        share: Of the filtered labels in the mixture, 0…1.

    Returns:
        float32 [K, H, W], in 0…1.
    """
    import cv2

    height, width = labels.shape[1:]
    if frame.shape[:2] != (height, width):
        how = cv2.INTER_AREA if frame.shape[0] > height else cv2.INTER_LINEAR
        frame = np.asarray(cv2.resize(frame, (width, height), interpolation=how))
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
    refined = np.empty_like(labels)
    for plane, out in zip(labels, refined, strict=True):
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
        filtered = (mean(slope) * guide).sum(2) + mean(offset)
        np.add((1 - share) * plane, share * filtered, out=out)
    # The filter reaches a little beyond what it filters.
    return np.clip(refined, 0, 1, out=refined)
