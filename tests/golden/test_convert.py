"""The files of the released script become the masks they were painted from."""

from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from sfc_cli.data.masks import read_ids
from sfc_cli.main import app
from tests.conftest import Golden


def test_convert__released_script_files(golden: Golden, tmp_path: Path) -> None:
    data = golden / "videos/sfc/davis"
    result = CliRunner().invoke(
        app, ["convert", str(golden / "raw-masks"), str(tmp_path / "out"), "--data", str(data)]
    )
    assert result.exit_code == 0, result.output
    expected = sorted((golden / "videos/sfc/expected").rglob("*.png"))
    assert expected
    for path in expected:
        np.testing.assert_array_equal(
            read_ids(tmp_path / "out" / path.parent.name / path.name), read_ids(path)
        )
