from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.data.frame_index import FrameIndex
from sfc_cli.errors import InputError
from sfc_cli.training.loop import Training
from sfc_cli.training.metrics import MetricsFile
from sfc_cli.training.stepping import build_model
from sfc_cli.training.validation import Validation


def test_score__names_every_object_and_stops_when_asked(make_davis: Callable, small: Callable) -> None:
    validation = Validation(make_davis({"a": 4, "b": 3}, size=(96, 128)), "val")
    model = build_model(small())
    scores = validation.score(model)
    assert scores is not None
    assert {name.rsplit("_", 1)[0] for name in scores} == {"a", "b"}
    assert all(0.2 < score <= 1 for score in scores.values())
    assert validation.score(model, lambda: True) is None
    assert model.training


def test_validation__refuses_what_it_cannot_score(make_davis: Callable, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a data set in the DAVIS layout"):
        Validation(tmp_path, "val")
    root = make_davis({"a": 4}, size=(96, 128))
    next(iter(sorted((root / "Annotations" / "480p" / "a").glob("*2.png")))).unlink()
    with pytest.raises(InputError, match="of sequence a has no annotation"):
        Validation(root, "val")


def test_run__keeps_the_best_network_over_a_resume(
    index: FrameIndex, tmp_path: Path, small: Callable
) -> None:
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.8])

    def validate(*_: object) -> Mapping[str, float]:
        score = next(scores)
        return {"a_1": score - 0.1, "a_2": score + 0.1}

    best = []
    for stop in (12, None):
        settings = small(epochs=5, steps=stop)
        training = Training(
            settings, index, tmp_path, device=torch.device("cpu"), resume=True, validate=validate
        )
        metrics = MetricsFile(tmp_path, training.step)
        training.run([metrics])
        metrics.close()
        best.append(read_checkpoint(tmp_path / "best_fc.pth")["epoch"])
    assert best == [1, 4]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").open()]
    found = [line["validation"] for line in lines if "validation" in line]
    assert [one["after_step"] for one in found] == [4, 8, 12, 16, 20]
    assert [one["is_best"] for one in found] == [True, True, False, False, True]
    assert found[1]["score"] == pytest.approx(0.7)
    assert read_checkpoint(tmp_path / "state.pt")["best score"] == pytest.approx(0.8)
