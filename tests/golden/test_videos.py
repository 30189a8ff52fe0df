"""The published implementation's masks of whole videos, from JPEG to PNG."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sfc_cli.data.masks import read_ids
from sfc_cli.main import app

CLOSENESS = 0.999


def _propagate(golden: Path, case: str, output: Path, *options: str) -> None:
    settings = json.loads((golden / "videos" / case / "settings.json").read_text())
    networks = [
        part
        for option in ("fc", "semantic")
        if settings[option]
        for part in (f"--{option}", settings[option])
    ]
    result = CliRunner().invoke(
        app,
        [
            "propagate",
            *("--data", str(golden / "videos" / case / "davis")),
            *("--checkpoints", str(golden / "weights")),
            *("--output", str(output)),
            *networks,
            *options,
        ],
    )
    assert result.exit_code == 0, result.output
    # The commands' defaults are the published settings of these runs.
    used = json.loads((output / "run.json").read_text())["settings"]
    assert {name: used[name] for name in settings if name != "long_memory"} == {
        name: value for name, value in settings.items() if name != "long_memory"
    }


@pytest.mark.parametrize("case", ["fc", "crw", "mocov1", "sfc", "fc-480p"])
def test_propagate__published_masks(golden: Path, tmp_path: Path, case: str) -> None:
    _propagate(golden, case, tmp_path / "out")
    expected = sorted((golden / "videos" / case / "expected").rglob("*.png"))
    assert expected
    for path in expected:
        truth = read_ids(path)
        mask = read_ids(tmp_path / "out" / path.parent.name / path.name)
        assert mask.shape == truth.shape
        assert np.mean(mask == truth) >= CLOSENESS, path


def test_propagate__published_masks_from_the_oracle(golden: Path, tmp_path: Path) -> None:
    _propagate(golden, "mocov1", tmp_path / "out", "--backend", "reference")
    for path in (golden / "videos" / "mocov1" / "expected").rglob("*.png"):
        mask = read_ids(tmp_path / "out" / path.parent.name / path.name)
        assert np.mean(mask == read_ids(path)) >= CLOSENESS, path


def test_propagate__batchnorm_checkpoint_differs_from_published(golden: Path, tmp_path: Path) -> None:
    # The published masks contain the BatchNorm step: without it they must not be reached.
    _propagate(golden, "fc", tmp_path / "out", "--batchnorm", "checkpoint", "--sequences", "soapbox")
    agreement = [
        np.mean(read_ids(path) == read_ids(tmp_path / "out" / "soapbox" / path.name))
        for path in (golden / "videos" / "fc" / "expected" / "soapbox").glob("*.png")
    ]
    assert min(agreement) < CLOSENESS
