from __future__ import annotations

import os
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from sfc_cli.data.videos import open_video
from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import is_inside_name
from tests.data.videos.support import (
    box,
    edit,
    make_sound,
    put_index_first,
    write_images,
    write_video,
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_video(tmp_path_factory.mktemp("whole") / "whole.mp4").read_bytes()


def write(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    return str(path)


def test_open_video__pattern(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "take 1 – été", ["f1.png", "f2.png", "f10.png", "g1.png"])
    (folder / "f.txt").write_text("")
    video = open_video([f"{folder}/f*.png"])
    assert [stamp.name for stamp in video.stamps()] == ["f1", "f2", "f10"]
    assert (video.name, video.source) == ("take 1 – été", folder)
    assert len(open_video([f"{folder}/[fg]1.png"]).stamps()) == 2


def test_open_video__pattern_already_expanded(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "take", ["f1.png", "f10.png", "f2.png"])
    video = open_video([str(path) for path in sorted(folder.iterdir())])
    assert [stamp.name for stamp in video.stamps()] == ["f1", "f2", "f10"]
    assert video.name == "take"


def test_open_video__name_with_brackets_is_not_a_pattern(tmp_path: Path, whole: bytes) -> None:
    assert open_video([write(tmp_path / "trip [1].mp4", whole)]).name == "trip [1]"
    assert open_video([f"{tmp_path}/trip*"]).name == "trip [1]"
    folder = write_images(tmp_path / "frames [2]", ["1.png", "2.png"])
    assert open_video([str(folder)]).count == 2


def test_open_video__names_from_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_images(tmp_path / "here", ["1.png", "2.png"])
    monkeypatch.chdir(folder)
    assert open_video(["."]).name == "here"
    assert open_video(["*.png"]).name == "here"
    assert open_video(["../here/"]).name == "here"


def test_open_video__odd_video_names(tmp_path: Path, whole: bytes) -> None:
    assert open_video([write(tmp_path / "été – 猫 & co.v2.mp4", whole)]).name == "été – 猫 & co.v2"
    assert open_video([write(tmp_path / "what: a day?.mp4", whole)]).name == "what_ a day_"
    assert open_video([write(tmp_path / ". .mp4", whole)]).name == "clip"
    assert open_video([write(tmp_path / "%05d.mp4", whole)]).size == (48, 64)


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be given to files there")
@pytest.mark.parametrize("stem", ["..", "..\\..\\up", "C:up", "\\up", "...", " "])
def test_open_video__name_stays_inside_the_results(tmp_path: Path, whole: bytes, stem: str) -> None:
    name = open_video([write(tmp_path / f"{stem}.mp4", whole)]).name
    assert is_inside_name(name)
    assert Path(name).name == name
    folder = write_images(tmp_path / f"{stem} x", ["1.png", "2.png"])
    assert is_inside_name(open_video([str(folder)]).name)


@pytest.mark.skipif(sys.platform == "win32", reason="such names cannot be given to files there")
@pytest.mark.parametrize("name", ["a\\..\\..\\up.png", "C:up.png", "\\up.png"])
def test_open_video__refuses_images_whose_results_would_lead_out(tmp_path: Path, name: str) -> None:
    folder = write_images(tmp_path / "f", ["1.png", name])
    for sources in ([str(folder)], [f"{folder}/*.png"], [str(folder / "1.png"), str(folder / name)]):
        with pytest.raises(InputError, match="leads out of its folder"):
            open_video(sources)


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_open_video__image_name_that_is_not_text(tmp_path: Path) -> None:
    folder = write_images(tmp_path / "f", ["1.png", "2.png"])
    (folder / "1.png").rename(os.fsdecode(os.fsencode(folder) + b"/\xff.png"))
    with pytest.raises(InputError, match=r"\\udcff\.png' is not valid UTF-8"):
        open_video([str(folder)])


@pytest.mark.skipif(sys.platform != "linux", reason="file names are text elsewhere")
def test_open_video__name_that_is_not_text(tmp_path: Path, whole: bytes) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff.mp4")
    Path(path).write_bytes(whole)
    with pytest.raises(InputError, match=r"'[^']*\\udcff\.mp4' is not valid UTF-8"):
        open_video([path])


def test_open_video__refuses_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No video is given"):
        open_video([])
    for source in (str(tmp_path / "none.mp4"), ""):
        with pytest.raises(InputError, match="is missing"):
            open_video([source])
    with pytest.raises(InputError, match=r"No file matches .*\*\.jpg"):
        open_video([str(tmp_path / "*.jpg")])
    with pytest.raises(InputError, match="Cannot read"):
        open_video([str(tmp_path / ("long" * 100))])


def test_open_video__refuses_mixtures(tmp_path: Path, whole: bytes) -> None:
    folder = write_images(tmp_path / "f", ["1.png", "2.png"])
    other = write_images(tmp_path / "g", ["3.png"])
    video, second = write(tmp_path / "v.mp4", whole), write(tmp_path / "w.mp4", whole)
    images = [str(folder / "1.png"), str(folder / "2.png")]
    with pytest.raises(UsageError, match=r"2 files are given that are not images \(v\.mp4, w\.mp4"):
        open_video([video, second])
    with pytest.raises(UsageError, match=r"v\.mp4 is not an image, but images are given too"):
        open_video([*images, video])
    with pytest.raises(UsageError, match=r"f is a folder, but other files"):
        open_video([str(folder), video])
    with pytest.raises(UsageError, match=r"Images of several folders .*f and .*g"):
        open_video([*images, str(other / "3.png")])
    with pytest.raises(InputError, match="is missing"):
        open_video([*images, str(folder / "3.png")])
    with pytest.raises(UsageError, match=r"`frames_per_second` is 12, but .*v\.mp4 is a video file"):
        open_video([video], frames_per_second=12)


def test_open_video__points_from_a_folder_to_the_video_in_it(tmp_path: Path, whole: bytes) -> None:
    write(tmp_path / "v.mp4", whole)
    with pytest.raises(InputError, match=r"contains v\.mp4, which is not an image") as caught:
        open_video([str(tmp_path)])
    assert "If it is the video, give its own path" in caught.value.hint


def test_open_video__refuses_empty_and_text_files(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"v\.mp4 is empty \(0 bytes\)"):
        open_video([write(tmp_path / "v.mp4", b"")])
    # FFmpeg would draw the first as a terminal shows it, and follow the second to other files.
    for name, text in (("a.txt", "été\n" * 2000), ("b.mp4", "ffconcat version 1.0\nfile other.mp4\n")):
        with pytest.raises(InputError, match=rf"{name} is a text file, not a video"):
            open_video([write(tmp_path / name, text.encode())])


def test_open_video__refuses_noise(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is not in a video format that FFmpeg knows"):
        open_video([write(tmp_path / "v.mp4", b"\x00\x80\xfe\x13" * 2000)])


def test_open_video__refuses_sound_alone(tmp_path: Path, whole: bytes) -> None:
    with wave.open(str(tmp_path / "tone.wav"), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(range(256)) * 40)
    for source in (str(tmp_path / "tone.wav"), write(tmp_path / "tone.m4a", make_sound(whole))):
        with pytest.raises(InputError, match="it contains only sound"):
            open_video([source])


def test_open_video__refuses_a_video_without_frames(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"No frames in .*none\.avi"):
        open_video([str(write_video(tmp_path / "none.avi", "MJPG", count=0))])


def test_open_video__refuses_frames_that_cannot_be_decoded(tmp_path: Path, whole: bytes) -> None:
    video = write(tmp_path / "v.mp4", edit(whole, [b"mdat"], lambda frames: bytes(len(frames))))
    with pytest.raises(
        InputError, match=r"has 24 frames, but none could be decoded: it is damaged \(mpeg4\)"
    ):
        open_video([video])


def test_open_video__refuses_an_mp4_without_index(tmp_path: Path, whole: bytes) -> None:
    with pytest.raises(InputError, match="no index"):
        open_video([write(tmp_path / "v.mp4", whole[: whole.index(b"moov") - 4])])
    # Padding in front of the index must not hide it.
    assert open_video([write(tmp_path / "w.mp4", box(b"free", b"") + whole)])


def test_open_video__truncated_with_its_index_at_the_end(tmp_path: Path, whole: bytes) -> None:
    with pytest.raises(InputError, match="no index"):
        open_video([write(tmp_path / "v.mp4", whole[: len(whole) // 2])])


def test_open_video__truncated_with_its_index_in_front(
    tmp_path: Path, whole: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    content = put_index_first(whole)
    assert len(open_video([write(tmp_path / "whole.mp4", content)]).stamps()) == 24
    path = write(tmp_path / "v.mp4", content[: len(content) * 2 // 3])
    video = open_video([path])
    assert (video.count, video.is_exact) == (24, False)
    count = len(list(video.frames()))
    assert 2 < count < 22
    assert (video.count, video.is_exact) == (count, True)
    assert f"announces 24 frames, {count} could be decoded" in caplog.text
    with pytest.raises(InputError, match=rf"announces 24 frames, {count} could be decoded"):
        list(open_video([path], strict_video=True).frames())


@pytest.mark.parametrize(
    ("name", "codec"), [("v.avi", "MJPG"), ("v.mkv", "FFV1"), ("v.webm", "VP80"), ("v.ts", "mp4v")]
)
def test_open_video__truncated_in_other_containers(
    tmp_path: Path, name: str, codec: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_video(tmp_path / name, codec, count=72)
    assert len(open_video([str(path)], strict_video=True).stamps()) == 72
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert 20 < len(open_video([str(path)]).stamps()) < 50
    # A transport stream announces nothing.
    assert ("cut short" in caplog.text) == (name != "v.ts")


def test_open_video__says_nothing_on_the_terminal(tmp_path: Path, whole: bytes) -> None:
    # In a process of its own: FFmpeg's level is set once.
    damaged = put_index_first(whole)
    middle = len(damaged) * 2 // 3
    write(tmp_path / "a.mp4", damaged[:middle] + bytes(range(200)) * 8 + damaged[middle + 1600 :])
    write(tmp_path / "b.mp4", make_sound(whole))
    write(tmp_path / "c.mp4", b"\x00\x80" * 3000)
    program = """
import logging, os
logging.disable()
from sfc_cli.data.videos import open_video
from sfc_cli.errors import InputError
for name in "abc":
    try:
        video = open_video([f"{name}.mp4"])
        stamps = [frame.stamp for frame in video.frames()]
        assert len(list(video.backwards(stamps))) == len(stamps) > 4
    except InputError:
        print(name, "is refused")
import cv2
level = getattr(cv2, "getLogLevel", None) or cv2.utils.logging.getLogLevel
assert level() == 3 and "OPENCV_FFMPEG_LOGLEVEL" not in os.environ
"""
    free = {key: value for key, value in os.environ.items() if not key.startswith("OPENCV")}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, env=free, capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("b is refused\nc is refused\n", "")
