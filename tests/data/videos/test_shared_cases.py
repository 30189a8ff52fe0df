"""Small inputs rebuilt from public reports, where they are at hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sfc_cli.data.frames import read_frame
from sfc_cli.data.videos import open_video
from sfc_cli.errors import InputError
from tests.conftest import SHARED

CASES = SHARED / "cases"
VIDEOS, FRAMES = CASES / "videos", CASES / "frames"

pytestmark = pytest.mark.skipif(not VIDEOS.is_dir(), reason="the shared cases are not here")

# How the frames of each file differ from those of base-frames.
SHOWN = {
    "anim.apng": lambda frame: frame,
    "anim.webp": lambda frame: frame,
    "av1.mp4": lambda frame: frame,
    "base.mp4": lambda frame: frame,
    "vfr.mp4": lambda frame: frame,
    "rot90.mp4": lambda frame: np.rot90(frame, -1),
    "vflip.mp4": lambda frame: frame[::-1],
    "rot90hflip.mp4": lambda frame: frame.transpose(1, 0, 2),
    "colour/t9.mp4": lambda frame: frame,
}


@pytest.mark.parametrize("name", SHOWN)
def test_frames__are_the_scene(name: str) -> None:
    taken = list(open_video([str(VIDEOS / name)]).frames())
    for number, path in enumerate(sorted((VIDEOS / "base-frames").iterdir())[: len(taken)]):
        wanted = SHOWN[name](read_frame(path)).astype(int)
        found = taken[number].frame
        assert found.shape == wanted.shape
        assert np.abs(found - wanted).mean() < 6


@pytest.mark.parametrize("number", range(10, 15))
def test_open_video__refuses_matrices(number: int) -> None:
    with pytest.raises(InputError, match=rf"m{number}\.mp4 declares the colour matrix"):
        open_video([str(VIDEOS / "colour" / f"m{number}.mp4")])


@pytest.mark.parametrize(
    ("name", "count", "size"),
    [
        ("editlist_copy.mp4", 7, (240, 426)),
        ("midstart.ts", 7, (240, 426)),
        ("i_h264_tff.mp4", 12, (288, 480)),
        ("i_mpeg4.avi", 12, (288, 480)),
        ("sar.mp4", 12, (240, 320)),
    ],
)
def test_frames__count_and_size(name: str, count: int, size: tuple[int, int]) -> None:
    video = open_video([str(VIDEOS / name)])
    taken = list(video.frames())
    assert (len(taken), video.size) == (count, size)
    assert taken[-1].stamp.seconds == pytest.approx((count - 1) / 25)
    # Neighbouring lines of a combed picture differ more than lines that are two apart.
    for frame in taken:
        lines = frame.frame.astype(int)
        assert np.abs(lines[1:] - lines[:-1]).mean() < np.abs(lines[2:] - lines[:-2]).mean()


def test_stamps__of_uneven_times() -> None:
    seconds = [stamp.seconds for stamp in open_video([str(VIDEOS / "vfr.mp4")]).stamps()]
    assert len({round(later - earlier, 3) for earlier, later in itertools.pairwise(seconds)}) > 1
    assert seconds[:8] == pytest.approx([0, 0.04, 0.08, 0.12, 0.16, 0.2, 0.24, 0.44])


@pytest.mark.parametrize(
    ("folder", "ordered"),
    [
        ("exif", [f"{number:05d}" for number in range(5)]),
        ("negative", [f"frame_{number}" for number in range(-2, 3)]),
        ("timestamps", [f"1700000000.{part}" for part in ("100", "133", "2", "233", "266")]),
    ],
)
def test_stamps__of_images_in_order(folder: str, ordered: list[str]) -> None:
    video = open_video([str(FRAMES / folder)])
    assert [stamp.name for stamp in video.stamps()] == ordered
    taken = list(video.frames())
    # The scene moves on: neighbours are nearest.
    steps = [np.abs(frame.frame.astype(int) - taken[0].frame).mean() for frame in taken]
    assert steps == sorted(steps)
    assert video.size == ((426, 240) if folder == "exif" and taken[0].frame.shape[0] == 426 else (240, 426))


def test_frames__of_12_bits_in_16() -> None:
    video = open_video([str(FRAMES / "gray16")])
    assert any("hold 12-bit numbers" in remark for remark in video.remarks())
    assert next(video.frames()).frame.max() == 255
