from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data import video_frames
from sfc_cli.data.frame_index import index_frames
from sfc_cli.data.video_frames import extract_frames, frames_folder
from sfc_cli.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_video(path: Path, count: int = 12, size: tuple[int, int] = (64, 48)) -> Path:
    """Write a video whose frames become brighter by 10 each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), 10, size)
    for t in range(count):
        writer.write(np.full((size[1], size[0], 3), 20 + 10 * t, np.uint8))
    writer.release()
    return path


def brightness(path: Path) -> float:
    return float(cv2.imread(str(path)).mean())


def test_extract_frames__spaces_them_over_the_whole_video(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = write_video(tmp_path / "clip.mp4")
    monkeypatch.setattr(video_frames, "MOST_FRAMES", 4)
    monkeypatch.setattr(video_frames, "SHORT_SIDE", 24)
    paths = sorted(extract_frames(video).iterdir())
    assert [path.name for path in paths] == ["000000.jpg", "000003.jpg", "000006.jpg", "000009.jpg"]
    assert [brightness(path) for path in paths] == pytest.approx([20, 50, 80, 110], abs=4)
    assert cv2.imread(str(paths[0])).shape == (24, 32, 3)


def test_index_frames__takes_video_files_beside_folders(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_video(root / "deep" / "b.MP4", 5)
    write_video(root / "a.avi", 3)
    (root / "stills").mkdir()
    cv2.imwrite(str(root / "stills" / "0.bmp"), np.zeros((30, 40, 3), np.uint8))
    (root / "broken.mov").write_bytes(b"\0\0\0\x18ftypqt  " + bytes(200))
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*")}
    index = index_frames(root)
    assert [(video.name, len(video.frames)) for video in index.videos] == [
        ("stills", 1),
        ("a.avi", 3),
        ("deep/b.MP4", 5),
    ]
    assert [path for path, _ in index.unreadable] == ["broken.mov"]
    assert "a video that cannot be decoded" in index.unreadable[0][1]
    assert index.path(2, 1).parent.parent == frames_folder()
    assert index.sizes == ((40, 30, 1), (64, 48, 8))
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*")} == before
    assert index_frames(root) == index
    # What the cache lost is made again, and another film of the same name is another film.
    shutil.rmtree(frames_folder())
    assert index_frames(root) == index
    assert index.path(2, 1).is_file()
    write_video(root / "a.avi", 4)
    assert len(index_frames(root).videos[1].frames) == 4


def test_extract_frames__leaves_nothing_of_a_video_that_fails(tmp_path: Path) -> None:
    video = tmp_path / "clip.mp4"
    video.write_bytes(write_video(tmp_path / "whole.mp4").read_bytes()[:900])
    with pytest.raises(InputError):
        extract_frames(video)
    assert list(frames_folder().iterdir()) == []
