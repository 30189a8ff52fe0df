from __future__ import annotations

import json
import weakref
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from sfc_cli.data.frames import Frame
from sfc_cli.data.videos import Selection, VideoFrame, decoder, open_video, parse_moment, video_file
from sfc_cli.data.videos.decoder import Decoder
from sfc_cli.data.videos.true_colours import RgbConverter, Turn
from sfc_cli.errors import InputError
from tests.data.videos.support import WRITABLE, decode_plainly, rotate, vary_times, write_video

WEIGHTS = [1, 7, 2, 6, 4, 4] * 4


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    folder = tmp_path_factory.mktemp("videos")

    def find(name: str) -> Path:
        path = folder / name
        return path if path.is_file() else write_video(path, WRITABLE[name])

    return find


@pytest.fixture
def varied(tmp_path: Path, videos: Callable[[str], Path]) -> tuple[Path, list[float]]:
    content, times = vary_times(videos("mpeg4.mp4").read_bytes(), WEIGHTS)
    path = tmp_path / "varied.mp4"
    path.write_bytes(content)
    return path, times


def assert_same(found: list[VideoFrame], expected: list[VideoFrame]) -> None:
    assert [frame.stamp for frame in found] == [frame.stamp for frame in expected]
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.frame, other.frame)


@pytest.mark.parametrize("name", WRITABLE)
def test_frames__are_what_opencv_decodes(videos: Callable[[str], Path], name: str) -> None:
    plain = decode_plainly(videos(name))
    video = open_video([str(videos(name))])
    taken = list(video.frames())
    assert len(taken) == len(plain) == 24
    for number, (frame, expected) in enumerate(zip(taken, plain, strict=True)):
        np.testing.assert_array_equal(frame.frame, expected)
        assert (frame.stamp.number, frame.stamp.name) == (number, f"{number:05d}")
        assert frame.stamp.seconds == pytest.approx(number / 25, abs=1e-3)
    assert video.size == (48, 64)
    assert video.frames_per_second == pytest.approx(25)


