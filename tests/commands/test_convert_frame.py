"""``sfc convert CLIP PNG --to frame``: a picture to paint on."""

from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

from sfc_cli.data.frames import read_frame
from tests.commands.footage import make_frames, read_video, write_images, write_video
from tests.commands.running import refused, run


def _convert(*arguments: object) -> Result:
    return run("convert", *arguments, "--to", "frame")


@pytest.mark.parametrize(("at", "number"), [((), 0), (("--at", "4"), 4), (("--at", "0.45s"), 5)])
def test_frame__is_the_one_that_was_asked_for(at: tuple[str, ...], number: int) -> None:
    clip = write_video(Path("clip.mp4"), make_frames(), rate=10)
    result = _convert(clip, "out/first.png", *at)
    assert result.stdout == f"frame {number} ({number / 10:.2f} s): out/first.png\n"
    np.testing.assert_array_equal(read_frame(Path("out/first.png")), read_video(clip)[number])


def test_frame__of_images() -> None:
    write_images(Path("shots"), make_frames(3))
    assert _convert("shots/*.png", "frame.png", "--at", "2").exit_code == 0
    np.testing.assert_array_equal(read_frame(Path("frame.png")), read_frame(Path("shots/00002.png")))


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("shots", "frame.jpg"), 2, "named otherwise"),
        (("shots", "frame.png", "--at", "9"), 3, "shots"),
        (("shots", "frame.png", "--at", "noon"), 2, "--at 'noon'"),
        (("shots", "shots/00001.png"), 2, "inside shots"),
        (("shots", "shots/new.png"), 2, "inside shots"),
        (("shots/*.png", "shots/00001.png"), 2, "inside shots"),
        (("shots", "frame.png", "--at", "0.1s"), 2, "frame's number"),
        (("shots", "frame.png", "--at", "7"), 3, "--at"),
        (("none.mp4", "frame.png"), 3, "none.mp4"),
    ],
)
def test_frame__refusals(arguments: tuple[str, ...], code: int, said: str) -> None:
    write_images(Path("shots"), make_frames(3))
    before = Path("shots/00001.png").read_bytes()
    refused(_convert(*arguments), code, said)
    assert not Path("frame.png").exists()
    assert Path("shots/00001.png").read_bytes() == before


def test_at__is_for_frames_alone() -> None:
    refused(run("convert", "in", "out", "--at", "3"), 2, "--to frame")
