from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from typer.testing import Result

from sfc_cli.core.encoders import load_encoder
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training import checkpoints
from tests.commands.running import refused, run

TINY = [
    "--epochs", "2", "--batch-size", "2", "--crop-size", "32", "--last-layer", "layer3",
    "--hidden-channels", "8", "--out-channels", "4", "--workers", "0", "--check-every", "0",
    "--device", "cpu",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")


def write_frames(folder: Path, count: int = 5, size: int = 40) -> Path:
    rng = np.random.default_rng(0)
    folder.mkdir(parents=True)
    for t in range(count):
        cv2.imwrite(str(folder / f"{t:05d}.jpg"), rng.integers(0, 256, (size, size, 3), dtype=np.uint8))
    return folder


def pretrain(*arguments: object) -> Result:
    return run("pretrain", *arguments)


def test_pretrain__trains_resumes_and_gives_a_readable_network(work: Path) -> None:
    write_frames(work / "set" / "a")
    result = pretrain("--data", work / "set", "-o", "out", *TINY, "--steps", "3")
    assert result.exit_code == 0, result.output
    for expected in ("videos", "frames per video", "effective batch 2", "step 3/4", "continue with --resume"):
        assert expected in result.output
    result = pretrain("--data", work / "set", "-o", "out", *TINY, "--resume")
    assert result.exit_code == 0, result.output
    assert "going on after step 3" in result.output
    assert "finished after 4 steps" in result.output
    lines = [json.loads(line) for line in (work / "out" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2, 3, 4]
    settings = json.loads((work / "out" / "settings.json").read_text())
    assert (settings["crop_size"], settings["total steps"], settings["precision in use"]) == (32, 4, "fp32")
    assert load_encoder("out/pretrained_fc.pth").architecture == "resnet18"


def test_pretrain__finds_youtube_vos_at_its_default_path(work: Path) -> None:
    write_frames(work / "data" / "youtube-vos" / "train_all_frames" / "JPEGImages" / "0a1b")
    result = pretrain(*TINY, "--steps", "1")
    assert result.exit_code == 0, result.output
    assert "(YouTube-VOS)" in result.output
    assert "1 videos are far fewer than the 3,471" in result.output
    assert (work / "runs" / "pretrain" / "pretrained_fc.pth").is_file()


def test_pretrain__reads_its_defaults_from_the_settings() -> None:
    text = pretrain("--help").output
    defaults = PretrainingSettings()
    for name in (
        "epochs",
        "batch_size",
        "learning_rate",
        "crop_size",
        "frames_per_video",
        "pos_radius",
        "seed",
    ):
        described = " ".join(text[text.index("--" + name.replace("_", "-")) :].split())
        described = described[: described.index("]") + 1]
        assert described.endswith(f"[default: {getattr(defaults, name)}]"), described


def test_pretrain__accepts_an_earlier_name_of_an_option(work: Path) -> None:
    write_frames(work / "set" / "a")
    line = refused(pretrain("--data", work / "set", *TINY, "--clips-per-video", "1"), 2)
    assert "An epoch has 1 frame, fewer" in line
    assert "raise --frames-per-video" in line


def test_pretrain__writes_json_lines(work: Path) -> None:
    write_frames(work / "set" / "a")
    result = pretrain("--data", work / "set", "-o", "out", *TINY, "--steps", "3", "--json")
    assert result.exit_code == 0, result.output
    assert result.stderr == ""
    events = [json.loads(line) for line in result.stdout.splitlines()]
    assert {event["event"] for event in events} == {"say", "plan", "begin", "advance", "finish"}
    steps = [event for event in events if event["event"] in ("advance", "finish")]
    metrics = [json.loads(line) for line in (work / "out" / "metrics.jsonl").read_text().splitlines()]
    for event in steps:
        assert metrics[event["step"] - 1]["loss"] == event["loss"]
    assert steps[-1]["step"] == 3
    assert {"ending": "steps", "step": 3, "total_steps": 4}.items() <= events[-1].items()
    assert events[-1]["network"] == str(Path("out/pretrained_fc.pth"))


@pytest.mark.parametrize("name", ["settings.json", "metrics.jsonl", "pretrained_fc.pth"])
@pytest.mark.parametrize("output", ["set", "set/a", "link"])
def test_pretrain__never_writes_over_a_file_of_the_data_set(work: Path, name: str, output: str) -> None:
    write_frames(work / "set" / "a")
    (work / "link").symlink_to(work / "set")
    own = work / output / name
    own.write_text("of the data set")
    arguments = ("--data", work / "set", *TINY, "--steps", "1", "-o", output)
    for more in ((), ("--overwrite",), ("--resume",)):
        line = refused(pretrain(*arguments, *more), 2)
        assert f"{Path(output) / name} is in the data set" in line
        assert "Choose another --output." in line
    assert own.read_text() == "of the data set"


def test_pretrain__may_write_into_a_folder_of_the_data_set_that_is_its_own(work: Path) -> None:
    write_frames(work / "set" / "a")
    arguments = ("--data", work / "set", *TINY)
    # Beside the videos, where nothing is in the way; and in a folder without frames.
    for output in ("set", "set/runs"):
        assert pretrain(*arguments, "-o", output, "--steps", "1").exit_code == 0
        assert pretrain(*arguments, "-o", output, "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--epochs", "0"], "--epochs is 0"),
        (["--crop-size", "100"], "--crop-size is 100. It must be a multiple of 8"),
        (["--batch-size", "1"], "--batch-size is 1. It must be at least 2"),
        (["--learning-rate", "nan"], "--learning-rate is nan"),
        (["--momentum", "1.5"], "--momentum is 1.5. It must be from 0 to 1"),
        (["--min-crop-area", "1"], "--min-crop-area is 1.0"),
        (["--workers", "-1"], "--workers is -1"),
        (["--precision", "tf32"], "--precision tf32 needs an NVIDIA GPU"),
        (["--decode", "nvjpeg"], "--decode nvjpeg needs a CUDA device"),
        (["--device", "tpu"], "--device 'tpu' is unknown. Choose auto, cpu, cuda, cuda:N or mps"),
        (["--device", "cuda:99"], "--device is cuda:99, but "),
        (["--batch-size", "50"], "An epoch has 5 frames, fewer than the 50 of one step"),
    ],
)
def test_pretrain__names_a_setting_that_cannot_be_used(
    work: Path, arguments: list[str], expected: str
) -> None:
    write_frames(work / "set" / "a")
    assert expected in refused(pretrain("--data", work / "set", *TINY, *arguments), 2)


