from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from sfc_cli.training.loss_plot import LossPlot, draw_curves
from sfc_cli.training.metrics import MetricsFile, ValidationRecord
from tests.training.test_metrics import record


def coloured(image: Image.Image, colour: tuple[int, int, int]) -> np.ndarray:
    return np.argwhere((np.asarray(image) == colour).all(axis=2))


def test_draw_curves__follows_a_falling_loss() -> None:
    image = draw_curves([(step, 1 - step / 100) for step in range(1, 101)])
    line = coloured(image, (0x1F, 0x5F, 0x99))
    line = line[line[:, 0] > 45]
    rows = {column: line[line[:, 1] == column, 0].mean() for column in (200, 500, 800)}
    assert rows[200] < rows[500] < rows[800]


def test_draw_curves__takes_one_step_and_equal_losses() -> None:
    assert draw_curves([(1, 0.0)]).size == draw_curves([(1, -2.0), (2, -2.0)], [(2, 0.7)]).size


def test_loss_plot__goes_on_from_the_metrics(tmp_path: Path) -> None:
    metrics = MetricsFile(tmp_path, 0)
    for step in (1, 2, 3):
        metrics.on_step(record(step))
    metrics.on_validation(ValidationRecord(after_step=3, score=0.5, objects={"a_1": 0.5}, is_best=True))
    metrics.close()
    plot = LossPlot(tmp_path, 3)
    plot.on_step(record(4))
    plot.close()
    assert [step for step, _ in plot._losses] == [1, 2, 3, 4]
    with Image.open(tmp_path / "loss.png") as image:
        assert len(coloured(image.convert("RGB"), (0xC2, 0x57, 0x1A))) > 20
