"""Films decode to what was written, at its times; a film that is not whole is not kept."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from sfc_cli.data import film
from sfc_cli.data.film import FilmBasis, FilmKind, FilmWriter, Sound
from sfc_cli.data.videos import VideoFrame, open_video
from sfc_cli.errors import InputError

# What the encoders do to a flat colour.
_TOLERANCE = 6

_FILLS_THE_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from sfc_cli.data.film import FilmBasis, FilmWriter
noise = np.random.default_rng(0)
film = FilmWriter(Path(sys.argv[1]), "mp4", FilmBasis())
try:
    for number in range(40):
        film.add(noise.integers(0, 256, (240, 320, 3), dtype=np.uint8), number / 24)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
    film.finish()
except BaseException:
    film.abandon()
    raise
"""


def _write(
    path: Path, kind: FilmKind = "mp4", times: tuple[float, ...] = (0, 0.1, 0.2), **basis: object
) -> Path:
    written = FilmWriter(path, kind, FilmBasis(**{"frames_per_second": 10.0, **basis}))  # type: ignore[arg-type]
    for number, time in enumerate(times):
        written.add(np.full((48, 64, 3), (200, 30 * number % 256, 20), np.uint8), time)
    written.finish()
    return path


def _frames(path: Path) -> list[VideoFrame]:
    return list(open_video([str(path)]).frames())


@pytest.mark.parametrize(("height", "width"), [(48, 64), (47, 63), (48, 63), (47, 64)])
@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_film_writer__decodes_to_the_same_frames(
    tmp_path: Path, height: int, width: int, kind: FilmKind
) -> None:
    path = tmp_path / "Straße 50%" / f"ü%02d.{kind}"
    written = FilmWriter(path, kind, FilmBasis(frames_per_second=23.976))
    colours = [(200, 30 * number, 20) for number in range(7)]
    for number, colour in enumerate(colours):
        written.add(np.full((height, width, 3), colour, np.uint8), number / 23.976)
        assert not path.exists()
    written.finish()
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]
    frames = _frames(path)
    assert [frame.stamp.seconds for frame in frames] == pytest.approx(
        [number / 23.976 for number in range(7)], abs=1.1e-3
    )
    for frame, colour in zip(frames, colours, strict=True):
        assert frame.frame.shape == (48, 64, 3)
        assert np.abs(frame.frame.astype(int) - colour).max() <= _TOLERANCE
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.colorspace) == (
            {"mp4": "h264", "webm": "vp9"}[kind], "yuv420p", 1,
        )  # fmt: skip


@pytest.mark.parametrize("kind", ["mp4", "webm"])
def test_film_writer__uneven_times(tmp_path: Path, kind: FilmKind) -> None:
    times = (3.0, 3.04, 3.08, 3.5, 3.52, 4.2, 4.25)
    path = _write(tmp_path / f"a.{kind}", kind, times)
    found = [frame.stamp.seconds for frame in _frames(path)]
    assert found == pytest.approx([time - 3.0 for time in times], abs=1.1e-3)
    with av.open(str(path)) as container:
        # The last frame is shown for as long as one is on average.
        assert container.duration / 1e6 == pytest.approx(1.25 + 0.1, abs=0.01)