@pytest.mark.parametrize("name", WRITABLE)
def test_backwards__yields_the_frames_of_the_forward_pass(
    videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(video_file, "_STRETCH_FRAMES", 5)
    video = open_video([str(videos(name))])
    forward = list(video.frames())
    stamps = video.stamps()
    assert stamps == [frame.stamp for frame in forward]
    assert_same(list(video.backwards(stamps)), forward[::-1])
    assert_same(list(video.backwards(stamps[2:20:3])), forward[2:20:3][::-1])


def test_backwards__aims_earlier_where_seeking_is_late(
    videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "_STRETCH_FRAMES", 5)
    video = open_video([str(videos("mpeg4.mp4"))])
    forward = list(video.frames())
    honest = Decoder.seek
    # A fifth of a second, in ticks of which a frame lasts one twenty-fifth.
    late = 5 * (video._ticks[1] - video._ticks[0])  # type: ignore[attr-defined]
    monkeypatch.setattr(Decoder, "seek", lambda decoder, pts, lead: honest(decoder, pts + late, lead))
    monkeypatch.setattr(video, "_decode_from_start", lambda _: pytest.fail("gave up"))
    assert_same(list(video.backwards(video.stamps())), forward[::-1])


def test_backwards__from_the_start_where_frames_differ_after_a_seek(
    videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "_STRETCH_FRAMES", 5)
    video = open_video([str(videos("mpeg4.mp4"))])
    forward = list(video.frames())
    # As if each frame had referred to one before the key frame.
    video._prints[:] = array("L", [number + 1 for number in video._prints])  # type: ignore[attr-defined]
    started, honest = [], video._decode_from_start  # type: ignore[attr-defined]
    monkeypatch.setattr(video, "_decode_from_start", lambda part: started.append(part) or honest(part))
    assert_same(list(video.backwards(video.stamps())), forward[::-1])
    assert len(started) == 5


@pytest.mark.parametrize("name", ["mpeg4.mp4", "vp9.mp4", "mjpeg.mov", "mjpeg.avi"])
def test_frames__go_on_behind_damage(
    tmp_path: Path, videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(video_file, "_STRETCH_FRAMES", 5)
    content = videos(name).read_bytes()
    middle, length = len(content) // 2, len(content) // 8
    path = tmp_path / name
    path.write_bytes(content[:middle] + bytes(length) + content[middle + length :])
    video = open_video([str(path)])
    forward = list(video.frames())
    assert len(forward) < 24
    assert forward[-1].stamp.number == len(forward) - 1
    if name != "mjpeg.avi":
        # An AVI has no times of its own.
        assert forward[-1].stamp.seconds == pytest.approx(23 / 25)
    assert_same(list(video.backwards(video.stamps())), forward[::-1])


def test_backwards__a_file_that_has_lost_its_end(tmp_path: Path, videos: Callable[[str], Path]) -> None:
    path = tmp_path / "v.avi"
    content = videos("mjpeg.avi").read_bytes()
    path.write_bytes(content)
    video = open_video([str(path)])
    stamps = video.stamps()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match=r"Frame 23 of .*v\.avi can no longer be decoded"):
        list(video.backwards(stamps))


def test_frames_and_backwards__hold_few_frames(
    videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "_STRETCH_BYTES", 6 * 48 * 64 * 3)
    alive: weakref.WeakValueDictionary[int, npt.NDArray[np.uint8]] = weakref.WeakValueDictionary()
    honest = RgbConverter.convert
    converted = 0

    def watched(converter: RgbConverter, picture: Any, turn: Turn) -> Frame:
        nonlocal converted
        frame = honest(converter, picture, turn)
        alive[converted] = frame
        converted += 1
        return frame

    monkeypatch.setattr(RgbConverter, "convert", watched)
    video = open_video([str(videos("mpeg4.mp4"))])
    assert max(len(alive) for _ in video.frames()) == 1
    assert converted == 25
    stamps = video.stamps()
    assert converted == 25
    assert max(len(alive) for _ in video.backwards(stamps)) <= 7


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_frames__are_upright(tmp_path: Path, videos: Callable[[str], Path], degrees: int) -> None:
    plain = decode_plainly(videos("mpeg4.mp4"))
    path = tmp_path / "v.mp4"
    path.write_bytes(rotate(videos("mpeg4.mp4").read_bytes(), degrees))
    video = open_video([str(path)])
    assert video.size == ((48, 64) if degrees % 180 == 0 else (64, 48))
    forward = list(video.frames())
    for frame, expected in zip(forward, plain, strict=True):
        np.testing.assert_array_equal(frame.frame, np.rot90(expected, -degrees // 90))
    assert_same(list(video.backwards(video.stamps())), forward[::-1])


def test_stamps__times_of_a_varying_rate(varied: tuple[Path, list[float]]) -> None:
    path, times = varied
    video = open_video([str(path)])
    assert [stamp.seconds for stamp in video.stamps()] == pytest.approx(times, abs=1e-6)
    assert video.frames_per_second == pytest.approx(25, rel=0.02)


def test_backwards__at_a_varying_rate(
    varied: tuple[Path, list[float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(video_file, "_STRETCH_FRAMES", 3)
    video = open_video([str(varied[0])])
    assert_same(list(video.backwards(video.stamps())), list(video.frames())[::-1])


@pytest.mark.parametrize(
    ("start", "end", "every", "numbers"),
    [
        ("5", "12", "3", [5, 8, 11]),
        ("0.2s", "0.4s", None, [5, 6, 7, 8, 9]),
        ("0.2s", None, "0.25s", [5, 12, 18]),
        (None, "0:00.12", None, [0, 1, 2]),
    ],
)
def test_frames__chosen(
    videos: Callable[[str], Path], start: str | None, end: str | None, every: str | None, numbers: list[int]
) -> None:
    video = open_video([str(videos("mpeg4.mp4"))])
    plain = decode_plainly(videos("mpeg4.mp4"))
    typed = {"start": start, "end": end, "every": every}
    selection = Selection(**{key: parse_moment(text, key) for key, text in typed.items() if text})
    taken = list(video.frames(selection))
    assert [frame.stamp.number for frame in taken] == numbers
    assert [frame.stamp for frame in taken] == video.stamps(selection)
    for frame in taken:
        np.testing.assert_array_equal(frame.frame, plain[frame.stamp.number])


def test_frames__chosen_by_time_at_a_varying_rate(varied: tuple[Path, list[float]]) -> None:
    path, times = varied
    selection = Selection(start=parse_moment("0.08s", "s"), end=parse_moment("0.4s", "e"))
    numbers = [stamp.number for stamp in open_video([str(path)]).stamps(selection)]
    assert numbers == [number for number, time in enumerate(times) if 0.0795 <= time < 0.3995]
    thinned = Selection(every=parse_moment("0.1s", "e"))
    # Frames lie at 0, 0.01, 0.08, 0.1, 0.16, 0.2, and so on every 0.24 seconds.
    chosen = [round(stamp.seconds, 2) for stamp in open_video([str(path)]).stamps(thinned)]
    assert chosen == [0, 0.1, 0.2, 0.32, 0.4, 0.56, 0.64, 0.72, 0.8, 0.92]


def test_frames__start_past_the_end(videos: Callable[[str], Path]) -> None:
    video = open_video([str(videos("mpeg4.mp4"))])
    with pytest.raises(InputError, match=r"past the end of .*mpeg4\.mp4, which has 24 frames \(0\.96 s\)"):
        next(video.frames(Selection(start=parse_moment("1:00", "start"))))


def test_frames__a_size_that_changes(videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch) -> None:
    video = open_video([str(videos("mpeg4.mp4"))])
    honest, seen = RgbConverter.convert, []

    def changing(converter: RgbConverter, picture: Any, turn: Turn) -> Frame:
        seen.append(honest(converter, picture, turn))
        return seen[-1] if len(seen) < 4 else np.zeros((20, 30, 3), np.uint8)

    monkeypatch.setattr(RgbConverter, "convert", changing)
    with pytest.raises(InputError, match=r"changes its size from 64×48 to 30×20 pixels at frame 3"):
        list(video.frames())


def test_frames__last_one_without_a_time_of_its_own(tmp_path: Path) -> None:
    # MPEG program streams written by FFmpeg lack it; OpenCV then gives 0.
    video = open_video([str(write_video(tmp_path / "v.mpg", "PIM1", count=12))])
    assert [stamp.seconds for stamp in video.stamps()] == pytest.approx([number / 25 for number in range(12)])


def test_frames__warns_only_of_missing_ones(
    tmp_path: Path, videos: Callable[[str], Path], caplog: pytest.LogCaptureFixture
) -> None:
    for name in WRITABLE:
        open_video([str(videos(name))]).stamps()
    assert not caplog.records
    content = videos("mjpeg.avi").read_bytes()
    path = tmp_path / "v.avi"
    path.write_bytes(content[: len(content) * 2 // 3])
    video = open_video([str(path)])
    video.stamps(Selection(end=parse_moment("4", "end")))
    assert not caplog.records
    video.stamps()
    video.stamps()
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "announces 24 frames, " in caplog.text


def test_measure_rate__where_the_announced_one_cannot_be_true(
    videos: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder, "_HIGHEST_RATE", 20.0)
    video = open_video([str(videos("vp8.webm"))])
    assert video.frames_per_second == pytest.approx(25)
    assert video.count == 24


def test_identity__of_a_video(tmp_path: Path, videos: Callable[[str], Path]) -> None:
    path = tmp_path / "v.mp4"
    path.write_bytes(videos("mpeg4.mp4").read_bytes())
    first = open_video([str(path)]).identity()
    assert json.loads(json.dumps(first)) == first
    assert (first["path"], first["bytes"]) == (str(path), path.stat().st_size)
    path.write_bytes(rotate(path.read_bytes(), 90) + bytes(4))
    assert open_video([str(path)]).identity() != first
