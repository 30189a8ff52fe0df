"""Small videos to test with: frames that differ, videos in every codec that the wheel writes, edited MP4s."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

RATE = 25.0
SIZE = (48, 64)
WRITABLE = {
    "mpeg4.mp4": "mp4v",
    "vp9.mp4": "vp09",
    "mjpeg.mov": "mjpg",
    "mjpeg.avi": "MJPG",
    "xvid.avi": "XVID",
    "ffv1.avi": "FFV1",
    "ffv1.mkv": "FFV1",
    "mpeg4.mkv": "mp4v",
    "vp8.webm": "VP80",
    "vp9.webm": "VP90",
    "wmv2.wmv": "WMV2",
    "flv1.flv": "FLV1",
    "mpeg4.ts": "mp4v",
}
MDIA = (b"moov", b"trak", b"mdia")
STBL = (*MDIA, b"minf", b"stbl")
_QUARTERS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


def picture(number: int, size: tuple[int, int] = SIZE) -> npt.NDArray[np.uint8]:
    """Return a picture like no other number's, with a bright block in its upper left corner."""
    small = np.random.default_rng(number).integers(0, 160, (3, 4, 3), dtype=np.uint8)
    frame = cv2.resize(small, size[::-1], interpolation=cv2.INTER_CUBIC)
    frame[: size[0] // 4, : size[1] // 4] = 255
    return np.asarray(frame, np.uint8)


def write_video(path: Path, codec: str = "mp4v", count: int = 24, size: tuple[int, int] = SIZE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*codec), RATE, size[::-1])
    assert writer.isOpened(), f"OpenCV cannot write {codec}"
    for number in range(count):
        writer.write(picture(number, size))
    writer.release()
    return path


def write_images(folder: Path, names: Sequence[str], size: tuple[int, int] = SIZE) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names):
        assert cv2.imwrite(str(folder / name), picture(number, size))
    return folder


def decode_plainly(path: Path) -> list[npt.NDArray[np.uint8]]:
    """Read a video as every OpenCV program does, RGB."""
    capture = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
    frames = []
    while True:
        found, frame = capture.read()
        if not found:
            return frames
        frames.append(np.asarray(frame[..., ::-1], np.uint8))


def boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    """Split an MP4, or a box of boxes, into names and payloads."""
    found, offset = [], 0
    while offset < len(content):
        length = int.from_bytes(content[offset : offset + 4], "big")
        found.append((content[offset + 4 : offset + 8], content[offset + 8 : offset + length]))
        offset += length
    return found


def box(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", 8 + len(payload)) + kind + payload


def edit(content: bytes, path: Sequence[bytes], change: Callable[[bytes], bytes]) -> bytes:
    """Change the payload of the box at a path, and the sizes of all boxes around it."""
    out = b""
    for kind, payload in boxes(content):
        if kind == path[0]:
            payload = change(payload) if len(path) == 1 else edit(payload, path[1:], change)
        out += box(kind, payload)
    return out


def rotate(content: bytes, degrees: int) -> bytes:
    """Say in an MP4's track header that it is to be shown turned clockwise, as phones do."""

    def change(payload: bytes) -> bytes:
        offset = 40 if payload[0] == 0 else 52
        a, b, c, d = (65536 * value for value in _QUARTERS[degrees])
        matrix = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
        return payload[:offset] + matrix + payload[offset + len(matrix) :]

    return edit(content, (b"moov", b"trak", b"tkhd"), change)


def vary_times(content: bytes, weights: Sequence[int]) -> tuple[bytes, list[float]]:
    """Give an MP4's frames durations in proportion to whole numbers whose mean is 4; return their times."""
    timescale, usual = 0, 0

    def read_timescale(payload: bytes) -> bytes:
        nonlocal timescale
        timescale = int.from_bytes(payload[12:16], "big")
        return payload

    def change(payload: bytes) -> bytes:
        nonlocal usual
        usual = int.from_bytes(payload[12:16], "big")
        entries = [struct.pack(">II", 1, usual * weight // 4) for weight in weights]
        return payload[:4] + struct.pack(">I", len(entries)) + b"".join(entries)

    edit(content, (*MDIA, b"mdhd"), read_timescale)
    changed = edit(content, (*STBL, b"stts"), change)
    # A total of its own would be cut by the edit list.
    assert sum(weights) == 4 * len(weights)
    assert usual % 4 == 0
    ticks = np.cumsum([0, *(usual * weight // 4 for weight in weights[:-1])])
    return changed, (ticks / timescale).tolist()


def put_index_first(content: bytes) -> bytes:
    """Move an MP4's index before its frames, as files made for the web have it."""
    parts = dict(boxes(content))
    shift = len(box(b"moov", parts[b"moov"]))

    def change(payload: bytes) -> bytes:
        count = int.from_bytes(payload[4:8], "big")
        offsets = struct.unpack(f">{count}I", payload[8:])
        return payload[:8] + struct.pack(f">{count}I", *(offset + shift for offset in offsets))

    moov = edit(box(b"moov", parts[b"moov"]), (*STBL, b"stco"), change)
    rest = b"".join(box(kind, payload) for kind, payload in boxes(content) if kind not in (b"ftyp", b"moov"))
    return box(b"ftyp", parts[b"ftyp"]) + moov + rest


def make_sound(content: bytes) -> bytes:
    """Turn an MP4's only track from pictures to sound."""

    def to_sound(payload: bytes) -> bytes:
        return payload.replace(b"vide", b"soun", 1)

    return edit(content, (*MDIA, b"hdlr"), to_sound)
