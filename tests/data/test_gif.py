"""GIFs: the right frames at the right times, in colours that the objects keep."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.gif import GifWriter, encode_gif_frame, gif_delay
from sfc_cli.data.masks import palette
from sfc_cli.data.overlay import blend
from sfc_cli.errors import InputError


def _frames(path: Path) -> tuple[list[np.ndarray], list[int]]:
    pictures, delays = [], []
    with Image.open(path) as image:
        for number in range(image.n_frames):
            image.seek(number)
            delays.append(image.info["duration"])
            pictures.append(np.asarray(image.convert("RGB")))
    return pictures, delays


def _mask(height: int, width: int) -> np.ndarray:
    mask = np.zeros((height, width), np.uint8)
    mask[2:12, 3:15], mask[2:12, 15:20], mask[14:17, 1:9] = 1, 2, 255
    return mask


def test_gif_writer__frames_colours_and_times(tmp_path: Path) -> None:
    mask = _mask(20, 31)
    frames = [np.full((20, 31, 3), (20 * number, 90, 200), np.uint8) for number in range(7)]
    written = GifWriter(tmp_path / "new" / "ü.gif")
    for number, frame in enumerate(frames):
        written.add(*encode_gif_frame(frame, mask, gif_delay(number, 24.0)))
        assert not (tmp_path / "new" / "ü.gif").exists()
    written.finish()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["ü.gif"]
    pictures, delays = _frames(tmp_path / "new" / "ü.gif")
    assert (set(delays), sum(delays)) == ({40, 50}, 290)
    for picture, frame in zip(pictures, frames, strict=True):
        # Few colours: none is lost.
        np.testing.assert_array_equal(picture, blend(frame, mask))
    with Image.open(tmp_path / "new" / "ü.gif") as image:
        assert image.info["loop"] == 0


def test_encode_gif_frame__objects_keep_their_colours_beside_a_colourful_ground(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (90, 160, 3), dtype=np.uint8)
    mask = np.zeros((90, 160), np.uint8)
    mask[40:46, 50:58] = 3
    noise[mask == 3] = 90, 90, 90
    written = GifWriter(tmp_path / "a.gif")
    written.add(*encode_gif_frame(noise, mask, 4))
    written.finish()
    (picture,), _ = _frames(tmp_path / "a.gif")
    inside = picture[41:45, 51:57].astype(int)
    assert np.abs(inside - (90 + palette()[3].astype(int)) / 2).max() <= 1
    assert (picture[40, 50:58] == 255).all()


@pytest.mark.parametrize(("height", "width", "size"), [(720, 1280, (640, 360)), (1280, 640, (640, 1280))])
def test_encode_gif_frame__at_most_640_wide(height: int, width: int, size: tuple[int, int]) -> None:
    shape, _ = encode_gif_frame(
        np.zeros((height, width, 3), np.uint8), np.zeros((height, width), np.uint8), 4
    )
    assert shape[::-1] == size


def test_encode_gif_frame__mask_everywhere(tmp_path: Path) -> None:
    mask = np.ones((8, 8), np.uint8)
    written = GifWriter(tmp_path / "a.gif")
    written.add(*encode_gif_frame(np.zeros((8, 8, 3), np.uint8), mask, 4))
    written.finish()
    (picture,), _ = _frames(tmp_path / "a.gif")
    np.testing.assert_array_equal(picture, blend(np.zeros((8, 8, 3), np.uint8), mask))


@pytest.mark.parametrize("rate", [1.0, 6.0, 23.976, 24.0, 29.97, 50.0])
def test_gif_delay__no_drift(rate: float) -> None:
    for count in (1, 7, 300):
        played = sum(gif_delay(number, rate) for number in range(count))
        assert played == pytest.approx(100 * count / rate, abs=0.51)


@pytest.mark.parametrize(
    ("rate", "delay"), [(1000.0, 2), (60.0, 2), (0.0, 65535), (1e-9, 65535), (0.01, 10_000)]
)
def test_gif_delay__what_the_format_and_viewers_take(rate: float, delay: int) -> None:
    assert gif_delay(0, rate) == delay


def test_gif_writer__abandoned_or_empty(tmp_path: Path) -> None:
    begun = GifWriter(tmp_path / "a.gif")
    begun.add(*encode_gif_frame(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.uint8), 4))
    begun.abandon()
    GifWriter(tmp_path / "b.gif").finish()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a full disk needs /dev/full")
def test_gif_writer__full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfc_cli.files.os.getpid", lambda: 1)
    (tmp_path / ".a.gif.1.part").symlink_to("/dev/full")
    begun = GifWriter(tmp_path / "a.gif")
    begun.add((8, 8), b"x" * 100)
    with pytest.raises(InputError, match=r"Cannot write .*a\.gif: No space left"):
        begun.finish()
    begun.abandon()
    assert not list(tmp_path.iterdir())


def test_gif_writer__unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Cannot write .*a\.gif"):
        GifWriter(tmp_path / "file" / "a.gif")
