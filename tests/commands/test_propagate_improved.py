"""``sfc propagate --protocol``: which one is meant, what the improved one does, what it says at the end."""

import csv
import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import Result

from sfc_cli.core.encoders import load_encoder
from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.soft_labels import read_soft_labels
from tests.commands.footage import FRAMES, make_frames, mask_of, write_images, write_mask_of
from tests.commands.running import record_in, refused, run, succeed
from tests.core import published

IMPROVED = ("--protocol", "improved", "--size", "0", "--channels", "24")
MakeDavis = Callable[..., Path]


def _propagate(*arguments: object) -> Result:
    return succeed(run("propagate", *arguments))


def test_protocol__improved_by_default_but_for_published_networks(
    shots: Path, first: Path, make_davis: MakeDavis
) -> None:
    _propagate(
        shots, "--mask", first, "--fc", "random18", "-o", "out", "--size", "0", "--protocol", "published"
    )
    settings = record_in("out")["settings"]
    assert settings["protocol"] == "published"
    assert (settings["whitening"], settings["label_patch"], settings["edge_refinement"]) == (None, 1, 0)
    _propagate(shots, "--mask", first, "--fc", "random18", "-o", "better")
    settings = record_in("better")["settings"]
    assert settings["protocol"] == "improved"
    assert (settings["whitening"], settings["label_patch"], settings["edge_refinement"]) == (0.02, 8, 0.5)
    assert settings["shallow_weight"] == 1
    data = make_davis({"only": 3})
    result = _propagate("--data", data, "--fc", "random18", "--channels", "24")
    assert "improved protocol" in result.stderr.splitlines()[1]
    # The folder names the protocol, so that runs of the two never mix.
    assert Path("results/davis/random18-improved/only/00002.png").is_file()
    # What others have numbers of is compared with them, unless it runs on a video.
    Path("checkpoints").mkdir()
    published.write(Path("checkpoints"), "fine-grained", load_encoder("random18").state_dict())
    _propagate("--data", data, "--fc", "fine-grained", "-o", "compared")
    assert record_in("compared")["settings"]["protocol"] == "published"
    _propagate(shots, "--mask", first, "--fc", "fine-grained", "-o", "own")
    assert record_in("own")["settings"]["protocol"] == "improved"
    _propagate("--data", data, "--fc", "checkpoints/pretrained_fc.pth", "-o", "path")
    assert record_in("path")["settings"]["protocol"] == "improved"


def test_protocol__runs_of_the_two_never_mix(shots: Path, first: Path) -> None:
    arguments = [shots, "--mask", first, "--fc", "random18", "-o", "out", "--size", "0"]
    _propagate(*arguments, "--protocol", "published")
    result = run("propagate", *arguments, "--protocol", "improved")
    refused(result, 2, "protocol published → improved")


def test_protocol__records_of_earlier_versions_are_published_ones(shots: Path, first: Path) -> None:
    arguments = [shots, "--mask", first, "--fc", "random18", "-o", "out", "--size", "0"]
    _propagate(*arguments, "--protocol", "published")
    record = record_in("out")
    parts = (
        "whitening",
        "shallow_weight",
        "channels",
        "label_patch",
        "object_reach",
        "edge_refinement",
        "long_memory",
    )
    for name in ("protocol", *parts):
        del record["settings"][name]
    Path("out/run.json").write_text(json.dumps(record))
    assert "complete already" in _propagate(*arguments, "--protocol", "published").stderr


@pytest.mark.parametrize("extra", [(), ("--both-ways",)])
def test_improved__several_masks(shots: Path, first: Path, extra: tuple[str, ...]) -> None:
    later = write_mask_of(Path("later.png"), 4, 2)
    arguments = [shots, "--mask", first, "--mask", f"4:{later}", "--fc", "random18", "-o", "out"]
    _propagate(*arguments, *IMPROVED, *extra, "--soft")
    found = read_ids(Path("out/shots/00004.png"))
    np.testing.assert_array_equal(found == 2, mask_of(4, 2) == 2)
    labels, objects, _ = read_soft_labels(Path("out/soft/shots/00006.npz"))
    # The soft labels are those that the mask was taken from, at the resolution of pixels.
    assert labels.shape == (3, 64, 96)
    strongest = np.concatenate([[0], objects])[labels.argmax(0)]
    assert (strongest == read_ids(Path("out/shots/00006.png"))).mean() > 0.999


def test_size__enlarges_small_videos_unless_published(first: Path) -> None:
    write_images(Path("few"), make_frames(2))
    for protocol, said in (("improved", "seen at 720×480"), ("published", "96×64, 24 a second;")):
        result = _propagate(
            "few", "--mask", first, "--fc", "random18", "-o", protocol, "--protocol", protocol
        )
        assert said in result.stderr.splitlines()[1]
        assert read_ids(Path(protocol, "few", "00001.png")).shape == (64, 96)
    result = _propagate(
        "few", "--mask", first, "--fc", "random18", "-o", "x", "--protocol", "published", "--size", "128"
    )
    assert "seen at 192×128" in result.stderr.splitlines()[1]


