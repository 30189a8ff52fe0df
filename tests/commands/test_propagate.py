"""``sfc propagate`` from the outside: files in, files out, exit codes and messages."""

import functools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from sfc_cli import files
from sfc_cli.core import precision
from sfc_cli.core.encoders import load_encoder, load_source
from sfc_cli.data.masks import palette, read_ids, write_mask
from sfc_cli.data.soft_labels import enlarge_to_mask, read_soft_labels
from sfc_cli.errors import InputError
from sfc_cli.inference import networks as networks_module
from sfc_cli.main import app
from tests.commands.footage import propagation
from tests.core import published

MakeDavis = Callable[..., Path]
Snapshot = dict[str, tuple[bytes, int]]

SETTINGS = ("top_k", "radius", "temperature", "context_frames", "fusion_weight")


@pytest.fixture(scope="module")
def cached_load_source() -> Callable[..., object]:
    return functools.lru_cache(load_source)


@pytest.fixture(autouse=True)
def _alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cached_load_source: Callable[..., object]
) -> None:
    """Work in an empty folder, without settings from outside; build each network once."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SFC_DATA", "SFC_CHECKPOINTS", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(networks_module, "load_source", cached_load_source)


@pytest.fixture(scope="module", autouse=True)
def _one_core() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, propagation(*arguments))
    assert "Traceback" not in result.output
    return result


def _propagate(data: object, output: object, *options: object) -> Result:
    result = _run("--data", data, "--fc", "random18", "--device", "cpu", "--output", output, *options)
    assert result.exit_code == 0, result.output
    return result


def _refuse(result: Result, code: int, *said: object) -> str:
    """Make sure that a command ended in one line on standard error that says what was wrong."""
    assert result.exit_code == code, result.output
    lines = result.stderr.splitlines()
    errors = [line for line in lines if line.startswith("error: ")]
    assert errors == lines[-1:], result.stderr
    for text in said:
        assert str(text) in errors[0]
    return errors[0]


def _snapshot(folder: Path) -> Snapshot:
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _masks(folder: Path) -> dict[str, bytes]:
    return {name: content for name, (content, _) in _snapshot(folder).items() if name.endswith(".png")}


def _record(folder: Path) -> dict[str, dict[str, object]]:
    return json.loads((folder / "run.json").read_text())


def test_propagate__writes_indexed_masks_of_every_frame(make_davis: MakeDavis) -> None:
    data = make_davis(size=(45, 67))
    _propagate(data, "out")
    assert set(_masks(Path("out"))) == {
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
    _propagate(data, "out")
    for name in ("first", "second"):
        np.testing.assert_array_equal(
            read_ids(Path("out", name, "00000.png")),
            read_ids(data / "Annotations" / "480p" / name / "00000.png"),
        )


def test_propagate__follows_the_objects(make_davis: MakeDavis) -> None:
    data = make_davis(size=(96, 128))
    _propagate(data, "out")
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
    _propagate(data, "out")
    np.testing.assert_array_equal(read_ids(Path("out/only/00000.png")), first)
    for t in (1, 2, 3):
        assert set(np.unique(read_ids(Path(f"out/only/{t:05d}.png")))) == {0, 3, 200}
    assert _record(Path("out"))["sequences"]["only"]["objects"] == [3, 200]  # type: ignore[index]


@pytest.mark.parametrize("kind", ["grey", "binary", "black-and-white"])
def test_propagate__other_kinds_of_first_mask(make_davis: MakeDavis, kind: str) -> None:
    data = make_davis({"only": 2}, ids=(1,))
    path = data / "Annotations" / "480p" / "only" / "00000.png"
    ids = read_ids(path)
    image = Image.fromarray(ids if kind == "grey" else ids * 255)
    (image.convert("1") if kind == "black-and-white" else image).save(path)
    _propagate(data, "out")
    np.testing.assert_array_equal(read_ids(Path("out/only/00000.png")), ids)
    assert set(np.unique(read_ids(Path("out/only/00001.png")))) == {0, 1}


def test_propagate__record_of_the_run(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out", "--top-k", 4, "--radius", 2.5)
    record = _record(Path("out"))
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
    assert first["frames"] == 4  # type: ignore[index]
    assert first["objects"] == [1, 2]  # type: ignore[index]
    assert first["seconds"] > 0  # type: ignore[index]


def test_propagate__record_holds_the_sum_of_the_checkpoint(make_davis: MakeDavis, tmp_path: Path) -> None:
    import hashlib

    path = published.write(tmp_path / "weights", "fine-grained", _plausible())
    data = make_davis({"only": 2})
    result = _run("--data", data, "--fc", "fine-grained", "--checkpoints", tmp_path / "weights", "-o", "out")
    assert result.exit_code == 0, result.output
    assert _record(Path("out"))["checkpoints"]["fc"] == {
        "file": "pretrained_fc.pth",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }


def _plausible() -> dict[str, torch.Tensor]:
    return {**published.constants("resnet18", start=1.0), **load_encoder("random18").state_dict()}


def test_propagate__published_settings_by_number_of_networks(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2}, size=(24, 32))
    result = _run(
        "--data", data, "--fc", "random18", "--semantic", "random50", "-o", "out", "--device", "cpu"
    )
    assert result.exit_code == 0, result.output
    settings = _record(Path("out"))["settings"]
    assert [settings[name] for name in SETTINGS] == [15, 15.0, 0.1, 20, 1.75]
    _propagate(data, "single")
    settings = _record(Path("single"))["settings"]
    assert [settings[name] for name in SETTINGS[:4]] == [10, 12.0, 0.05, 20]


def test_propagate__backends_agree(make_davis: MakeDavis) -> None:
    data = make_davis()
    for backend in ("reference", "windowed"):
        _propagate(data, backend, "--backend", backend)
        assert _record(Path(backend))["backend"] == backend
    for path in Path("reference").rglob("*.png"):
        other = read_ids(Path("windowed") / path.relative_to("reference"))
        assert np.mean(read_ids(path) == other) > 0.995


@pytest.mark.parametrize("option", [("--batchnorm", "checkpoint"), ("--radius", "1"), ("--temperature", "5")])
def test_propagate__options_take_effect(make_davis: MakeDavis, option: tuple[str, str]) -> None:
    # With a short window few of the votes are copies of frame 0.
    data = make_davis({"only": 4}, size=(96, 128))
    _propagate(data, "plain", "--context-frames", 1, "--top-k", 20)
    _propagate(data, "changed", "--context-frames", 1, "--top-k", 20, *option)
    assert _masks(Path("plain")) != _masks(Path("changed"))


def test_propagate__data_is_only_read(make_davis: MakeDavis) -> None:
    data = make_davis()
    before = _snapshot(data)
    folders = {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_dir()}
    _propagate(data, "out", "--overlay", "frames")
    assert _snapshot(data) == before
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*") if path.is_dir()} == folders


def test_propagate__plain_lines_off_a_terminal(make_davis: MakeDavis) -> None:
    result = _propagate(make_davis(), "out")
    lines = result.stderr.splitlines()
    assert "first: 4 frames" in lines
    assert any(re.match(r"first: done, 4 frames in \d+\.\d s, \d+\.\d\d frames/s", line) for line in lines)
    assert "\x1b" not in result.output
    assert "\r" not in result.output
    assert result.stdout == "Masks: out\n"


def test_propagate__says_what_it_is_about_to_do(make_davis: MakeDavis) -> None:
    result = _propagate(make_davis(), "out", "--top-k", "7")
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
    result = _run("--data", data, "--top-k", 5, *networks)
    assert result.exit_code == 0, result.output
    assert (Path(expected) / "only" / "00001.png").is_file()
    assert result.stdout == f"Masks: {expected}\n"


def test_propagate__default_output_of_a_checkpoint_file(make_davis: MakeDavis, tmp_path: Path) -> None:
    path = published.write(tmp_path / "weights", "crw", _plausible()).rename(tmp_path / "mine.pth")
    result = _run("--data", make_davis({"only": 2}), "--fc", path)
    assert result.exit_code == 0, result.output
    assert Path("results/davis/mine/only/00001.png").is_file()


def test_propagate__only_chosen_sequences(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 2, "c": 2})
    _propagate(data, "out", "--sequences", "c, a")
    assert {name.split("/")[0] for name in _masks(Path("out"))} == {"a", "c"}


def test_propagate__name_in_the_current_folders_data(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    Path("data").mkdir()
    data.rename("data/mine")
    result = _run("--data", "mine", "--fc", "random18")
    assert result.exit_code == 0, result.output
    assert Path("results/mine/random18/only/00001.png").is_file()


def test_propagate__overlay(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 3})
    _propagate(data, "out", "--overlay", "frames")
    for t in range(3):
        picture = cv2.imread(f"out/overlay/only/{t:05d}.jpg")
        frame = cv2.imread(str(data / "JPEGImages" / "480p" / "only" / f"{t:05d}.jpg"))
        assert picture.shape == frame.shape
        mask = read_ids(Path(f"out/only/{t:05d}.png"))
        changed = np.abs(picture.astype(int) - frame).max(-1)
        assert changed[mask != 0].mean() > 3 * changed[mask == 0].mean()


def test_propagate__overlay_of_complete_results(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out")
    before = _masks(Path("out"))
    result = _propagate(data, "out", "--overlay", "frames")
    assert "2 sequences are complete already" in result.stderr
    assert len(list(Path("out/overlay").rglob("*.jpg"))) == 7
    assert _masks(Path("out")) == before


def _film_frames(path: Path) -> int:
    film, count = cv2.VideoCapture(str(path)), 0
    while film.read()[0]:
        count += 1
    return count


@pytest.mark.parametrize("bare", [("--overlay", "--cutout"), ("--cutout", "--overlay")])
def test_propagate__bare_overlay_is_a_film(make_davis: MakeDavis, bare: tuple[str, ...]) -> None:
    _propagate(make_davis(), "out", *bare)
    assert sorted(path.name for path in Path("out/overlay").iterdir()) == ["first.mp4", "second.mp4"]
    assert _film_frames(Path("out/overlay/first.mp4")) == 4
    assert len(list(Path("out/cutout").rglob("*.png"))) == 7


def test_propagate__films_and_cut_outs_of_complete_results(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out")
    before = _snapshot(Path("out"))
    result = _propagate(data, "out", "--overlay=gif", "--cutout")
    assert "2 sequences are complete already" in result.stderr
    after = _snapshot(Path("out"))
    kept = before.keys() - {"run.json"}
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    Path("out/cutout/first/00002.png").unlink()
    _propagate(data, "out", "--overlay", "gif", "--cutout")
    assert _snapshot(Path("out")).keys() == after.keys()
    with Image.open("out/overlay/second.gif") as image:
        assert image.n_frames == 3


def test_propagate__soft_labels_need_the_propagation_again(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out", "--overlay")
    before = _snapshot(Path("out"))
    assert "complete already" not in _propagate(data, "out", "--soft").stderr
    after = _snapshot(Path("out"))
    # The masks come out as they were, so what was made from them stays.
    assert {name: after[name][0] for name in before if name != "run.json"} == {
        name: content for name, (content, _) in before.items() if name != "run.json"
    }
    assert "2 sequences are complete already" in _propagate(data, "out", "--soft", "--overlay").stderr
    assert _snapshot(Path("out")).keys() == after.keys()
    for path in sorted(Path("out/soft").rglob("*.npz")):
        labels, objects, (height, width) = read_soft_labels(path)
        mask = enlarge_to_mask(labels, objects, height, width)
        stored = read_ids(Path("out") / path.relative_to("out/soft").with_suffix(".png"))
        # The first mask was painted, not enlarged.
        assert (mask == stored).mean() > (0.9 if path.stem == "00000" else 0.995)
    assert len(list(Path("out/soft").rglob("*.npz"))) == 7


def test_propagate__extras_of_masks_that_change_are_not_left(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 3})
    _propagate(data, "out", "--overlay", "--cutout")
    Path("out/only/00001.png").unlink()
    _propagate(data, "out")
    assert not [name for name in _snapshot(Path("out")) if "overlay" in str(name) or "cutout" in str(name)]


def test_propagate__gif_of_a_long_sequence_is_refused_before_anything_is_done(make_davis: MakeDavis) -> None:
    data = make_davis({"long": 301}, size=(16, 24))
    options = ("--data", data, "--fc", "random18", "-o", "out", "--overlay", "gif")
    _refuse(_run(*options), 2, "GIF of long would have 301 frames", "300 are the most", "--overlay video")
    assert not Path("out").exists()


def test_propagate__complete_sequences_are_skipped(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out")
    before = _snapshot(Path("out"))
    sequences = _record(Path("out"))["sequences"]
    result = _propagate(data, "out")
    assert "2 sequences are complete already" in result.stderr
    after = _snapshot(Path("out"))
    assert {k: v for k, v in after.items() if k != "run.json"} == {
        k: v for k, v in before.items() if k != "run.json"
    }
    assert _record(Path("out"))["sequences"] == sequences


def test_propagate__goes_on_with_what_is_missing(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out")
    before = _snapshot(Path("out"))
    Path("out/second/00001.png").unlink()
    result = _propagate(data, "out")
    assert "1 sequence is complete already" in result.stderr
    assert "second: 3 frames" in result.stderr
    after = _snapshot(Path("out"))
    assert {name: content for name, (content, _) in after.items() if name.endswith("png")} == {
        name: content for name, (content, _) in before.items() if name.endswith("png")
    }
    assert after["first/00001.png"] == before["first/00001.png"]


def test_propagate__changed_first_mask_is_done_again(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out")
    path = data / "Annotations" / "480p" / "second" / "00000.png"
    changed = read_ids(path).copy()
    changed[changed == 2] = 9
    write_mask(path, changed)
    _propagate(data, "out")
    assert 9 in read_ids(Path("out/second/00002.png"))


def test_propagate__other_settings_are_refused(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out")
    before = _snapshot(Path("out"))
    result = _run(
        "--data", data, "--fc", "random18", "-o", "out", "--top-k", "3", "--batchnorm", "checkpoint"
    )
    _refuse(result, 2, "out", "top_k 10 → 3", "batchnorm released → checkpoint", "--overwrite")
    assert _snapshot(Path("out")) == before


def test_propagate__another_data_set_is_refused(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis()
    _propagate(data, "out")
    shutil.copytree(data, tmp_path / "other")
    result = _run("--data", tmp_path / "other", "--fc", "random18", "-o", "out")
    _refuse(result, 2, data, tmp_path / "other")


def test_propagate__changed_checkpoint_is_refused(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis({"only": 2})
    path = published.write(tmp_path / "weights", "crw", _plausible())
    options = ("--data", data, "--fc", "crw", "--checkpoints", path.parent, "-o", "out")
    assert _run(*options).exit_code == 0
    published.write(tmp_path / "weights", "crw", published.constants("resnet18", start=0.5))
    _refuse(_run(*options), 2, "another checkpoint under the same name")


def test_propagate__overwrite_replaces_all_of_other_settings(make_davis: MakeDavis) -> None:
    # What stayed of the old settings would pass for complete in the next run.
    data = make_davis()
    _propagate(data, "out", "--overlay", "frames")
    _propagate(data, "out", "--top-k", 3, "--overwrite", "--sequences", "first")
    assert {name.split("/")[0] for name in _masks(Path("out"))} == {"first"}
    assert not list(Path("out/overlay").rglob("*.jpg"))
    record = _record(Path("out"))
    assert record["settings"]["top_k"] == 3
    assert set(record["sequences"]) == {"first"}


def test_propagate__overwrite_of_the_same_settings_spares_other_sequences(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate(data, "out")
    before = _snapshot(Path("out"))
    _propagate(data, "out", "--overwrite", "--sequences", "first")
    after = _snapshot(Path("out"))
    assert after["second/00001.png"] == before["second/00001.png"]
    assert after["first/00001.png"][0] == before["first/00001.png"][0]
    assert after["first/00001.png"][1] > before["first/00001.png"][1]
    assert set(_record(Path("out"))["sequences"]) == {"first", "second"}


def test_propagate__folder_of_something_else_is_refused(make_davis: MakeDavis) -> None:
    Path("out").mkdir()
    Path("out/thesis.tex").write_text("important")
    result = _run("--data", make_davis(), "--fc", "random18", "-o", "out")
    _refuse(result, 2, "out is not empty", "--overwrite")
    assert [path.name for path in Path("out").iterdir()] == ["thesis.tex"]
    _propagate(make_davis(), "out", "--overwrite")
    assert Path("out/thesis.tex").read_text() == "important"


def test_propagate__damaged_record(make_davis: MakeDavis) -> None:
    Path("out").mkdir()
    Path("out/run.json").write_text('{"half":')
    _refuse(_run("--data", make_davis(), "--fc", "random18", "-o", "out"), 3, "out/run.json")


def test_propagate__leftovers_of_a_killed_run(make_davis: MakeDavis) -> None:
    # Killed before its record had its name, and then in the middle of a mask.
    data = make_davis({"only": 2})
    Path("out/only").mkdir(parents=True)
    Path("out/only").rmdir()
    Path("out/.run.json.99.part").write_text("{")
    _propagate(data, "out")
    Path("out/only/00001.png").rename("out/only/.00001.png.99.part")
    _propagate(data, "out")
    assert sorted(path.name for path in Path("out").rglob("*") if path.is_file()) == [
        "00000.png",
        "00001.png",
        "run.json",
    ]


def test_propagate__interrupted_by_the_user(make_davis: MakeDavis, monkeypatch: pytest.MonkeyPatch) -> None:
    from sfc_cli.inference import sequences

    data = make_davis()
    _propagate(data, "whole")

    def read(path: Path) -> object:
        if path.parent.name == "second" and path.name == "00001.jpg":
            raise KeyboardInterrupt
        return plain(path)

    plain = sequences.read_frame
    with monkeypatch.context() as patch:
        patch.setattr(sequences, "read_frame", read)
        result = _run("--data", data, "--fc", "random18", "-o", "out")
    assert result.exit_code == 130
    kept = len(list(Path("out").rglob("*.png")))
    assert (
        f"interrupted; {kept} masks kept in out; to go on, type the same command without --overw"
        in result.stderr
    )
    assert len(list(Path("out/first").glob("*.png"))) == 4
    _propagate(data, "out")
    assert _masks(Path("out")) == _masks(Path("whole"))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-40])


def _empty(path: Path) -> None:
    path.write_bytes(b"")


def _shrink(path: Path) -> None:
    cv2.imwrite(str(path), cv2.imread(str(path), cv2.IMREAD_UNCHANGED)[:-8])


@pytest.mark.parametrize(
    ("damage", "said"),
    [(_truncate, "truncated"), (_empty, "empty"), (_shrink, "64×40 pixels")],
    ids=["truncated", "empty", "another-size"],
)
def test_propagate__bad_frame_in_the_middle(
    make_davis: MakeDavis, damage: Callable[[Path], None], said: str
) -> None:
    data = make_davis({"a": 3, "b": 5, "c": 3})
    _propagate(data, "whole")
    frame = data / "JPEGImages" / "480p" / "b" / "00003.jpg"
    good = frame.read_bytes()
    damage(frame)
    result = _run("--data", data, "--fc", "random18", "-o", "out")
    _refuse(result, 3, frame, said, "All other sequences are complete")
    assert set(_record(Path("out"))["sequences"]) == {"a", "c"}
    whole, partial = _masks(Path("whole")), _masks(Path("out"))
    assert {name for name in whole if name[0] != "b"} <= partial.keys()
    assert "b/00003.png" not in partial
    assert all(whole[name] == content for name, content in partial.items())
    # Repaired, the same command finishes the rest.
    frame.write_bytes(good)
    _propagate(data, "out")
    assert _masks(Path("out")) == whole


def test_propagate__two_bad_sequences_are_counted(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 3, "b": 3, "c": 3})
    for name in "ac":
        _truncate(data / "JPEGImages" / "480p" / name / "00001.jpg")
    result = _run("--data", data, "--fc", "random18", "-o", "out")
    _refuse(result, 3, "a/00001.jpg", "1 more sequences failed")
    assert set(_record(Path("out"))["sequences"]) == {"b"}


def _rgb(path: Path) -> None:
    Image.fromarray(palette()[read_ids(path)]).save(path)


def _soft(path: Path) -> None:
    Image.fromarray(cv2.GaussianBlur((read_ids(path) > 0).astype(np.uint8) * 255, (0, 0), 2)).save(path)


def _blank(path: Path) -> None:
    write_mask(path, np.zeros_like(read_ids(path)))


def _void(path: Path) -> None:
    write_mask(path, np.full_like(read_ids(path), 255))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        pytest.param(_rgb, "an RGB image with 3 colours", id="rgb"),
        pytest.param(_soft, "soft edges", id="soft-edges"),
        pytest.param(_blank, "No objects in", id="no-object"),
        pytest.param(_void, "No objects in", id="all-void"),
        pytest.param(Path.unlink, "missing", id="missing"),
        pytest.param(_truncate, "cannot be decoded", id="truncated"),
        pytest.param(_empty, "cannot be", id="empty"),
        pytest.param(
            lambda path: write_mask(path, read_ids(path)[:-8]), "64×40 pixels, its frame", id="another-size"
        ),
    ],
)
def test_propagate__bad_first_mask(make_davis: MakeDavis, damage: Callable[[Path], None], said: str) -> None:
    data = make_davis()
    path = data / "Annotations" / "480p" / "second" / "00000.png"
    damage(path)
    _refuse(_run("--data", data, "--fc", "random18", "-o", "out"), 3, path, said)
    assert not Path("out").exists()
    _propagate(data, "out", "--sequences", "first")


@pytest.mark.parametrize("damage", [_truncate, _empty])
def test_propagate__bad_first_frame(make_davis: MakeDavis, damage: Callable[[Path], None]) -> None:
    data = make_davis()
    frame = data / "JPEGImages" / "480p" / "second" / "00000.jpg"
    damage(frame)
    _refuse(_run("--data", data, "--fc", "random18", "-o", "out"), 3, frame)


def test_propagate__one_frame(make_davis: MakeDavis) -> None:
    data = make_davis({"long": 3, "short": 1})
    _refuse(_run("--data", data, "--fc", "random18", "-o", "out"), 3, "short", "single frame", "--sequences")
    _propagate(data, "out", "--sequences", "long")


def test_propagate__missing_places(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis()
    options = ("--fc", "random18", "-o", "out")
    _refuse(_run("--data", tmp_path / "none", *options), 3, tmp_path / "none")
    _refuse(_run("--data", data, "--split", "test", *options), 3, "test.txt", "val")
    _refuse(_run("--data", data, "--sequences", "first,third", *options), 3, "third", "first, second")
    _refuse(_run("--data", data, "--sequences", ",", *options), 3, "--sequences")
    shutil.rmtree(data / "JPEGImages" / "480p" / "second")
    _refuse(_run("--data", data, *options), 3, data / "JPEGImages" / "480p" / "second")
    shutil.rmtree(data / "Annotations" / "480p" / "second")
    shutil.rmtree(data / "ImageSets")
    _refuse(_run("--data", data, *options), 3, data / "ImageSets" / "2017" / "val.txt")
    assert not Path("out").exists()


def test_propagate__unknown_name_lists_every_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFC_DATA", str(tmp_path / "sets"))
    error = _refuse(_run("--fc", "random18"), 3, "sfc download davis")
    for place in (
        tmp_path / "work" / "sfc.yaml",
        tmp_path / "config" / "sfc" / "sfc.yaml",
        tmp_path / "sets" / "davis",
        "data/davis",
    ):
        assert str(place) in error


@pytest.mark.parametrize(
    ("content", "said"),
    [
        pytest.param(None, "sfc download fc", id="missing"),
        pytest.param(b"", "empty", id="empty"),
        pytest.param(b"<!DOCTYPE html>", "HTML", id="html"),
        pytest.param(b"not found", "truncated or not a PyTorch checkpoint", id="text"),
    ],
)
def test_propagate__bad_checkpoint(
    make_davis: MakeDavis, tmp_path: Path, content: bytes | None, said: str
) -> None:
    path = tmp_path / "weights" / "pretrained_fc.pth"
    path.parent.mkdir()
    if content is not None:
        path.write_bytes(content)
    result = _run("--data", make_davis(), "--fc", "fine-grained", "--checkpoints", path.parent, "-o", "out")
    _refuse(result, 3, path, said)
    assert not Path("out").exists()


def test_propagate__checkpoint_truncated_lacking_keys_or_too_deep(
    make_davis: MakeDavis, tmp_path: Path
) -> None:
    options = ("--data", make_davis(), "--fc", "crw", "--checkpoints", tmp_path, "-o", "out")
    state = published.constants("resnet18", start=1.0)
    path = published.write(tmp_path, "crw", state)
    path.write_bytes(path.read_bytes()[:-1000])
    _refuse(_run(*options), 3, path, "truncated")
    del state["layer2.1.bn1.bias"]
    published.write(tmp_path, "crw", state)
    _refuse(_run(*options), 3, path, "layer2.1.bn1.bias")
    published.write(tmp_path, "crw", published.constants("resnet50", start=1.0))
    _refuse(_run(*options), 3, path, "resnet50")
    published.write(tmp_path, "crw", published.constants("resnet101", start=1.0))
    _refuse(_run(*options), 3, path, "has a resnet101")


def test_propagate__output_that_cannot_be_written(make_davis: MakeDavis) -> None:
    data = make_davis()
    Path("taken").write_text("a file")
    _refuse(_run("--data", data, "--fc", "random18", "-o", "taken"), 3, "taken")
    _refuse(_run("--data", data, "--fc", "random18", "-o", "taken/below"), 3, "taken/below")
    assert Path("taken").read_text() == "a file"


def test_propagate__output_inside_the_data(make_davis: MakeDavis) -> None:
    data = make_davis()
    before = _snapshot(data)
    for output in (data, data / "results", data / "Annotations" / "480p"):
        _refuse(
            _run("--data", data, "--fc", "random18", "-o", output, "--overwrite"), 2, "where the frames are"
        )
    Path("link").symlink_to(data)
    _refuse(_run("--data", data, "--fc", "random18", "-o", "link/results"), 2, "where the frames are")
    assert _snapshot(data) == before


def test_propagate__disk_becomes_full(make_davis: MakeDavis, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(self: Path, content: bytes) -> int:
        if "00002.png" in self.name and self.parent.name == "first":
            raise OSError(28, "No space left on device", str(self))
        return plain(self, content)

    data = make_davis()
    plain = Path.write_bytes
    with monkeypatch.context() as patch:
        patch.setattr(files.Path, "write_bytes", write)
        result = _run("--data", data, "--fc", "random18", "-o", "out")
    _refuse(result, 3, "out/first/00002.png", "No space left on device")
    assert set(_record(Path("out"))["sequences"]) == {"second"}
    assert Path("out/first/00001.png").is_file()
    assert not Path("out/first/00002.png").exists()
    assert not list(Path("out").rglob("*.part"))


# A window of no frames is one.
@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for name in SETTINGS for value in ("0", "-1") if (name, value) != ("context_frames", "0")],
)
def test_propagate__settings_that_are_not_positive(make_davis: MakeDavis, name: str, value: str) -> None:
    option = "--" + name.replace("_", "-")
    _refuse(_run("--data", make_davis(), "--fc", "random18", "-o", "out", option, value), 2, option, value)
    assert not Path("out").exists()


@pytest.mark.parametrize("value", ["nan", "inf"])
@pytest.mark.parametrize("name", ["radius", "temperature", "fusion_weight"])
def test_propagate__settings_that_are_not_finite(make_davis: MakeDavis, name: str, value: str) -> None:
    option = "--" + name.replace("_", "-")
    _refuse(_run("--data", make_davis(), "--fc", "random18", "-o", "out", option, value), 2, option, value)


def test_propagate__top_k_beyond_reach_is_told_before_anything(make_davis: MakeDavis) -> None:
    result = _run("--data", make_davis(), "--fc", "random18", "-o", "out", "--top-k", "100000")
    _refuse(result, 2, "--top-k is 100000", "6×8 feature grid")
    assert not Path("out").exists()


def test_propagate__bundled_network_by_default(make_davis: MakeDavis) -> None:
    result = _run("--data", make_davis(), "-o", "out")
    assert result.exit_code == 0, result.output
    record = json.loads(Path("out/run.json").read_text())
    assert (record["settings"]["fc"], record["settings"]["semantic"]) == ("mini", None)
    assert record["checkpoints"]["fc"]["file"] == "mini.pth"


def test_propagate__unknown_network(make_davis: MakeDavis) -> None:
    data = make_davis()
    _refuse(_run("--data", data, "--fc", "finegrained"), 2, "finegrained", "fine-grained")
    _refuse(_run("--data", data, "--semantic", "weights/none.pth"), 3, "weights/none.pth")


@pytest.mark.parametrize("option", [("--top-k", "many"), ("--backend", "quick"), ("--batchnorm", "no")])
def test_propagate__options_that_cannot_be_read(option: tuple[str, str]) -> None:
    result = _run("--fc", "random18", *option)
    assert result.exit_code == 2
    assert f"Invalid value for '{option[0]}'" in result.stderr


@pytest.mark.parametrize("device", ["tpu", "cuda:x", "cuda:-1", ""])
def test_propagate__unknown_device(device: str) -> None:
    # Told before any data is looked for.
    result = _run("--fc", "random18", "--device", device)
    _refuse(result, 2, f"--device {device!r} is unknown", "cuda:N or mps")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_propagate__cuda_without_a_card(make_davis: MakeDavis) -> None:
    _refuse(
        _run("--data", make_davis(), "--fc", "random18", "-o", "out", "--device", "cuda"),
        2,
        "--device is cuda",
    )


def test_propagate__debug_shows_the_error_itself(make_davis: MakeDavis) -> None:
    result = _run("--data", make_davis(), "--fc", "crw", "-o", "out", "--debug")
    assert isinstance(result.exception, InputError)


def test_propagate__verbose_tells_what_was_loaded(
    make_davis: MakeDavis, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    published.write(tmp_path / "weights", "crw", _plausible())
    result = _run(
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
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
    }
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
    _propagate(data, "alone")
    assert _masks(Path("out")) == _masks(Path("alone"))
    assert sorted(json.loads(Path("out/run.json").read_text())["sequences"]) == ["first", "second"]
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

    assert _run(*arguments, "-o", "usual").exit_code == 0
    assert settings("usual") == ["exact", "float32"]
    assert not caplog.messages
    assert _run(*arguments, "-o", "fast", "--precision", "fast").exit_code == 0
    assert settings("fast") == ["fast", "float32"]
    assert "fast computes as exact" in caplog.text
    assert _masks(Path("fast")) == _masks(Path("usual"))
    # Another processor, the same word: what is there is not mixed with what would come.
    monkeypatch.setattr(precision, "multiplies_bfloat16", lambda: True)
    result = _run(*arguments, "-o", "fast", "--precision", "fast")
    _refuse(result, 2, "data_type float32 → bfloat16", "--overwrite")
    result = _run(*arguments, "-o", "usual", "--precision", "tf32")
    _refuse(result, 2, "precision exact → tf32", "--overwrite")
