"""Frames, their order and their times are those of the ffmpeg command, over the encodings of the world."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from sfc_cli.data.videos import open_video

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("ffmpeg") and shutil.which("ffprobe")), reason="ffmpeg is not installed"
    ),
]

_SOURCE = "testsrc2=size=256x144:rate=25:duration=0.8"
_X264 = "-c:v libx264 -preset ultrafast"
_TAGGED = "-color_primaries bt709 -color_trc bt709 -colorspace"
_DEINTERLACE = "bwdif=mode=send_frame:deint=interlaced"
# What is encoded: the file's name, and the options of ffmpeg for it.
ENCODINGS = {
    "h264.mp4": f"{_X264} -pix_fmt yuv420p",
    "h264-bframes.mp4": "-c:v libx264 -preset medium -bf 3 -g 10 -pix_fmt yuv420p",
    "h264-open-gop.mkv": "-c:v libx264 -preset medium -x264-params open-gop=1:keyint=8 -pix_fmt yuv420p",
    "h264-intra-refresh.mp4": f"{_X264} -x264-params intra-refresh=1:keyint=8 -pix_fmt yuv420p",
    "h264-422.mp4": f"{_X264} -pix_fmt yuv422p",
    "h264-444.mp4": f"{_X264} -pix_fmt yuv444p",
    "h264-10bit.mp4": f"{_X264} -pix_fmt yuv420p10le",
    "h264-422-10bit.mp4": f"{_X264} -pix_fmt yuv422p10le",
    "h264-full-range.mp4": f"{_X264} -pix_fmt yuvj420p",
    "h264-grey.mp4": f"{_X264} -pix_fmt gray",
    "h264-rgb.mp4": "-c:v libx264rgb -preset ultrafast -pix_fmt rgb24",
    "h264-bt709.mp4": f"-vf scale=out_color_matrix=bt709 {_X264} -pix_fmt yuv420p {_TAGGED} bt709",
    "h264-fcc.mp4": f"{_X264} -pix_fmt yuv420p {_TAGGED} fcc",
    "h264-smpte240m.mp4": f"{_X264} -pix_fmt yuv420p {_TAGGED} smpte240m",
    "h264-bt470bg.mp4": f"{_X264} -pix_fmt yuv420p {_TAGGED} bt470bg",
    "h264-raw.h264": f"{_X264} -pix_fmt yuv420p",
    "h264-fragmented.mp4": f"{_X264} -g 5 -pix_fmt yuv420p -movflags frag_keyframe+empty_moov",
    "h264-odd-size.mkv": f"-vf crop=253:141 {_X264} -pix_fmt yuv444p",
    "h264-non-square.mp4": f"-vf setsar=64/45 {_X264} -pix_fmt yuv420p",
    "h264-varying.mkv": rf"-vf select='not(mod(n\,3))+eq(n\,7)' -fps_mode vfr {_X264} -pix_fmt yuv420p",
    "h264-top-first.mp4": f"-vf tinterlace=interleave_top {_X264} -flags +ildct+ilme -pix_fmt yuv420p",
    "h264-bottom-first.mkv": f"-vf tinterlace=interleave_bottom {_X264} -x264opts bff=1 -pix_fmt yuv420p",
    "hevc.mp4": "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p",
    "hevc-hlg.mp4": "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le "
    "-color_primaries bt2020 -color_trc arib-std-b67 -colorspace bt2020nc",
    "hevc-pq.mkv": "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv420p10le "
    "-color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc",
    "hevc-444-12bit.mkv": "-c:v libx265 -preset ultrafast -x265-params log-level=none -pix_fmt yuv444p12le",
    "av1.mp4": "-c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p",
    "av1-10bit.mkv": "-c:v libaom-av1 -cpu-used 8 -usage realtime -pix_fmt yuv420p10le",
    "vp8.webm": "-c:v libvpx -deadline realtime -auto-alt-ref 1 -pix_fmt yuv420p",
    "vp9.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv420p",
    "vp9-444.webm": "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -pix_fmt yuv444p",
    "prores.mov": "-c:v prores_ks -profile:v 2 -pix_fmt yuv422p10le",
    "prores-4444.mov": "-c:v prores_ks -profile:v 4 -pix_fmt yuva444p10le",
    "dnxhr.mov": "-c:v dnxhd -profile:v dnxhr_hq -pix_fmt yuv422p",
    "dnxhr-444.mxf": "-c:v dnxhd -profile:v dnxhr_444 -pix_fmt yuv444p10le",
    "mpeg1.mpg": "-c:v mpeg1video -q:v 3 -pix_fmt yuv420p",
    "mpeg2.ts": "-c:v mpeg2video -q:v 3 -bf 2 -pix_fmt yuv420p",
    "mpeg2-interlaced.ts": "-vf tinterlace=interleave_top -c:v mpeg2video -q:v 3 -flags +ildct+ilme -top 1",
    "mpeg2-422.mxf": "-c:v mpeg2video -q:v 3 -pix_fmt yuv422p",
    "mpeg4.avi": "-c:v mpeg4 -q:v 3 -bf 2",
    "mpeg4.3gp": "-c:v mpeg4 -q:v 3",
    "wmv2.wmv": "-c:v wmv2 -q:v 3",
    "msmpeg4.avi": "-c:v msmpeg4 -q:v 3",
    "flv1.flv": "-c:v flv -q:v 3",
    "mjpeg.avi": "-c:v mjpeg -q:v 3 -pix_fmt yuvj420p",
    "mjpeg-422.mov": "-c:v mjpeg -q:v 3 -pix_fmt yuvj422p",
    "theora.ogv": "-c:v libtheora -q:v 8",
    "ffv1.mkv": "-c:v ffv1 -pix_fmt yuv420p",
    "ffv1-alpha.mkv": "-c:v ffv1 -pix_fmt bgra",
    "ffv1-grey10.mkv": "-c:v ffv1 -pix_fmt gray10le",
    "ffv1-grey16.mkv": "-c:v ffv1 -pix_fmt gray16le",
    "huffyuv.avi": "-c:v huffyuv -pix_fmt yuv422p",
    "utvideo.avi": "-c:v utvideo -pix_fmt gbrp",
    "qtrle.mov": "-c:v qtrle -pix_fmt rgb24",
    "qtrle-alpha.mov": "-c:v qtrle -pix_fmt argb",
    "png-alpha.mov": "-c:v png -pix_fmt rgba",
    "png-palette.avi": "-c:v png -pix_fmt pal8",
    "raw.avi": "-c:v rawvideo -pix_fmt bgr24",
    "raw-uyvy.mov": "-c:v rawvideo -pix_fmt uyvy422",
    "v210.mov": "-c:v v210 -pix_fmt yuv422p10le",
    "cinepak.avi": "-c:v cinepak -pix_fmt rgb24 -t 0.2",
    "jpeg2000.mov": "-c:v jpeg2000 -pix_fmt yuv420p",
    "dv.dv": "-vf scale=720:576,setdar=4/3 -c:v dvvideo -pix_fmt yuv420p",
    "snow.mkv": "-c:v snow -strict -2 -pix_fmt yuv420p -t 0.3",
}
# Decoders whose inverse transforms round otherwise in another version of FFmpeg.
_ROUNDED = 2


# What is made of a finished file, by ffmpeg again.
EDITED = {
    "cut-by-edit-list.mp4": "-ss 0.3 -i {plain} -c copy",
    "negative-times.mp4": "-i {plain} -c copy -copyts -output_ts_offset -0.2 -avoid_negative_ts disabled",
    "late-start.mkv": "-itsoffset 3.5 -i {plain} -c copy -copyts",
    "turned.mp4": "-i {plain} -c copy -metadata:s:v rotate=270",
    "with-a-cover.mp4": "-i {plain} -i {picture} -map 0 -map 1 -c copy -disposition:v:1 attached_pic",
    "cover-first.mkv": "-i {picture} -i {plain} -map 0 -map 1 -c copy -disposition:v:0 attached_pic",
    "two-streams.mkv": "-i {small} -i {plain} -map 0 -map 1 -c copy -disposition:v:0 0 -disposition:v:1 0",
    "two-streams-default.mp4": "-i {plain} -i {small} -map 0 -map 1 -c copy -disposition:v:1 default",
    "with-sound.mkv": "-i {plain} -f lavfi -i sine=duration=3 -map 0 -map 1 -c:v copy -c:a aac",
}
# Files that have lost a part: their name, and what of the bytes is left.
CUT = {
    "begins-between-key-frames.ts": (0.3, 1.0),
    "ends-early.ts": (0.0, 0.7),
    "ends-early.mkv": (0.0, 0.7),
    "ends-early.avi": (0.0, 0.7),
    "ends-early.mpg": (0.0, 0.7),
}


def _run(*command: str | Path) -> bytes:
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()[-500:]
    return done.stdout


def _encode(path: Path, options: str) -> Path:
    words = [word.replace("'", "") for word in options.split()]
    _run("ffmpeg", "-v", "error", "-f", "lavfi", "-i", _SOURCE, *words, path)
    return path


def _frames_of_ffmpeg(path: Path, size: tuple[int, int], filters: str) -> npt.NDArray[np.uint8]:
    chosen = ["-vf", filters] if filters else []
    raw = _run(
        "ffmpeg", "-v", "error", "-i", path, "-fps_mode", "passthrough", *chosen, "-f", "rawvideo",
        "-pix_fmt", "rgb24", "-",
    )  # fmt: skip
    return np.frombuffer(raw, np.uint8).reshape(-1, *size, 3)


def _times_of_ffprobe(path: Path) -> list[float] | None:
    text = _run(
        "ffprobe", "-v", "error", "-select_streams", "V:0", "-show_entries",
        "frame=best_effort_timestamp_time", "-of", "csv=p=0", path,
    ).decode()  # fmt: skip
    found = [line.split(",")[0] for line in text.splitlines() if line.strip(", ")]
    return None if "N/A" in found else [float(time) - float(found[0]) for time in found]


def _assert_as_ffmpeg(path: Path, filters: str = "", *, whole: bool = True) -> None:
    video = open_video([str(path)])
    taken = list(video.frames())
    expected = _frames_of_ffmpeg(path, video.size, filters)
    assert len(taken) == len(expected) > 3
    for number, (frame, wanted) in enumerate(zip(taken, expected, strict=True)):
        if not whole and number == len(taken) - 1:
            # Half a frame, the rest of which every version makes up in its own way.
            break
        apart = np.abs(frame.frame.astype(int) - wanted)
        if filters and number == 0:
            # Without a frame before it, versions of the filter differ in where they look.
            assert (apart > _ROUNDED).mean() < 0.02
        else:
            assert apart.max() <= _ROUNDED, (number, apart.max(), apart.mean())
    times = _times_of_ffprobe(path)
    # A cover in Matroska is a stream of one frame, which ffprobe lists first.
    if times is not None and len(times) == len(taken):
        assert [frame.stamp.seconds for frame in taken] == pytest.approx(times, abs=2e-3)
    again = list(video.backwards(video.stamps()))[::-1]
    assert [frame.stamp for frame in again] == [frame.stamp for frame in taken]
    for frame, wanted_frame in zip(again, taken, strict=True):
        np.testing.assert_array_equal(frame.frame, wanted_frame.frame)


@pytest.mark.parametrize("name", ENCODINGS)
def test_frames__as_ffmpeg(tmp_path: Path, name: str) -> None:
    interlaced = any(word in name for word in ("interlaced", "first", "dv."))
    _assert_as_ffmpeg(_encode(tmp_path / name, ENCODINGS[name]), _DEINTERLACE if interlaced else "")


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("parts")
    return {
        "plain": _encode(folder / "plain.mp4", "-c:v libx264 -g 6 -bf 2 -pix_fmt yuv420p"),
        "small": _encode(folder / "small.mp4", f"-vf scale=128:72 {_X264} -pix_fmt yuv420p"),
        "picture": _encode(folder / "picture.png", "-frames:v 1"),
    }


@pytest.mark.parametrize("name", EDITED)
def test_frames__of_edited_files(tmp_path: Path, parts: dict[str, Path], name: str) -> None:
    words = EDITED[name].format(**parts).split()
    _run("ffmpeg", "-v", "error", *words, tmp_path / name)
    _assert_as_ffmpeg(tmp_path / name)


@pytest.mark.parametrize("name", CUT)
def test_frames__of_files_that_lost_a_part(tmp_path: Path, name: str) -> None:
    codec = "mpeg2video" if name.endswith(".mpg") else "mpeg4"
    path = _encode(tmp_path / name, f"-c:v {codec} -q:v 3 -g 6")
    content, (start, end) = path.read_bytes(), CUT[name]
    # A whole number of a transport stream's packets.
    begin = round(start * len(content)) // 188 * 188
    path.write_bytes(content[begin : round(end * len(content))])
    _assert_as_ffmpeg(path, whole=end == 1.0)
