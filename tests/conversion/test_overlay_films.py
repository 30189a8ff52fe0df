"""Masks corrected by hand get a film: their own colours over the frames that they are named after."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.conversion.overlay_films import is_clip, render_film
from sfc_cli.data.masks import write_mask
from sfc_cli.data.overlay import blend
from sfc_cli.data.videos import open_video
from sfc_cli.errors import InputError, UsageError
from tests.commands.footage import make_frame, make_frames, mask_of, write_images, write_video


@pytest.fixture
def video(tmp_path: Path) -> Path:
    return write_video(tmp_path / "walk.avi", make_frames(6), "FFV1", rate=10.0)


def _results(folder: Path, name: str = "walk", first: int = 0) -> Path:
    for number in range(first, 6):
        write_mask(folder / name / f"{number:05d}.png", mask_of(number))
    return folder


@pytest.mark.parametrize("output", ["films", "films/a.webm"])
def test_render_film__at_the_frames_of_the_masks(tmp_path: Path, video: Path, output: str) -> None:
    made = render_film(_results(tmp_path / "out", first=2), tmp_path / output, str(video))
    expected = tmp_path / ("films/walk.mp4" if output == "films" else output)
    assert (made.path, made.frames) == (expected, 4)
    frames = list(open_video([str(expected)]).frames())
    assert [frame.stamp.seconds for frame in frames] == pytest.approx([0, 0.1, 0.2, 0.3], abs=2e-3)
    for frame, number in zip(frames, range(2, 6), strict=True):
        wanted = blend(make_frame(number)[0], mask_of(number)).astype(int)
        assert np.abs(frame.frame - wanted).mean() < 6


def test_render_film__a_mask_painted_over(tmp_path: Path, video: Path) -> None:
    results = _results(tmp_path / "out")
    painted = np.zeros((*mask_of(3).shape, 3), np.uint8)
    painted[mask_of(3) == 1] = (128, 0, 0)
    Image.fromarray(painted).save(results / "walk" / "00003.png")
    made = render_film(results, tmp_path / "a.mp4", str(video))
    frames = list(open_video([str(made.path)]).frames())
    wanted = blend(make_frame(3)[0], mask_of(3, 1)).astype(int)
    assert np.abs(frames[3].frame - wanted).mean() < 6


def test_render_film__over_images(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "walk", make_frames(6))
    assert render_film(_results(tmp_path / "out"), tmp_path / "films", str(folder)).frames == 6


def test_render_film__refuses_what_does_not_fit(tmp_path: Path, video: Path) -> None:
    for name in ("run", "jump"):
        _results(tmp_path / "two", name)
    with pytest.raises(InputError, match=r"2 sequences \(.*\), none of them named walk"):
        render_film(tmp_path / "two", tmp_path / "a.mp4", str(video))
    write_mask(tmp_path / "odd" / "walk" / "frame7.png", mask_of(0))
    with pytest.raises(InputError, match=r"No mask in .* is named after a frame .* such as 00000\.png"):
        render_film(tmp_path / "odd", tmp_path / "a.mp4", str(video))
    write_mask(tmp_path / "small" / "walk" / "00000.png", mask_of(0)[:20, :20])
    with pytest.raises(InputError, match=r"00000\.png has 20×20 pixels"):
        render_film(tmp_path / "small", tmp_path / "a.mp4", str(video))
    assert not (tmp_path / "a.mp4").exists()
    clip = video.rename(tmp_path / "walk.mp4")
    with pytest.raises(UsageError, match=r"walk\.mp4"):
        render_film(_results(tmp_path / "out"), clip, str(clip))


def test_is_clip__videos_and_images_are_data_sets_are_not(tmp_path: Path, video: Path) -> None:
    folder = write_images(tmp_path / "shots", make_frames(2))
    (tmp_path / "davis" / "JPEGImages").mkdir(parents=True)
    assert [is_clip(str(path)) for path in (video, folder, f"{folder}/*.png", f"{folder}/%05d.png")] == [
        True
    ] * 4
    assert not is_clip(str(tmp_path / "davis"))
    assert not is_clip("sample")
