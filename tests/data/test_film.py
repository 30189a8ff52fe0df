"""Films decode to what was written, whatever their size; a film that is not whole is not kept."""

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data import film
from sfc_cli.data.film import FilmWriter, as_film_picture
from sfc_cli.errors import InputError

# What MPEG-4 at OpenCV's bit rate does to a flat colour.
_TOLERANCE = 8

_FILLS_THE_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from sfc_cli.data.film import FilmWriter
noise = np.random.default_rng(0)
film = FilmWriter(Path(sys.argv[1]), 24.0)
for number in range(40):
    film.add(noise.integers(0, 256, (240, 320, 3), dtype=np.uint8))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
film.finish()
"""


@pytest.fixture(autouse=True)
def _no_h264(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "h264_backend", lambda *_: None)


def _frames(path: Path) -> list[np.ndarray]:
    stored = cv2.VideoCapture(str(path))
    frames = []
    while (read := stored.read())[0]:
        frames.append(read[1][..., ::-1])
    return frames


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (48, 63), (47, 64)])
def test_film_writer__decodes_to_the_same_frames(tmp_path: Path, height: int, width: int) -> None:
    path = tmp_path / "Straße 50%" / "ü%02d.mp4"
    written = FilmWriter(path, 23.976)
    colours = [(200, 30 * number, 20) for number in range(7)]
    for colour in colours:
        written.add(as_film_picture(np.full((height, width, 3), colour, np.uint8)))
        assert not path.exists()
    written.finish()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    frames = _frames(path)
    assert len(frames) == 7
    for frame, colour in zip(frames, colours, strict=True):
        assert frame.shape == (48, 64, 3)
        assert np.abs(frame.astype(int) - colour).max() <= _TOLERANCE
    assert cv2.VideoCapture(str(path)).get(cv2.CAP_PROP_FPS) == pytest.approx(23.976)


def test_as_film_picture__repeats_the_last_line() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    padded = as_film_picture(picture)[..., ::-1]
    np.testing.assert_array_equal(padded, np.pad(picture, ((0, 1), (0, 1), (0, 0)), mode="edge"))


@pytest.mark.parametrize(("asked", "stored"), [(0.0, 0.1), (0.5, 0.5), (1e9, 1000.0)])
def test_film_writer__any_rate(tmp_path: Path, asked: float, stored: float) -> None:
    written = FilmWriter(tmp_path / "a.mp4", asked)
    for _ in range(3):
        written.add(np.zeros((48, 64, 3), np.uint8))
    written.finish()
    assert cv2.VideoCapture(str(tmp_path / "a.mp4")).get(cv2.CAP_PROP_FPS) == pytest.approx(stored)


def test_film_writer__abandoned(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"older")
    written = FilmWriter(tmp_path / "a.mp4", 24.0)
    written.add(np.zeros((48, 64, 3), np.uint8))
    written.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"older"


def test_film_writer__no_frame_no_film(tmp_path: Path) -> None:
    FilmWriter(tmp_path / "a.mp4", 24.0).finish()
    assert not list(tmp_path.iterdir())


def test_film_writer__unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Cannot write .*a\.mp4"):
        FilmWriter(tmp_path / "file" / "a.mp4", 24.0)


def test_film_writer__too_large_for_the_encoder(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    written = FilmWriter(tmp_path / "a.mp4", 24.0)
    with pytest.raises(InputError, match="no encoder for MP4 films of 16×8200") as caught:
        written.add(np.zeros((8200, 16, 3), np.uint8))
    assert "`overlay` to frames" in caught.value.hint
    written.abandon()
    assert not list(tmp_path.iterdir())
    assert "global" not in capfd.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_film_writer__full_disk(tmp_path: Path) -> None:
    order = [sys.executable, "-c", _FILLS_THE_DISK, str(tmp_path / "a.mp4")]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert "InputError: Cannot write" in last
    assert "of 40 frames reached the disk" in last
    assert "FFmpeg" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_h264_backend__says_nothing(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.undo()
    backend = film.h264_backend(48, 64, 24.0)
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""
    assert backend is None or backend in cv2.videoio_registry.getWriterBackends()


def test_h264_backend__used_where_it_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    backend = film.h264_backend(48, 64, 24.0)
    written = FilmWriter(tmp_path / "a.mp4", 24.0)
    written.add(np.zeros((48, 64, 3), np.uint8))
    written.finish()
    stored = cv2.VideoCapture(str(tmp_path / "a.mp4"))
    code = int(stored.get(cv2.CAP_PROP_FOURCC)).to_bytes(4, "little")
    assert code in ((b"FMP4", b"mp4v") if backend is None else (b"avc1", b"h264"))