def test_pretrain__lists_the_precisions_it_knows() -> None:
    result = pretrain("--precision", "fp8")
    assert result.exit_code == 2
    assert "fp8" in result.output
    assert "bf16" in result.output


def test_pretrain__says_where_it_looked_for_missing_data(work: Path) -> None:
    line = refused(pretrain(*TINY), 3)
    assert "data/youtube-vos" in line
    assert "train_all_frames" in line
    assert str(work / "nowhere") in refused(pretrain("--data", work / "nowhere", *TINY), 3)


def test_pretrain__refuses_an_empty_folder(work: Path) -> None:
    (work / "set").mkdir()
    assert "No images below" in refused(pretrain("--data", work / "set", *TINY), 3)


def test_pretrain__skips_and_lists_unreadable_images_up_to_the_limit(work: Path) -> None:
    folder = write_frames(work / "set" / "a")
    (folder / "00000.jpg").write_bytes(b"no picture")
    result = pretrain("--data", work / "set", *TINY, "--steps", "1")
    assert result.exit_code == 0, result.output
    assert "Skipped 1 unreadable file: a/00000.jpg (not an image)" in result.output
    line = refused(pretrain("--data", work / "set", *TINY, "-o", "x", "--max-unreadable", "0"), 3)
    assert "more than the 0 of --max-unreadable: a/00000.jpg" in line


def test_pretrain__names_what_a_resumed_run_had_otherwise(work: Path) -> None:
    write_frames(work / "set" / "a")
    assert pretrain("--data", work / "set", *TINY, "--steps", "1").exit_code == 0
    line = refused(pretrain("--data", work / "set", *TINY, "--resume", "--seed", "1", "--epochs", "3"), 3)
    assert "--epochs was 2, now 3" in line
    assert "--seed was 777, now 1" in line
    write_frames(work / "set" / "b")
    line = refused(pretrain("--data", work / "set", *TINY, "--resume"), 3)
    assert "the data set has other frames" in line


