"""The published implementation's masks of whole videos, from JPEG to PNG."""

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from sfc_cli.core.encoders import ENCODERS
from sfc_cli.data.masks import read_ids
from sfc_cli.main import app
from tests.conftest import Golden

CLOSENESS = 0.999


def _propagate(golden: Golden, case: str, output: Path, *options: str) -> None:
    folder = golden / f"videos/{case}"
    settings = json.loads((folder / "settings.json").read_text())
    networks = {option: settings[option] for option in ("fc", "semantic") if settings[option]}
    weights = [golden / f"weights/{ENCODERS[name].file}" for name in networks.values()]
    result = CliRunner().invoke(
        app,
        [
            "propagate",
            *("--data", str(folder / "davis")),
            *("--checkpoints", str(weights[0].parent)),
            *("--output", str(output)),
            *(part for option, name in networks.items() for part in (f"--{option}", name)),
            *options,
        ],
    )
    assert result.exit_code == 0, result.output
    # The commands' defaults are the published settings of these runs.
    used = json.loads((output / "run.json").read_text())["settings"]
    assert {name: used[name] for name in settings if name != "long_memory"} == {
        name: value for name, value in settings.items() if name != "long_memory"
    }


def _agreement(expected: Path, output: Path) -> dict[str, float]:
    """Return the share of equal pixels in every expected mask."""
    agreement = {}
    for path in sorted(expected.rglob("*.png")):
        truth = read_ids(path)
        mask = read_ids(output / path.parent.name / path.name)
        assert mask.shape == truth.shape
        agreement[f"{path.parent.name}/{path.name}"] = float(np.mean(mask == truth))
    assert agreement
    return agreement


def _is_close(agreement: dict[str, float]) -> bool:
    return min(agreement.values()) >= CLOSENESS


@pytest.mark.parametrize("case", ["fc", "crw", "mocov1", "sfc", "fc-480p"])
def test_propagate__published_masks(golden: Golden, tmp_path: Path, case: str) -> None:
    _propagate(golden, case, tmp_path / "out")
    agreement = _agreement(golden / f"videos/{case}/expected", tmp_path / "out")
    assert _is_close(agreement), agreement


@pytest.mark.slow
@pytest.mark.parametrize(("case", "sequence"), [("mocov1", "soapbox"), ("fc", "bmx-trees")])
def test_propagate__published_masks_from_the_oracle(
    golden: Golden, tmp_path: Path, case: str, sequence: str
) -> None:
    _propagate(golden, case, tmp_path / "out", "--backend", "reference", "--sequences", sequence)
    agreement = _agreement(golden / f"videos/{case}" / "expected" / sequence, tmp_path / "out")
    assert _is_close(agreement), agreement


@pytest.mark.parametrize("sequence", ["soapbox", "bmx-trees"])
def test_propagate__batchnorm_checkpoint_differs_from_published(
    golden: Golden, tmp_path: Path, sequence: str
) -> None:
    # The published masks contain the BatchNorm step: without it they must not be reached.
    expected = golden / f"videos/fc/expected/{sequence}"
    _propagate(golden, "fc", tmp_path / "out", "--batchnorm", "checkpoint", "--sequences", sequence)
    agreement = _agreement(expected, tmp_path / "out")
    assert not _is_close(agreement), agreement