def test_size__of_a_data_set(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    _propagate("--data", data, "--fc", "random18", "-o", "out", "--size", "96", "--protocol", "published")
    assert record_in("out")["settings"]["input_size"] == 96
    assert read_ids(Path("out/only/00001.png")).shape == (48, 64)
    _propagate("--data", data, "--fc", "random18", "-o", "own", "--protocol", "published")
    assert record_in("own")["settings"]["input_size"] is None
    assert not np.array_equal(read_ids(Path("out/only/00001.png")), read_ids(Path("own/only/00001.png")))


def _with_a_tiny_object(path: Path) -> Path:
    mask = mask_of(0)
    mask[50:52, 3:5] = 7
    write_mask(path, mask)
    return path


def test_small_objects__are_named_at_the_start_and_kept_by_pixel_labels(shots: Path) -> None:
    mask = _with_a_tiny_object(Path("tiny.png"))
    arguments = [shots, "--mask", mask, "--fc", "random18", "--size", "0"]
    said = _propagate(*arguments, "-o", "published", "--protocol", "published").stderr
    assert "object 7 is too small for the 8×12 labels of a frame and will be lost" in said
    assert "object 7 is never seen after the first mask" in said
    assert record_in("published")["sequences"]["shots"]["never_seen"] == [7]
    said = _propagate(*arguments, "-o", "improved", "--protocol", "improved").stderr
    assert "too small" not in said
    assert 7 in np.unique(read_ids(Path("improved/shots/00001.png")))


def test_small_objects__of_a_data_set_are_named_too(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 3})
    path = data / "Annotations" / "480p" / "only" / "00000.png"
    mask = read_ids(path).copy()
    mask[44:46, 60:62] = 9
    write_mask(path, mask)
    said = _propagate("--data", data, "--fc", "random18", "-o", "out", "--protocol", "published").stderr
    assert "only: object 9 is too small" in said


def test_least_sure__the_frame_and_the_remedy(shots: Path, first: Path, make_davis: MakeDavis) -> None:
    frames = make_frames()
    # One frame of noise: nothing matches it.
    noise = np.random.default_rng(0).integers(0, 256, frames[0].shape, dtype=np.uint8)
    cv2.imwrite(str(shots / "00006.png"), noise)
    said = _propagate(shots, "--mask", first, "--fc", "random18", "-o", "out", *IMPROVED).stderr
    least = record_in("out")["sequences"]["shots"]["least_sure"]
    assert least["frame"] in ("00006", "00007", "00008")
    expected = f"least sure at frame {least['frame']} ({least['confidence']:.2f}); add a mask there: --mask "
    assert expected in said
    with Path("out/objects.csv").open() as stream:
        rows = [row for row in csv.DictReader(stream) if row["confidence"]]
    areas = {}
    for row in rows:
        total, weight = areas.get(row["frame"], (0.0, 0))
        areas[row["frame"]] = (total + int(row["area"]) * float(row["confidence"]), weight + int(row["area"]))
    means = {frame: total / weight for frame, (total, weight) in areas.items() if frame != "00000"}
    assert min(means.values()) == pytest.approx(least["confidence"], abs=2e-4)
    data = make_davis({"only": 3})
    said = _propagate(
        "--data", data, "--fc", "random18", "-o", "set", "--protocol", "improved", "--channels", "24"
    ).stderr
    assert "only: least sure at frame" in said
    assert "add a mask" not in said


def test_long_memory__is_a_part_of_its_own(shots: Path, first: Path) -> None:
    arguments = [shots, "--mask", first, "--fc", "random18", "--context-frames", "2", *IMPROVED]
    _propagate(*arguments, "-o", "without")
    _propagate(*arguments, "-o", "with", "--long-memory", "2")
    assert record_in("with")["settings"]["long_memory"] == 2
    last = f"shots/{FRAMES - 1:05d}.png"
    assert not np.array_equal(read_ids(Path("without", last)), read_ids(Path("with", last)))


def test_least_sure__a_frame_whose_name_is_a_plain_number(first: Path) -> None:
    shots = write_images(Path("plain"), make_frames(4))
    for path in sorted(shots.iterdir()):
        path.rename(shots / f"{int(path.stem) + 1}.png")
    said = _propagate(shots, "--mask", first, "--fc", "random18", "-o", "out").stderr
    # A plain number is a frame's number from 0 on; the file 2.png is frame 1.
    number = int(record_in("out")["sequences"]["plain"]["least_sure"]["frame"]) - 1
    assert f"add a mask there: --mask {number}:FILE" in said


@pytest.mark.parametrize(("at", "is_named"), [(FRAMES - 1, False), (FRAMES - 2, True)])
def test_never_seen__only_where_it_could_have_been(shots: Path, first: Path, at: int, is_named: bool) -> None:
    mask = np.zeros_like(mask_of(0))
    mask[50:52, 3:5] = 7
    write_mask(Path("last.png"), mask)
    # Every pixel is seen where labels are those of pixels.
    masks = ["--mask", first, "--mask", f"{at}:last.png"]
    said = _propagate(shots, *masks, "--fc", "random18", "-o", "out", "--protocol", "published").stderr
    assert ("object 7 is never seen" in said) == is_named
    assert ("never_seen" in record_in("out")["sequences"]["shots"]) == is_named


def test_long_memory__is_refused_before_anything_is_written(shots: Path, first: Path) -> None:
    arguments = [shots, "--mask", first, "--fc", "random18", "--backend", "reference", "--long-memory", "2"]
    result = run("propagate", *arguments, "-o", "out")
    refused(result, 2, "--long-memory needs the --backend windowed or fused")
    assert not Path("out").exists()


def test_small_objects__of_the_improved_protocol_need_larger_frames(shots: Path) -> None:
    mask = mask_of(0)
    for identity in range(30, 60):
        mask[2 * (identity - 30), 95] = identity
    write_mask(Path("dots.png"), mask)
    arguments = [shots, "--mask", "dots.png", "--fc", "random18", "--size", "16", "-o", "out"]
    said = _propagate(*arguments, "--protocol", "improved", "--channels", "24", "--label-patch", "2").stderr
    (line,) = [line for line in said.splitlines() if "too small" in line]
    assert "and will be lost. Use a larger --size." in line
    # Twenty are named, the rest are counted.
    assert " more are too small" in line