def test_film_writer__index_comes_first(tmp_path: Path) -> None:
    content = _write(tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


@pytest.mark.parametrize("aspect", [Fraction(4, 3), Fraction(2, 3)])
def test_film_writer__keeps_the_aspect(tmp_path: Path, aspect: Fraction) -> None:
    video = open_video([str(_write(tmp_path / "a.mp4", pixel_aspect=aspect))])
    assert (video.size, video.pixel_aspect) == ((48, 64), aspect)
    # WebM is written in square pixels.
    video = open_video([str(_write(tmp_path / "a.webm", "webm", pixel_aspect=aspect))])
    height, width = video.size
    assert width / height * video.pixel_aspect == pytest.approx(float(64 / 48 * aspect), rel=0.02)


@pytest.mark.parametrize(
    ("kind", "name", "decoder"),
    [("clear-webm", "a.webm", "libvpx-vp9"), ("clear-prores", "a.mov", "prores")],
)
def test_film_writer__transparency(tmp_path: Path, kind: FilmKind, name: str, decoder: str) -> None:
    written = FilmWriter(tmp_path / name, kind, FilmBasis())
    pictures = []
    for number in range(4):
        picture = np.zeros((47, 63, 4), np.uint8)
        picture[:, 10 + 4 * number : 40] = (220, 60, 40, 255)
        pictures.append(picture)
        written.add(picture, number / 24)
    written.finish()
    context = av.CodecContext.create(decoder, "r")
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        context.extradata = stream.codec_context.extradata
        found = [
            frame.to_ndarray(format="rgba", src_colorspace=1, dst_colorspace=5)
            for packet in container.demux(stream)
            for frame in context.decode(packet)
        ]
    assert len(found) == 4
    for picture, wanted in zip(found, pictures, strict=True):
        assert picture.shape == (47, 63, 4)
        assert ((picture[..., 3] > 127) == (wanted[..., 3] > 127)).mean() > 0.98
        inside = picture[20:30, 25:35]
        assert np.abs(inside.astype(int) - (220, 60, 40, 255)).max() < 12


def _sounding(path: Path, codec: str, seconds: float = 2.0) -> Path:
    with av.open(str(path), "w") as container:
        pictures, sound = container.add_stream("mpeg4", rate=10), container.add_stream(codec, rate=48_000)
        pictures.width, pictures.height, pictures.pix_fmt = 64, 48, "yuv420p"
        for number in range(round(10 * seconds)):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * number, np.uint8))
            container.mux(pictures.encode(frame))
        samples = np.arange(round(48_000 * seconds))
        # Silent but for one beep from 1.0 to 1.2 seconds.
        wave = np.where((samples >= 48_000) & (samples < 57_600), 0.5 * np.sin(samples / 10), 0)
        frame = av.AudioFrame.from_ndarray(wave[None].astype(np.float32), "flt", "mono")
        frame.sample_rate = 48_000
        container.mux(sound.encode(frame))
        container.mux([*pictures.encode(None), *sound.encode(None)])
    return path


@pytest.mark.parametrize(
    ("codec", "source", "kind", "stored"),
    [("aac", "s.mp4", "mp4", "aac"), ("pcm_s16le", "s.mov", "mp4", "aac"), ("aac", "s.mp4", "webm", "opus")],
)
def test_film_writer__sound_of_a_part(
    tmp_path: Path, codec: str, source: str, kind: FilmKind, stored: str
) -> None:
    sound = Sound(path=_sounding(tmp_path / source, codec), origin=0.0)
    path = _write(tmp_path / f"a.{kind}", kind, tuple(0.6 + number / 10 for number in range(9)), sound=sound)
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        assert stream.codec_context.name.removesuffix("float") == stored
        loud = [
            frame.time + np.flatnonzero(np.abs(part) > 0.1)[[0, -1]] / frame.sample_rate
            for frame in container.decode(stream)
            if (np.abs(part := frame.to_ndarray().reshape(1, -1)[0].astype(np.float32)) > 0.1).any()
        ]
    # The film begins at 0.6 seconds, and the beep at 1.0.
    assert loud[0][0] == pytest.approx(0.4, abs=0.06)
    assert loud[-1][-1] == pytest.approx(0.6, abs=0.06)
    assert len(_frames(path)) == 9


@pytest.mark.parametrize("asked", [0.0, 0.5, 1e9])
def test_film_writer__any_rate(tmp_path: Path, asked: float) -> None:
    path = _write(tmp_path / "a.mp4", frames_per_second=asked)
    assert len(_frames(path)) == 3


def test_film_writer__abandoned(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"older")
    written = FilmWriter(tmp_path / "a.mp4", "mp4", FilmBasis())
    written.add(np.zeros((48, 64, 3), np.uint8), 0.0)
    written.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]
    assert (tmp_path / "a.mp4").read_bytes() == b"older"


def test_film_writer__no_frame_no_film(tmp_path: Path) -> None:
    FilmWriter(tmp_path / "a.mp4", "mp4", FilmBasis()).finish()
    assert not list(tmp_path.iterdir())


def test_film_writer__unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Cannot write .*a\.mp4"):
        FilmWriter(tmp_path / "file" / "a.mp4", "mp4", FilmBasis())


def test_film_writer__no_encoder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(film, "_has_encoder", lambda _: False)
    written = FilmWriter(tmp_path / "a.webm", "webm", FilmBasis())
    with pytest.raises(InputError, match="has no encoder libvpx-vp9") as caught:
        written.add(np.zeros((48, 64, 3), np.uint8), 0.0)
    assert "`overlay` to frames" in caught.value.hint
    written.abandon()
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="limits of file sizes are POSIX")
def test_film_writer__full_disk(tmp_path: Path) -> None:
    order = [sys.executable, "-c", _FILLS_THE_DISK, str(tmp_path / "a.mp4")]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    assert "InputError: Cannot write" in done.stderr.splitlines()[-1]
    assert not list(tmp_path.iterdir())