def test_pretrain__asks_before_it_replaces_a_training(work: Path) -> None:
    write_frames(work / "set" / "a")
    arguments = ("--data", work / "set", *TINY, "--steps", "1")
    assert pretrain(*arguments).exit_code == 0
    line = refused(pretrain(*arguments), 2)
    assert "already has a training" in line
    assert "--resume" in line
    assert pretrain(*arguments, "--overwrite").exit_code == 0


def test_pretrain__reports_a_full_disk(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frames(work / "set" / "a")
    arguments = ("--data", work / "set", *TINY)
    assert pretrain(*arguments, "--steps", "1").exit_code == 0
    before = (work / "runs" / "pretrain" / "state.pt").read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.os, "fsync", full)
    line = refused(pretrain(*arguments, "--resume"), 3)
    assert "Cannot write" in line
    assert "No space left on device" in line
    assert (work / "runs" / "pretrain" / "state.pt").read_bytes() == before


def test_pretrain__names_an_output_that_cannot_be_written(work: Path) -> None:
    write_frames(work / "set" / "a")
    (work / "file").write_text("")
    assert "Cannot write to" in refused(pretrain("--data", work / "set", *TINY, "-o", "file/out"), 3)


def test_pretrain__names_a_missing_wandb(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frames(work / "set" / "a")
    monkeypatch.setitem(sys.modules, "wandb", None)
    assert "pip install wandb" in refused(pretrain("--data", work / "set", *TINY, "--wandb"), 2)


def test_pretrain__ends_with_the_signals_number(work: Path) -> None:
    write_frames(work / "set" / "a", count=9)
    output = work / "out"
    process = subprocess.Popen(
        [
            sys.executable, "-m", "sfc_cli", "pretrain", "--data", str(work / "set"),
            "--output", str(output), *TINY, "--epochs", "500",
        ],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stderr is not None
    metrics = output / "metrics.jsonl"
    while process.poll() is None and not (metrics.is_file() and metrics.read_text()):
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    rest = process.stderr.read()
    assert process.wait() == 128 + signal.SIGTERM
    assert "stopped by a signal" in rest
    assert (output / "state.pt").is_file()
    assert (output / "pretrained_fc.pth").is_file()


@pytest.mark.parametrize("device", ["cuda", "cuda:0"])
def test_pretrain__more_processes_than_cards(device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sfc_cli.core.ranks import Ranks
    from sfc_cli.errors import UsageError
    from sfc_cli.progress import Silent
    from sfc_cli.settings.pretraining import PretrainingSettings
    from sfc_cli.training import session

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(session, "read_ranks", lambda: Ranks(1, 2, 1, 2))
    with pytest.raises(UsageError, match="2 processes for `device`"):
        session.pretrain(
            PretrainingSettings(precision="fp32"),
            data="none",
            output=Path("out"),
            progress=Silent(),
            device=device,
        )


def test_pretrain__takes_a_recipe_but_what_was_given(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_frames(work / "set" / "a")
    monkeypatch.setattr("sfc_cli.training.session.has_tensorboard", lambda: False)
    result = pretrain(
        "--data", work / "set", "-o", "out", *TINY, "--steps", "1", "--recipe", "hvc", "--seed", "777"
    )
    assert result.exit_code == 0, result.output
    assert "TensorBoard is not installed: no event files (`pip install 'sfc-cli[train]'`)" in result.output
    settings = json.loads((work / "out" / "settings.json").read_text())
    found = {
        name: settings[name] for name in ("recipe", "pos_radius", "seed", "batch_size", "hidden_channels")
    }
    # The default, but typed: a recipe changes only what was left open.
    assert found == {
        "recipe": "hvc", "pos_radius": 0.1, "seed": 777, "batch_size": 2, "hidden_channels": 8,
    }  # fmt: skip
    assert (work / "out" / "loss.png").is_file()
    assert load_encoder("out/pretrained_fc.pth").architecture == "resnet18"


def test_pretrain__has_an_exit_code_for_a_loss_that_diverged(work: Path) -> None:
    write_frames(work / "set" / "a")
    line = refused(pretrain("--data", work / "set", *TINY, "--learning-rate", "1e30"), 5)
    assert "became NaN or infinite at step" in line
