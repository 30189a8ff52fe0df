"""The wheel by itself: what is in it, and that it runs the demo in an environment that has nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from email.parser import Parser
from pathlib import Path

import pytest

import sfc_cli

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "-w", str(folder), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return next(folder.glob("*.whl"))


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[Path]:
    """Give an empty environment, and remove its gigabytes afterwards."""
    folder = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    yield folder
    shutil.rmtree(folder)


@pytest.mark.slow
def test_wheel__has_everything_that_runs_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as packed:
        names = set(packed.namelist())
        metadata = Parser().parsestr(
            packed.read(f"sfc_cli-{sfc_cli.__version__}.dist-info/METADATA").decode()
        )
    package = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "sfc_cli").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert {name for name in names if ".dist-info/" not in name} == package
    assert metadata["Name"] == "sfc-cli"
    assert metadata["Description-Content-Type"] == "text/markdown"
    assert "](docs/" not in metadata.get_payload()
    assert any(url.startswith("Repository, https://") for url in metadata.get_all("Project-URL", []))


@pytest.mark.slow
def test_wheel__runs_the_demo_by_itself(wheel: Path, environment: Path, tmp_path: Path) -> None:
    scripts = environment / ("Scripts" if os.name == "nt" else "bin")
    # Nothing of this environment may be seen from that one.
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}

    def run(*command: object) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=tmp_path,
            env=plain,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    run(scripts / "python", "-m", "pip", "install", "--quiet", wheel)
    where = run(scripts / "python", "-c", "import sfc_cli; print(sfc_cli.__file__)")
    assert str(environment) in where
    run(scripts / "sfc", "propagate", "--data", "sample", "-o", "results/demo", "--overlay", "--quiet")
    assert (tmp_path / "results/demo/overlay/car-shadow.mp4").stat().st_size > 10_000
    scores = run(scripts / "sfc", "evaluate", "davis", "--data", "sample", "--results", "results/demo")
    lines = scores.splitlines()
    heading = next(number for number, line in enumerate(lines) if line.startswith("J&F-Mean"))
    assert float(lines[heading + 1].split()[0]) > 0.8
