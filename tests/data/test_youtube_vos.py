from __future__ import annotations

from pathlib import Path

import pytest

from sfc_cli.data.youtube_vos import find_frames_folder, find_index, read_index
from sfc_cli.errors import InputError


def make_videos(folder: Path, frames: dict[str, list[int]]) -> Path:
    for video, numbers in frames.items():
        (folder / video).mkdir(parents=True)
        for number in numbers:
            (folder / video / f"{number:05d}.jpg").write_bytes(b"x")
    return folder


def test_find_frames_folder__prefers_all_frames(tmp_path: Path) -> None:
    assert find_frames_folder(tmp_path) is None
    thin = make_videos(tmp_path / "train" / "JPEGImages", {"a": [0, 5]})
    assert find_frames_folder(tmp_path) == thin
    full = make_videos(tmp_path / "train_all_frames" / "JPEGImages", {"a": [0, 1]})
    assert find_frames_folder(tmp_path) == full
    assert find_frames_folder(tmp_path / "train_all_frames") == full


def test_find_index__looks_beside_in_and_above(tmp_path: Path) -> None:
    frames = make_videos(tmp_path / "train_all_frames" / "JPEGImages", {"a": [0]})
    assert find_index(tmp_path, frames) is None
    for folder in (tmp_path, frames, frames.parent):
        (folder / "ytvos.csv").write_text("a,0,1\n")
        assert find_index(tmp_path, frames) == folder / "ytvos.csv"


def test_read_index__numbers_frames_from_the_first(tmp_path: Path) -> None:
    path = tmp_path / "ytvos.csv"
    path.write_text("video,first,count\r\n0a1b, 3, 2\r\n\r\nzz,0,1\r\n", encoding="utf-8-sig")
    assert read_index(path) == [("0a1b", ("00003.jpg", "00004.jpg")), ("zz", ("00000.jpg",))]


def test_read_index__reads_a_file_without_heading(tmp_path: Path) -> None:
    path = tmp_path / "ytvos.csv"
    path.write_text("a,0,1\n")
    assert read_index(path) == [("a", ("00000.jpg",))]


@pytest.mark.parametrize("line", ["b,1", "b,one,2", "b,1,-2", "b,1,0", ",1,2", "b,1,2,3"])
def test_read_index__names_a_bad_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "ytvos.csv"
    path.write_text(f"a,0,1\n{line}\n")
    with pytest.raises(InputError, match=r"ytvos\.csv, line 2"):
        read_index(path)


@pytest.mark.parametrize("content", [b"", b"video,first,count\n", b"\xff\xfe\x00"])
def test_read_index__refuses_what_lists_nothing(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ytvos.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"ytvos\.csv"):
        read_index(path)
