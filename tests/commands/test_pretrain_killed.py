"""Real trainings, killed in the ways in which clusters, containers and full machines kill them."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from sfc_cli.core.checkpoint_files import read_checkpoint
from sfc_cli.data.frame_index import index_frames
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.loop import Training
from sfc_cli.training.metrics import MetricsFile
from tests.commands.running import refused, run

EPOCHS = 20
TINY = [
    "--epochs", str(EPOCHS), "--batch-size", "2", "--crop-size", "32", "--last-layer", "layer3",
    "--hidden-channels", "8", "--out-channels", "4", "--workers", "2", "--check-every", "0",
    "--device", "cpu", "--precision", "fp32",
]  # fmt: skip
SETTINGS = PretrainingSettings(
    epochs=EPOCHS, batch_size=2, crop_size=32, last_layer="layer3", hidden_channels=8, out_channels=4,
    workers=0, check_every=0, precision="fp32",
)  # fmt: skip

# Real processes, stopped and started again.
pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _programs_on_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    folder = tmp_path / "set" / "a"
    folder.mkdir(parents=True)
    for t in range(5):
        cv2.imwrite(str(folder / f"{t:05d}.jpg"), rng.integers(0, 256, (40, 40, 3), dtype=np.uint8))
    return folder.parent


@pytest.fixture
def start(frames: Path, tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen]]:
    """Start a training in a process group of its own, and wait until it has taken some steps."""
    running = []

    def begin(steps: int, *arguments: str) -> subprocess.Popen:
        process = subprocess.Popen(
            [
                sys.executable, "-m", "sfc_cli", "pretrain", "--data", frames, "-o", tmp_path / "out", *TINY,
                *arguments,
            ],
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        running.append(process)
        deadline = time.monotonic() + 200
        while len(steps_in(tmp_path / "out")) < steps:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        return process

    yield begin
    for process in running:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def steps_in(output: Path) -> list[int]:
    metrics = output / "metrics.jsonl"
    lines = metrics.read_text().splitlines() if metrics.is_file() else []
    return [content["step"] for line in lines if "step" in (content := json.loads(line))]


def children(process: subprocess.Popen) -> list[int]:
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return [int(one) for one in found.split()]


def ended(process: subprocess.Popen) -> tuple[int, str]:
    _, said = process.communicate(timeout=120)
    for unwanted in ("Traceback", "bug in sfc", "Terminated"):
        assert unwanted not in said, said
    return process.returncode, said


@pytest.mark.parametrize(
    "number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)], ids=["term", "int"]
)
def test_pretrain__loses_nothing_when_its_whole_group_is_signalled(
    start: Callable, frames: Path, tmp_path: Path, number: signal.Signals
) -> None:
    process = start(random.randint(1, 6))
    # Another training finds the folder taken.
    second = run("pretrain", "--data", frames, "-o", tmp_path / "out", *TINY, "--resume")
    refused(second, 2, "Another training is using")
    # As `timeout` does it: the process first, then its group with the process in it.
    process.send_signal(number)
    os.killpg(process.pid, number)
    code, said = ended(process)
    assert code == 128 + number
    assert "stopped by a signal" in said
    taken = steps_in(tmp_path / "out")
    assert taken == list(range(1, len(taken) + 1))
    assert read_checkpoint(tmp_path / "out" / "state.pt")["step"] == len(taken)

    output = tmp_path / "out"
    settings = SETTINGS.__class__(**{**SETTINGS.__dict__, "steps": len(taken) + 2})
    training = Training(settings, index_frames(frames), output, device=torch.device("cpu"), resume=True)
    assert training.step == len(taken)
    rest = MetricsFile(output, training.step)
    training.run([rest])
    rest.close()
    (tmp_path / "whole").mkdir()
    unbroken = MetricsFile(tmp_path / "whole", 0)
    whole = Training(settings, index_frames(frames), tmp_path / "whole", device=torch.device("cpu"))
    whole.run([unbroken])
    unbroken.close()
    losses = [
        [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").open()]
        for folder in (output, tmp_path / "whole")
    ]
    assert losses[0] == losses[1]


def test_pretrain__saves_all_steps_when_a_worker_is_killed(start: Callable, tmp_path: Path) -> None:
    process = start(random.randint(1, 4))
    for child in children(process):
        os.kill(child, signal.SIGKILL)
    code, said = ended(process)
    assert code == 6
    errors = [line for line in said.splitlines() if line.startswith("error: ")]
    assert said.splitlines()[-1] == errors[0]
    taken = steps_in(tmp_path / "out")
    assert f"All {len(taken)} steps are saved in {tmp_path / 'out' / 'state.pt'}." in errors[0]
    assert "go on with --resume" in errors[0]
    assert read_checkpoint(tmp_path / "out" / "state.pt")["step"] == len(taken)


def test_pretrain__keeps_the_metrics_and_lets_go_of_the_folder_when_killed(
    start: Callable, tmp_path: Path
) -> None:
    process = start(3, "--save-every", "1")
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    before = steps_in(tmp_path / "out")
    assert len(before) >= 3
    # Killed again before its first step, the next run leaves the metrics as they are.
    again = subprocess.Popen(
        [sys.executable, "-c", "from sfc_cli.training import loop\n"
         "import os\n"
         "loop.Training.run = lambda *_: os.kill(os.getpid(), 9)\n"
         "from sfc_cli.main import main\nmain()",
         "pretrain", "--data", tmp_path / "set", "-o", tmp_path / "out", *TINY, "--resume"],
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    _, said = again.communicate(timeout=200)
    assert again.returncode == -signal.SIGKILL, said
    assert "going on after step" in said
    assert steps_in(tmp_path / "out") == before


def test_pretrain__saves_all_steps_when_a_rank_is_lost(frames: Path, tmp_path: Path) -> None:
    # Two steps an epoch of two processes.
    shutil.copytree(frames / "a", frames / "b")
    script = Path(__file__).parents[1] / "training" / "crashing.py"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    result = subprocess.run(
        [
            sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
            script, frames, tmp_path / "out", "100000",
        ],
        env=environment, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert result.returncode != 0
    assert "Another process of the training was lost" in result.stderr
    assert f"All 2 steps are saved in {tmp_path / 'out' / 'state.pt'}." in result.stderr
    assert read_checkpoint(tmp_path / "out" / "state.pt")["step"] == 2
    assert steps_in(tmp_path / "out") == [1, 2]
