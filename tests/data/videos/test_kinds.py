"""Videos of every kind that cameras and programs write, made on the spot."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from sfc_cli.data.videos import open_video
from sfc_cli.errors import InputError
from tests.data.videos.support import edit, picture, write_video

COUNT = 8


def encode(
    path: Path,
    planes: Callable[[int], av.VideoFrame],
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    count: int = COUNT,
    change: Callable[[Any], None] = lambda _: None,
    **options: str,
) -> Path:
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=25, options=options)
        first = planes(0)
        stream.width, stream.height, stream.pix_fmt = first.width, first.height, pix_fmt
        change(stream.codec_context)
        for number in range(count):
            frame = planes(number)
            frame.pts, frame.time_base = number, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def of_picture(number: int) -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(picture(number)[..., ::-1].copy(), format="rgb24")


def apart(found: npt.NDArray[np.uint8], expected: npt.NDArray[np.uint8]) -> float:
    return float(np.abs(found.astype(int) - expected).mean())


@pytest.mark.parametrize(
    ("name", "codec", "pix_fmt", "options"),
    [
        ("a.mp4", "libx264", "yuv422p", {"qp": "2"}),
        ("a.mp4", "libx264", "yuv444p10le", {"qp": "2"}),
        ("a.mkv", "libx264", "yuvj420p", {"qp": "2"}),
        ("a.mkv", "ffv1", "bgra", {}),
        ("a.mov", "prores_ks", "yuva444p10le", {"profile": "4"}),
        ("a.mkv", "ffv1", "gbrp12le", {}),
        ("a.webm", "libvpx-vp9", "yuv444p", {"lossless": "1"}),
        ("a.mov", "qtrle", "rgb24", {}),
        ("a.mp4", "libx265", "yuv420p10le", {"x265-params": "log-level=none:qp=2"}),
        ("a.mp4", "libsvtav1", "yuv420p", {"preset": "10", "crf": "5"}),
    ],
)
def test_frames__of_many_formats(
    tmp_path: Path, name: str, codec: str, pix_fmt: str, options: dict[str, str]
) -> None:
    video = open_video([str(encode(tmp_path / name, of_picture, codec, pix_fmt, **options))])
    taken = list(video.frames())
    assert len(taken) == COUNT
    for number, frame in enumerate(taken):
        assert apart(frame.frame, picture(number)[..., ::-1]) < 4


def test_frames__of_grey_video(tmp_path: Path) -> None:
    def grey(number: int) -> av.VideoFrame:
        return av.VideoFrame.from_ndarray(picture(number)[..., 1].copy(), format="gray")

    for frame in open_video([str(encode(tmp_path / "a.mkv", grey, "ffv1", "gray"))]).frames():
        np.testing.assert_array_equal(
            frame.frame, np.repeat(picture(frame.stamp.number)[..., 1:2], 3, axis=2)
        )


@pytest.mark.parametrize("codec", ["libx264", "mpeg2video", "mpeg4"])
def test_frames__interlaced_are_made_whole(tmp_path: Path, codec: str) -> None:
    """A bar that moves from field to field: combed as it is stored, straight once it is whole."""

    def combed(number: int) -> av.VideoFrame:
        luma = np.full((64, 96), 60, np.uint8)
        for field in (0, 1):
            luma[field::2, 20 + 8 * number + 4 * field :] = 200
        frame = av.VideoFrame.from_ndarray(np.repeat(luma[..., None], 3, axis=2), format="rgb24")
        return frame.reformat(format="yuv420p")

    options = {"x264-params": "tff=1:qp=4"} if codec == "libx264" else {"flags": "+ildct+ilme", "top": "1"}
    path = encode(tmp_path / "a.mkv", combed, codec, count=6, **options)
    video = open_video([str(path)])
    taken = list(video.frames())
    assert len(taken) == 6
    for number, frame in enumerate(taken[1:], 1):
        edges = np.argmax(frame.frame[8:-8, :, 0] > 130, axis=1)
        assert abs(int(np.median(edges)) - (20 + 8 * number)) <= 4
        assert edges.std() < 1.2
    for found, expected in zip(list(video.backwards(video.stamps()))[::-1], taken, strict=True):
        np.testing.assert_array_equal(found.frame, expected.frame)


def show_as(content: bytes, matrix: Sequence[float]) -> bytes:
    """Write the four numbers of a display matrix into an MP4's track header."""

    def change(payload: bytes) -> bytes:
        offset = 40 if payload[0] == 0 else 52
        a, b, c, d = (round(65536 * value) for value in matrix)
        written = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        return payload[:offset] + written + payload[offset + len(written) :]

    return edit(content, (b"moov", b"trak", b"tkhd"), change)


