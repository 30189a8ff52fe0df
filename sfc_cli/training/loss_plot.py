"""The loss over the steps as a picture, with validations, drawn now and then while a training runs."""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from sfc_cli.errors import InputError
from sfc_cli.files import write_bytes
from sfc_cli.training.metrics import StepRecord, ValidationRecord, read_metrics

PLOT_NAME = "loss.png"
_SECONDS_BETWEEN = 60.0

_WIDTH, _HEIGHT = 960, 540
_LEFT, _TOP, _RIGHT, _BOTTOM = 80, 40, 80, 60
_FONT_SIZE = 16
_TICKS = 5
_SMOOTHING = 0.02
_INK, _GRID, _RAW, _SMOOTH, _SCORE = "#222222", "#dddddd", "#b9cfe4", "#1f5f99", "#c2571a"

Curve = npt.NDArray[np.float64]  # [points, 2], of step and value


class LossPlot:
    """Draws ``loss.png``, at most once a minute and at the end.

    Args:
        folder: The training's output folder.
        first_step: Steps taken before this run, whose losses are in the metrics.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        self._path = folder / PLOT_NAME
        self._losses: list[tuple[float, float]] = []
        self._scores: list[tuple[float, float]] = []
        self._drawn = time.monotonic()
        for line in read_metrics(folder, first_step) if first_step else ():
            if "loss" in line:
                self._losses.append((line["step"], line["loss"]))
            elif "validation" in line:
                self._scores.append((line["validation"]["after_step"], line["validation"]["score"]))

    def on_step(self, record: StepRecord) -> None:
        """Take note of a step."""
        self._losses.append((record.step, record.loss))
        if time.monotonic() - self._drawn >= _SECONDS_BETWEEN:
            self._draw()

    def on_validation(self, record: ValidationRecord) -> None:
        """Take note of a validation."""
        self._scores.append((record.after_step, record.score))

    def on_note(self, text: str) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Draw the whole."""
        if self._losses:
            self._draw()

    def _draw(self) -> None:
        buffer = io.BytesIO()
        draw_curves(self._losses, self._scores).save(buffer, "PNG")
        # A picture is not worth a training: the next one may fit again.
        with contextlib.suppress(InputError):
            write_bytes(self._path, buffer.getvalue())
        self._drawn = time.monotonic()


def draw_curves(
    losses: Sequence[tuple[float, float]], scores: Sequence[tuple[float, float]] = ()
) -> Image.Image:
    """Draw losses, raw and smoothed, on the left axis and validation scores on the right one.

    Args:
        losses: Step and loss, at least one.
        scores: Step and J&F from 0 to 1.
    """
    image = Image.new("RGB", (_WIDTH, _HEIGHT), "white")
    pen, font = ImageDraw.Draw(image), ImageFont.load_default(_FONT_SIZE)
    raw = np.array(losses, dtype=np.float64)  # [points, 2]
    first, last = float(raw[0, 0]), float(max(raw[-1, 0], raw[0, 0] + 1))
    bounds = _round_bounds(*np.percentile(raw[:, 1], (0.5, 99.5)).tolist())
    for share in np.linspace(0, 1, _TICKS):
        x, y = _at(share, 0), _at(0, share)
        pen.line([_at(0, share), _at(1, share)], fill=_GRID)
        pen.text((_LEFT - 8, y[1]), f"{bounds[0] + share * (bounds[1] - bounds[0]):.3g}", _INK, font, "rm")
        pen.text((x[0], x[1] + 8), f"{first + share * (last - first):,.0f}", _INK, font, "ma")
        if scores:
            pen.text((_at(1, share)[0] + 8, y[1]), f"{share:.2f}", _SCORE, font, "lm")
    for curve, colour, width in ((raw, _RAW, 1), (_smoothed(raw), _SMOOTH, 3)):
        points = [
            _at((step - first) / (last - first), (loss - bounds[0]) / (bounds[1] - bounds[0]))
            for step, loss in _thinned(curve).tolist()
        ]
        pen.line(points if len(points) > 1 else points * 2, fill=colour, width=width)
    for step, score in scores:
        column, row = _at((step - first) / (last - first), score)
        pen.ellipse([column - 4, row - 4, column + 4, row + 4], fill=_SCORE)
    pen.text((_LEFT, _TOP - 12), f"loss ({raw[-1, 1]:.4f} at step {raw[-1, 0]:,.0f})", _SMOOTH, font, "ls")
    if scores:
        pen.text((_WIDTH - _RIGHT, _TOP - 12), f"J&F ({scores[-1][1]:.4f})", _SCORE, font, "rs")
    pen.text(((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12), "step", _INK, font, "ms")
    return image


def _at(x: float, y: float) -> tuple[float, float]:
    """Return the pixel of a point of the plot, whose axes go from 0 to 1 and hold what lies outside."""
    x, y = min(max(x, 0.0), 1.0), min(max(y, 0.0), 1.0)
    return _LEFT + x * (_WIDTH - _LEFT - _RIGHT), _HEIGHT - _BOTTOM - y * (_HEIGHT - _TOP - _BOTTOM)


def _round_bounds(low: float, high: float) -> tuple[float, float]:
    room = max(high - low, 1e-3)
    unit = 10 ** math.floor(math.log10(room)) / 2
    bottom, top = math.floor(low / unit) * unit, math.ceil(high / unit) * unit
    return bottom, top if top > bottom else bottom + unit


def _thinned(curve: Curve) -> Curve:
    """Keep no more points than the plot has columns."""
    return curve[:: max(1, len(curve) // _WIDTH)]


def _smoothed(curve: Curve) -> Curve:
    """Return the running mean of a curve over about a fiftieth of it."""
    width = max(1, int(len(curve) * _SMOOTHING))
    sums = np.cumsum(np.concatenate([np.zeros((1, 2)), curve]), axis=0)
    return (sums[width:] - sums[:-width]) / width  # type: ignore[no-any-return]
