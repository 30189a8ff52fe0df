"""``sfc convert`` on masks, data and places that do not fit: one line that says so, and nothing lost."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import palette, write_mask
from tests.commands.conversions import refused_alone, save_all, write_raw
from tests.commands.running import run

MakeDavis = Callable[..., Path]


def test_convert__missing_raw_mask(make_davis: MakeDavis) -> None:
    data = make_davis()
    write_raw(data, Path("raw"))
    Path("raw/1_2_mask.png").unlink()
    refused_alone(
        run("convert", "raw", "out", "--data", data), 3, "raw/1_2_mask.png", "1 of 3 frames of second"
    )
    assert not Path("out").exists()


def test_convert__raw_masks_of_another_split(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 2})
    write_raw(data, Path("raw"))
    (data / "ImageSets" / "2017" / "val.txt").write_text("a\n")
    refused_alone(run("convert", "raw", "out", "--data", data), 3, "raw/1_0_mask.png", "1 sequence.")
    (data / "ImageSets" / "2017" / "val.txt").write_text("a\nb\n")
    (data / "JPEGImages" / "480p" / "b" / "00001.jpg").unlink()
    refused_alone(run("convert", "raw", "out", "--data", data), 3, "raw/1_1_mask.png", "has 1 frames")


def test_convert__raw_masks_need_names(make_davis: MakeDavis) -> None:
    write_raw(make_davis(), Path("raw"))
    refused_alone(run("convert", "raw", "out"), 2, "--data")


def test_convert__overlay_needs_frames(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    save_all(data, lambda ids: Image.fromarray(ids))
    refused_alone(run("convert", "in", "out", "--to", "overlay"), 2, "--data")
    (data / "JPEGImages" / "480p" / "only" / "00001.jpg").unlink()
    refused_alone(
        run("convert", "in", "out", "--to", "overlay", "--data", data),
        3,
        "in/only/00001.png",
        "No frame 00001",
    )


def test_convert__unknown_colour(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    save_all(data, lambda ids: Image.fromarray(palette()[ids]))
    colours = np.asarray(Image.open("in/only/00001.png")).copy()
    colours[0, 0] = (1, 2, 3)
    Image.fromarray(colours).save("in/only/00001.png")
    refused_alone(run("convert", "in", "out"), 3, "in/only/00001.png", "(1, 2, 3)")
    refused_alone(run("convert", "in", "out", "--data", data), 3, "in/only/00001.png", "(1, 2, 3)")


@pytest.mark.parametrize("content", [b"", b"text"])
def test_convert__damaged_mask(make_davis: MakeDavis, content: bytes) -> None:
    data = make_davis()
    save_all(data, lambda ids: Image.fromarray(ids))
    Path("in/second/00001.png").write_bytes(content)
    refused_alone(run("convert", "in", "out"), 3, "in/second/00001.png")
    # What was done stays, and is whole.
    assert len(list(Path("out/first").glob("*.png"))) == 4
    assert not list(Path("out").rglob("*.part"))


def test_convert__places_that_do_not_fit(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis()
    refused_alone(run("convert", "none", "out"), 3, "none is missing")
    Path("empty").mkdir()
    refused_alone(run("convert", "empty", "out"), 3, "No masks in empty")
    save_all(data, lambda ids: Image.fromarray(ids))
    refused_alone(run("convert", "in", "in"), 2, "both input and output")
    refused_alone(run("convert", "in", "./in/../in"), 2, "both input and output")
    refused_alone(run("convert", "in", "in/out"), 2, "in/out", "inside")
    refused_alone(run("convert", "in", data / "out", "--data", data), 2, "inside the data set")
    refused_alone(run("convert", "in", "out", "--data", tmp_path / "none"), 3, tmp_path / "none")


def test_convert__output_that_cannot_be_written(make_davis: MakeDavis) -> None:
    save_all(make_davis(), lambda ids: Image.fromarray(ids))
    Path("taken").touch()
    refused_alone(run("convert", "in", "taken"), 3, "taken")


def test_convert__sequence_that_the_data_lacks(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    write_mask(Path("in/other/00000.png"), np.ones((4, 4), np.uint8))
    refused_alone(run("convert", "in", "out", "--data", data), 3, "other")
