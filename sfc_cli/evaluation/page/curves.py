"""Small curves of J and F over time, as SVG inside the page."""

from __future__ import annotations

from html import escape

import numpy as np

from sfc_cli.evaluation.scores import ObjectScores
from sfc_cli.evaluation.statistics import Curve

_WIDTH, _HEIGHT, _MARGIN = 160, 36, 2
_MOST_POINTS = 160


def curves(scores: ObjectScores) -> str:
    """Draw an object's J and F over its frames; long videos are averaged down to 160 points."""
    ranges = ", ".join(
        f"{letter} {curve.min():.2f} to {curve.max():.2f}"
        for letter, curve in (("J", scores.region), ("F", scores.boundary))
    )
    label = escape(f"{scores.name}, {len(scores.frames)} frames: {ranges}")
    middle = _y(0.5)
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}" preserveAspectRatio="none">'
        f"<title>{label}</title>"
        f'<line x1="0" x2="{_WIDTH}" y1="{middle}" y2="{middle}"/>'
        f'<polyline class="boundary" points="{_points(scores.boundary)}"/>'
        f'<polyline class="region" points="{_points(scores.region)}"/></svg>'
    )


def _points(curve: Curve) -> str:
    if len(curve) > _MOST_POINTS:
        curve = np.array([part.mean() for part in np.array_split(curve, _MOST_POINTS)])
    if len(curve) == 1:
        curve = np.repeat(curve, 2)
    places = np.linspace(_MARGIN, _WIDTH - _MARGIN, len(curve))
    return " ".join(f"{x:.1f},{_y(float(value))}" for x, value in zip(places, curve, strict=True))


def _y(value: float) -> str:
    return f"{_HEIGHT - _MARGIN - value * (_HEIGHT - 2 * _MARGIN):.1f}"
