"""``sfc propagate`` from the outside: what a run writes, says and records."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.core import precision
from sfc_cli.data.masks import palette, read_ids, write_mask
from tests.commands.footage import propagation
from tests.commands.running import (
    masks_in,
    propagate_data,
    record_in,
    refused,
    run_propagation,
    stamped_files_in,
)
from tests.core import published

pytestmark = pytest.mark.usefixtures("networks_built_once")
MakeDavis = Callable[..., Path]
SETTINGS = ("top_k", "radius", "temperature", "context_frames", "fusion_weight")


def test_propagate__writes_indexed_masks_of_every_frame(make_davis: MakeDavis) -> None:
    data = make_davis(size=(45, 67))
    propagate_data(data, "out")
    assert set(masks_in("out")) == {
        *(f"first/{t:05d}.png" for t in range(4)),
        *(f"second/{t:05d}.png" for t in range(3)),
    }
    for path in Path("out").rglob("*.png"):
        with Image.open(path) as image:
            assert (image.format, image.mode, image.size) == ("PNG", "P", (67, 45))
            assert image.getpalette() == palette().ravel().tolist()
        assert set(np.unique(read_ids(path))) <= {0, 1, 2}


def test_propagate__first_mask_is_the_annotation(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    for name in ("first", "second"):
        np.testing.assert_array_equal(
            read_ids(Path("out", name, "00000.png")),
            read_ids(data / "Annotations" / "480p" / name / "00000.png"),
        )


def test_propagate__follows_the_objects(make_davis: MakeDavis) -> None:
    data = make_davis(size=(96, 128))
    propagate_data(data, "out")
    for t in (1, 3):
        truth = read_ids(data / "Annotations" / "480p" / "first" / f"{t:05d}.png")
        mask = read_ids(Path("out", "first", f"{t:05d}.png"))
        for identity in (1, 2):
            both, either = (mask == identity) & (truth == identity), (mask == identity) | (truth == identity)
            assert both.sum() / either.sum() > 0.3, (t, identity)


def test_propagate__ids_are_kept_and_void_goes_nowhere(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 4}, ids=(3, 200))
    path = data / "Annotations" / "480p" / "only" / "00000.png"
    first = read_ids(path).copy()
    first[40:, 40:] = 255
    write_mask(path, first)
    propagate_data(data, "out")
    np.testing.assert_array_equal(read_ids(Path("out/only/00000.png")), first)
    for t in (1, 2, 3):
        assert set(np.unique(read_ids(Path(f"out/only/{t:05d}.png")))) == {0, 3, 200}
    assert record_in("out")["sequences"]["only"]["objects"] == [3, 200]


@pytest.mark.parametrize("kind", ["grey", "binary", "black-and-white"])
def test_propagate__other_kinds_of_first_mask(make_davis: MakeDavis, kind: str) -> None:
    data = make_davis({"only": 2}, ids=(1,))
    path = data / "Annotations" / "480p" / "only" / "00000.png"
    ids = read_ids(path)
    image = Image.fromarray(ids if kind == "grey" else ids * 255)
    (image.convert("1") if kind == "black-and-white" else image).save(path)
    propagate_data(data, "out")
    np.testing.assert_array_equal(read_ids(Path("out/only/00000.png")), ids)
    assert set(np.unique(read_ids(Path("out/only/00001.png")))) == {0, 1}


def test_propagate__record_of_the_run(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out", "--top-k", 4, "--radius", 2.5)
    record = record_in("out")
    expected = {
        "fc": "random18",
        "semantic": None,
        "top_k": 4,
        "radius": 2.5,
        "temperature": 0.05,
        "context_frames": 20,
        "fusion_weight": 1.75,
        "batchnorm": "released",
        "precision": "exact",
    }
    assert {name: record["settings"][name] for name in expected} == expected
    assert record["data"] == str(data)
    assert record["backend"] == "windowed"
    assert record["checkpoints"] == {"fc": {"file": None, "sha256": None}}
    assert {"python", "torch", "torchvision", "opencv-python", "numpy"} <= record["versions"].keys()
    assert set(record["sequences"]) == {"first", "second"}
    first = record["sequences"]["first"]
    assert first["frames"] == 4
    assert first["objects"] == [1, 2]
    assert first["seconds"] > 0


def test_propagate__record_holds_the_sum_of_the_checkpoint(make_davis: MakeDavis, tmp_path: Path) -> None:
    import hashlib

    path = published.write(tmp_path / "weights", "fine-grained", published.plausible())
    data = make_davis({"only": 2})
    result = run_propagation(
        "--data", data, "--fc", "fine-grained", "--checkpoints", tmp_path / "weights", "-o", "out"
    )
    assert result.exit_code == 0, result.output
    assert record_in("out")["checkpoints"]["fc"] == {
        "file": "pretrained_fc.pth",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def test_propagate__published_settings_by_number_of_networks(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2}, size=(24, 32))
    result = run_propagation(
        "--data", data, "--fc", "random18", "--semantic", "random50", "-o", "out", "--device", "cpu"
    )
    assert result.exit_code == 0, result.output
    settings = record_in("out")["settings"]
    assert [settings[name] for name in SETTINGS] == [15, 15.0, 0.1, 20, 1.75]
    propagate_data(data, "single")
    settings = record_in("single")["settings"]
    assert [settings[name] for name in SETTINGS[:4]] == [10, 12.0, 0.05, 20]


def test_propagate__backends_agree(make_davis: MakeDavis) -> None:
    data = make_davis()
    for backend in ("reference", "windowed"):
        propagate_data(data, backend, "--backend", backend)
        assert record_in(Path(backend))["backend"] == backend
    for path in Path("reference").rglob("*.png"):
        other = read_ids(Path("windowed") / path.relative_to("reference"))
        assert np.mean(read_ids(path) == other) > 0.995


@pytest.mark.parametrize("option", [("--batchnorm", "checkpoint"), ("--radius", "1"), ("--temperature", "5")])
def test_propagate__options_take_effect(make_davis: MakeDavis, option: tuple[str, str]) -> None:
    # With a short window few of the votes are copies of frame 0.
    data = make_davis({"only": 4}, size=(96, 128))
    propagate_data(data, "plain", "--context-frames", 1, "--top-k", 20)
    propagate_data(data, "changed", "--context-frames", 1, "--top-k", 20, *option)
    assert masks_in("plain") != masks_in("changed")


def test_propagate__data_is_only_read(make_davis: MakeDavis) -> None:
    data = make_davis()
    before = stamped_files_in(data)
    folders = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_dir()}
    propagate_data(data, "out", "--overlay", "frames")
    assert stamped_files_in(data) == before
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_dir()} == folders


def test_propagate__plain_lines_off_a_terminal(make_davis: MakeDavis) -> None:
    result = propagate_data(make_davis(), "out")
    lines = result.stderr.splitlines()
    assert "first: 4 frames" in lines
    assert any(re.match(r"first: done, 4 frames in \d+\.\d s, \d+\.\d\d frames/s", line) for line in lines)
    assert "\x1b" not in result.output
    assert "\r" not in result.output
    assert result.stdout == "Masks: out\n"


def test_propagate__says_what_it_is_about_to_do(make_davis: MakeDavis) -> None:
    result = propagate_data(make_davis(), "out", "--top-k", "7")
    assert "random18 on davis: 2 sequences, 7 frames; k 7, radius 12" in result.stderr.splitlines()[1]


@pytest.mark.parametrize(
    ("networks", "expected"),
    [
        (("--fc", "random18"), "results/davis/random18"),
        (("--semantic", "random18"), "results/davis/random18"),
        (("--fc", "random18", "--semantic", "random18"), "results/davis/random18+random18"),
    ],
)
def test_propagate__default_output(make_davis: MakeDavis, networks: tuple[str, ...], expected: str) -> None:
    data = make_davis({"only": 2}, size=(16, 24))
    result = run_propagation("--data", data, "--top-k", 5, *networks)
    assert result.exit_code == 0, result.output
    assert (Path(expected) / "only" / "00001.png").is_file()
    assert result.stdout == f"Masks: {expected}\n"


def test_propagate__default_output_of_a_checkpoint_file(make_davis: MakeDavis, tmp_path: Path) -> None:
    path = published.write(tmp_path / "weights", "crw", published.plausible()).rename(tmp_path / "mine.pth")
    result = run_propagation("--data", make_davis({"only": 2}), "--fc", path)
    assert result.exit_code == 0, result.output
    assert Path("results/davis/mine/only/00001.png").is_file()


def test_propagate__only_chosen_sequences(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 2, "c": 2})
    propagate_data(data, "out", "--sequences", "c, a")
    assert {name.split("/")[0] for name in masks_in("out")} == {"a", "c"}


def test_propagate__name_in_the_current_folders_data(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    Path("data").mkdir()
    data.rename("data/mine")
    result = run_propagation("--data", "mine", "--fc", "random18")
    assert result.exit_code == 0, result.output
    assert Path("results/mine/random18/only/00001.png").is_file()


def test_propagate__bundled_network_by_default(make_davis: MakeDavis) -> None:
    result = run_propagation("--data", make_davis(), "-o", "out")
    assert result.exit_code == 0, result.output
    record = record_in("out")
    assert (record["settings"]["fc"], record["settings"]["semantic"]) == ("mini", None)
    assert record["checkpoints"]["fc"]["file"] == "mini.pth"


def test_propagate__verbose_tells_what_was_loaded(
    make_davis: MakeDavis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    published.write(tmp_path / "weights", "crw", published.plausible())
    result = run_propagation(
        *("--data", make_davis({"only": 2}), "--fc", "crw", "--checkpoints", tmp_path / "weights"),
        *("-o", "out", "--verbose"),
    )
    assert result.exit_code == 0, result.output
    assert re.search(r"loaded \d+ tensors into a resnet18", caplog.text)


@pytest.mark.slow
def test_propagate__two_processes_share_the_sequences(make_davis: MakeDavis) -> None:
    data = make_davis()
    options = ("--data", data, "--fc", "random18", "--device", "cpu", "--json")
    command = ("-m", "sfc_cli", *propagation(*options))
    torchrun = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, *map(str, (*torchrun, *command, "--output", "out"))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(event["part"] for event in events if event["event"] == "finish") == ["first", "second"]
    assert sum("masks" in event for event in events) == 1
    propagate_data(data, "alone")
    assert masks_in("out") == masks_in("alone")
    assert sorted(record_in("out")["sequences"]) == ["first", "second"]
    assert not Path("out/.resume").exists()


def test_propagate__precision_is_recorded_with_its_data_type(
    make_davis: MakeDavis, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: False)
    precision._remark.cache_clear()
    data = make_davis({"only": 2})
    arguments = ("--data", data, "--fc", "random18", "--device", "cpu")

    def settings(output: str) -> list[str]:
        record = json.loads(Path(output, "run.json").read_text())
        return [record["settings"][name] for name in ("precision", "data_type")]

    assert run_propagation(*arguments, "-o", "usual").exit_code == 0
    assert settings("usual") == ["exact", "float32"]
    assert not caplog.messages
    assert run_propagation(*arguments, "-o", "fast", "--precision", "fast").exit_code == 0
    assert settings("fast") == ["fast", "float32"]
    assert "fast computes as exact" in caplog.text
    assert masks_in("fast") == masks_in("usual")
    # Another processor, the same word: what is there is not mixed with what would come.
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)
    result = run_propagation(*arguments, "-o", "fast", "--precision", "fast")
    refused(result, 2, "data_type float32 → bfloat16", "--overwrite")
    result = run_propagation(*arguments, "-o", "usual", "--precision", "tf32")
    refused(result, 2, "precision exact → tf32", "--overwrite")
