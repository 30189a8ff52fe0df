"""A run killed at any place loses nothing: the same command finishes it, with the same files."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.data.masks import read_ids
from tests.commands.running import masks_in, record_in

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_propagate__killed_anywhere_and_run_again(make_davis: Callable[..., Path], tmp_path: Path) -> None:
    results = tmp_path / "results"
    results.mkdir()
    done = subprocess.run(
        [sys.executable, "-m", "tests.commands.killed_runs", str(make_davis()), str(results)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr
    whole, *outcomes = json.loads(done.stdout)
    assert whole["resumed"] == 0
    expected = masks_in(results / "whole")
    assert len(expected) == 7
    assert len(outcomes) == 7
    for outcome in outcomes:
        place = outcome["place"]
        assert outcome["ended"] == -signal.SIGKILL, place
        # Whatever has its name is whole.
        for name in outcome["left"]:
            if name.endswith(".png"):
                read_ids(results / f"{place}-left" / name)
                assert (results / f"{place}-left" / name).read_bytes() == expected[name], (place, name)
        assert outcome["resumed"] == 0, place
        assert masks_in(results / place) == expected, place
        assert not list((results / place).rglob("*.part")), place
        record = record_in(results / place)
        assert record["settings"]["fc"] == "random18"
