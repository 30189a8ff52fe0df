from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sfc_cli.core.encoders import NetworkOptions
from sfc_cli.core.ranks import Ranks
from sfc_cli.errors import UsageError
from sfc_cli.inference.networks import NetworkChoice
from sfc_cli.main import app
from sfc_cli.settings.propagation import SettingsChoice

pytest.importorskip("timm")
VIT = "timm:test_vit=random"


def test_resolve__label_patch_follows_the_grid() -> None:
    def patch(stride: int | None, own: int | None = None, semantic: str | None = None) -> int:
        choice = NetworkChoice(
            fine_grained=VIT,
            semantic=semantic,
            protocol="improved",
            options=NetworkOptions(stride=stride),
            settings=SettingsChoice(label_patch=own),
        )
        return choice.resolve(on_dataset=False).settings.label_patch

    assert (patch(None), patch(16), patch(4), patch(16, own=2)) == (8, 16, 4, 2)
    assert patch(16, semantic="random18") == 8, "two networks meet on the finer grid"


def test_resolve__options_without_effect() -> None:
    with pytest.raises(UsageError, match="`layer` has no effect on random18"):
        NetworkChoice(fine_grained="random18", options=NetworkOptions(layer="layer2")).resolve(
            on_dataset=False
        )


def test_load__propagates_on_the_grid_of_its_stride() -> None:
    choice = NetworkChoice(semantic=VIT, protocol="improved", options=NetworkOptions(stride=16))
    propagator = choice.resolve(on_dataset=False).load(Ranks())
    rng = np.random.default_rng(1)
    frames = rng.integers(0, 256, (3, 70, 100, 3), dtype=np.uint8)
    mask = np.zeros((70, 100), np.uint8)
    mask[20:50, 30:70] = 3
    shapes = [one.resolve().mask.shape for one in propagator.run(frames, mask)]
    assert shapes == [(70, 100)] * 3
    assert propagator.extractor.stride == 16


def test_propagate__a_network_of_timm_is_recorded(tmp_path: Path, make_davis: Callable[..., Path]) -> None:
    root = make_davis({"first": 3})

    def run(*options: str) -> tuple[int, str]:
        command = [
            "propagate",
            "--data",
            str(root),
            "-o",
            str(tmp_path / "out"),
            "--semantic",
            VIT,
            "--top-k",
            "5",
        ]
        result = CliRunner().invoke(app, [*command, *options])
        return result.exit_code, result.stderr

    assert run("--stride", "16")[0] == 0
    record = json.loads((tmp_path / "out/run.json").read_text())
    assert record["settings"]["semantic"] == VIT
    assert record["checkpoints"]["semantic"] == {"file": None, "sha256": None, "stride": "16"}
    assert (tmp_path / "out/first/00002.png").is_file()
    code, said = run("--stride", "4")
    assert code == 2
    assert "has results of other settings" in said
    code, said = run("--layer", "99")
    assert code == 2
    assert "Layers: blocks.0" in said