@pytest.mark.parametrize("matrix", [(a, 0, 0, d) for a in (1, -1) for d in (1, -1)] + [
    (0, b, c, 0) for b in (1, -1) for c in (1, -1)
])  # fmt: skip
def test_frames__turned_and_mirrored(tmp_path: Path, matrix: tuple[int, ...]) -> None:
    content = write_video(tmp_path / "plain.mp4").read_bytes()
    plain = [frame.frame for frame in open_video([str(tmp_path / "plain.mp4")]).frames()]
    (tmp_path / "a.mp4").write_bytes(show_as(content, matrix))
    a, b, c, d = matrix
    height, width = plain[0].shape[:2]
    rows, columns = np.indices((height, width))
    # Where each stored pixel is shown: the matrix is applied to its coordinates.
    across, down = a * columns + c * rows, b * columns + d * rows
    across, down = across - across.min(), down - down.min()
    for frame, stored in zip(open_video([str(tmp_path / "a.mp4")]).frames(), plain, strict=True):
        shown = np.zeros((down.max() + 1, across.max() + 1, 3), np.uint8)
        shown[down, across] = stored
        np.testing.assert_array_equal(frame.frame, shown)


def test_frames__turned_by_an_odd_angle(tmp_path: Path) -> None:
    content = write_video(tmp_path / "plain.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(show_as(content, (0.98, 0.17, -0.17, 0.98)))
    video = open_video([str(tmp_path / "a.mp4")])
    assert video.size == (48, 64)
    assert any("odd angle" in remark for remark in video.remarks())


def _colours(matrix: int, transfer: int = 2) -> Callable[[Any], None]:
    def change(context: Any) -> None:
        context.colorspace, context.color_trc = matrix, transfer

    return change


def _tagged(matrix: int) -> Callable[[int], av.VideoFrame]:
    def planes(number: int) -> av.VideoFrame:
        rgb = picture(number)[..., ::-1].astype(np.float32)
        red, green, blue = (rgb[..., channel] for channel in range(3))
        if matrix == 8:
            luma = red / 4 + green / 2 + blue / 4
            first, second = -red / 4 + green / 2 - blue / 4, red / 2 - blue / 2
        else:
            luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
            first, second = (blue - luma) / 1.8556, (red - luma) / 1.5748
        stored = [16 + luma * 219 / 255, 128 + first * 224 / 255, 128 + second * 224 / 255]
        array = np.stack([np.rint(plane) for plane in stored]).clip(0, 255).astype(np.uint8)
        frame = av.VideoFrame.from_ndarray(array, format="yuv444p")
        frame.colorspace = matrix
        return frame

    return planes


@pytest.mark.parametrize("matrix", [1, 8])
def test_frames__of_declared_matrices(tmp_path: Path, matrix: int) -> None:
    path = encode(tmp_path / "a.mp4", _tagged(matrix), pix_fmt="yuv444p", change=_colours(matrix), qp="1")
    for frame in open_video([str(path)]).frames():
        assert apart(frame.frame, picture(frame.stamp.number)[..., ::-1]) < 2


@pytest.mark.parametrize(
    ("matrix", "name"), [(10, r"BT\.2020 with constant luminance"), (11, "ST 2085"), (14, "ICtCp"), (12, "")]
)
def test_open_video__refuses_matrices_that_cannot_be_converted(
    tmp_path: Path, matrix: int, name: str
) -> None:
    path = encode(tmp_path / "a.mp4", _tagged(1), pix_fmt="yuv444p", change=_colours(matrix))
    with pytest.raises(InputError, match=rf"a\.mp4 declares the colour matrix .*{name}"):
        open_video([str(path)])


@pytest.mark.parametrize(("transfer", "remark"), [(16, "PQ"), (18, "HLG"), (9, ""), (1, "")])
def test_remarks__of_transfers(tmp_path: Path, transfer: int, remark: str) -> None:
    path = encode(tmp_path / "a.mp4", _tagged(1), pix_fmt="yuv444p", change=_colours(1, transfer))
    video = open_video([str(path)])
    assert any(f"HDR ({remark})" in line for line in video.remarks()) == bool(remark)
    assert len(list(video.frames())) == COUNT


def test_open_video__reads_the_larger_of_two_streams(tmp_path: Path) -> None:
    with av.open(str(tmp_path / "a.mkv"), "w") as container:
        streams: list[Any] = [container.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream, (height, width) in zip(streams, ((24, 32), (48, 64)), strict=True):
            stream.height, stream.width, stream.pix_fmt = height, width, "bgr0"
        for number in range(4):
            for stream in streams:
                frame = of_picture(number).reformat(stream.width, stream.height)
                frame.pts, frame.time_base = number, Fraction(1, 25)
                container.mux(stream.encode(frame))
        for stream in streams:
            container.mux(stream.encode(None))
    video = open_video([str(tmp_path / "a.mkv")])
    assert video.size == (48, 64)
    assert any("Of 2 streams of pictures the one of 64×48" in remark for remark in video.remarks())
    np.testing.assert_array_equal(next(video.frames()).frame, picture(0)[..., ::-1])


def test_open_video__non_square_pixels_stay_as_stored(tmp_path: Path) -> None:
    def change(context: Any) -> None:
        context.sample_aspect_ratio = Fraction(4, 3)

    path = encode(tmp_path / "a.mp4", of_picture, change=change)
    video = open_video([str(path)])
    assert (video.size, video.pixel_aspect) == ((48, 64), Fraction(4, 3))


def test_stamps__of_a_transport_stream_that_starts_between_key_frames(tmp_path: Path) -> None:
    content = encode(tmp_path / "whole.ts", of_picture, "mpeg2video", count=24, g="6", b="8M").read_bytes()
    (tmp_path / "a.ts").write_bytes(content[len(content) // 3 // 188 * 188 :])
    video = open_video([str(tmp_path / "a.ts")])
    taken = list(video.frames())
    assert 10 <= len(taken) <= 18
    first = 24 - len(taken)
    for number, frame in enumerate(taken, first):
        assert apart(frame.frame, picture(number)[..., ::-1]) < 8


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "apng"])
def test_open_video__animated_images(tmp_path: Path, suffix: str) -> None:
    images = [Image.fromarray(picture(number)[..., ::-1].copy()) for number in range(5)]
    path, delays = tmp_path / f"a.{suffix}", [40, 40, 200, 40, 60]
    lossless = {"lossless": True} if suffix == "webp" else {}
    kind = "PNG" if suffix == "apng" else None
    images[0].save(path, kind, save_all=True, append_images=images[1:], duration=delays, loop=0, **lossless)
    video = open_video([str(path)])
    taken = list(video.frames())
    assert [frame.stamp.name for frame in taken] == [f"{number:05d}" for number in range(5)]
    assert [frame.stamp.seconds for frame in taken] == pytest.approx([0, 0.04, 0.08, 0.28, 0.32])
    for number, frame in enumerate(taken):
        assert apart(frame.frame, picture(number)[..., ::-1]) < (12 if suffix == "gif" else 0.01)
    again = list(video.backwards(video.stamps()))
    assert [frame.stamp for frame in again] == [frame.stamp for frame in taken[::-1]]
    np.testing.assert_array_equal(again[0].frame, taken[-1].frame)


def test_open_video__still_image_is_no_animation(tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.webp")
    with pytest.raises(InputError, match="is a single image"):
        open_video([str(tmp_path / "a.webp")])


def test_open_video__animation_on_white(tmp_path: Path) -> None:
    clear = [Image.new("RGBA", (64, 48), (200, 0, 0, alpha)) for alpha in (0, 255)]
    clear[0].save(tmp_path / "a.png", save_all=True, append_images=clear[1:], duration=100)
    taken = [frame.frame[0, 0].tolist() for frame in open_video([str(tmp_path / "a.png")]).frames()]
    assert taken == [[255, 255, 255], [200, 0, 0]]
