from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data import frame_index
from sfc_cli.data.frame_index import (
    cache_file,
    find_frames_folder,
    find_index,
    has_images,
    index_frames,
    probe_image,
    read_index,
)
from sfc_cli.errors import InputError


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def write_image(path: Path, size: tuple[int, int] = (40, 30)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), np.full((size[1], size[0], 3), 90, np.uint8))
    return path


def names(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_index_frames__takes_every_folder_of_images_as_a_video(tmp_path: Path) -> None:
    root = tmp_path / "set"
    for name in ("b/2.png", "b/1.JPG", "a/deep/0.jpg", "top.jpg", "b/.hidden.jpg", ".git/x.jpg"):
        write_image(root / name)
    (root / "b" / "notes.txt").write_text("not an image")
    index = index_frames(root)
    assert [(video.name, video.frames) for video in index.videos] == [
        (".", ("top.jpg",)),
        ("a/deep", ("0.jpg",)),
        ("b", ("1.JPG", "2.png")),
    ]
    assert index.kind == "folders"
    assert index.frame_count == 4
    assert index.sizes == ((40, 30, 4),)
    assert index.path(2, 1) == root.resolve() / "b" / "2.png"


def test_index_frames__reads_a_davis_root(make_davis: Callable[..., Path]) -> None:
    index = index_frames(make_davis({"bear": 3, "cow": 2}))
    assert index.kind == "DAVIS"
    assert [(video.name, len(video.frames)) for video in index.videos] == [("bear", 3), ("cow", 2)]


def test_index_frames__lists_youtube_vos_without_an_index_file(tmp_path: Path) -> None:
    for frame in range(3):
        write_image(tmp_path / "set" / "train_all_frames" / "JPEGImages" / "0a" / f"{frame:05d}.jpg")
    index = index_frames(tmp_path / "set")
    assert (index.kind, index.frame_count, index.source) == ("YouTube-VOS", 3, "")


def test_index_frames__takes_the_index_file_at_its_word(tmp_path: Path) -> None:
    frames = tmp_path / "set" / "train_all_frames" / "JPEGImages"
    for frame in range(4):
        write_image(frames / "0a" / f"{frame:05d}.jpg")
    (frames.parent / "ytvos.csv").write_text("0a,1,2\n0b,0,1\n")
    index = index_frames(tmp_path / "set")
    assert [(video.name, video.frames) for video in index.videos] == [("0a", ("00001.jpg", "00002.jpg"))]
    assert index.unreadable == (("0b/00000.jpg", "missing"),)
    assert index.source == str((frames.parent / "ytvos.csv").resolve())


def test_index_frames__lists_what_cannot_be_read(tmp_path: Path) -> None:
    root = tmp_path / "set"
    whole = write_image(root / "a" / "0.jpg").read_bytes()
    (root / "a" / "1.jpg").write_bytes(whole[:-20])
    (root / "a" / "2.jpg").write_bytes(b"")
    (root / "a" / "3.png").write_bytes(b"text, not a picture")
    write_image(root / "a" / "4.png", (1, 30))
    index = index_frames(root)
    assert index.videos[0].frames == ("0.jpg",)
    assert dict(index.unreadable) == {
        "a/1.jpg": "truncated",
        "a/2.jpg": "empty",
        "a/3.png": "not an image",
        "a/4.png": "only 1×30 pixels",
    }


def test_index_frames__never_writes_to_the_data_set(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write_image(root / "a" / "0.jpg")
    before = names(root)
    index_frames(root)
    assert names(root) == before
    assert cache_file(root).is_file()
    assert cache_file(root).is_relative_to(tmp_path / "cache")


def test_index_frames__looks_at_files_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "set"
    write_image(root / "a" / "0.jpg")
    first = index_frames(root)
    monkeypatch.setattr(frame_index, "probe_image", lambda _: pytest.fail("looked again"))
    assert index_frames(root) == first


@pytest.mark.parametrize("change", ["add", "remove", "new folder"])
def test_index_frames__notices_a_change(tmp_path: Path, change: str) -> None:
    root = tmp_path / "set"
    for frame in range(2):
        write_image(root / "a" / f"{frame}.jpg")
    first = index_frames(root)
    if change == "remove":
        (root / "a" / "1.jpg").unlink()
    else:
        write_image(root / ("a" if change == "add" else "b/c") / "9.jpg")
    # Clocks of file systems may be coarser than this test is slow.
    for folder in (root, root / "a"):
        os.utime(folder, ns=(folder.stat().st_atime_ns, folder.stat().st_mtime_ns + 10**9))
    changed = index_frames(root)
    assert changed.frame_count == (1 if change == "remove" else 3)
    assert changed.fingerprint() != first.fingerprint()


def test_index_frames__survives_a_damaged_or_forbidden_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "set"
    write_image(root / "a" / "0.jpg")
    first = index_frames(root)
    cache_file(root).write_text('{"version": 1, "stamps"')
    assert index_frames(root) == first
    blocked = tmp_path / "a file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert index_frames(root) == first


def test_index_frames__follows_links_but_not_in_circles(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "set", tmp_path / "elsewhere"
    write_image(elsewhere / "0.jpg")
    (root / "a").mkdir(parents=True)
    (root / "linked").symlink_to(elsewhere)
    (root / "a" / "up").symlink_to(root)
    assert [video.name for video in index_frames(root).videos] == ["linked"]


def test_index_frames__refuses_missing_empty_and_unreadable_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="missing or not a folder"):
        index_frames(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="No images below"):
        index_frames(tmp_path / "empty")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "0.jpg").write_bytes(b"no")
    with pytest.raises(InputError, match=r"None of the 1 images .* first, 0\.jpg, is not an image"):
        index_frames(tmp_path / "bad")


def test_fingerprint__ignores_where_the_set_lies(tmp_path: Path) -> None:
    for root in ("one", "two"):
        write_image(tmp_path / root / "a" / "0.jpg")
    assert index_frames(tmp_path / "one").fingerprint() == index_frames(tmp_path / "two").fingerprint()


def test_probe_image__reads_the_size(tmp_path: Path) -> None:
    assert probe_image(write_image(tmp_path / "0.png", (7, 5))) == ((7, 5), "")


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


@pytest.mark.parametrize("name", ["..", "../outside", "a/../../outside", "/etc", "C:\\x", "..\\outside"])
def test_index_frames__refuses_a_video_that_leads_out_of_the_set(tmp_path: Path, name: str) -> None:
    frames = tmp_path / "set" / "train_all_frames" / "JPEGImages"
    for folder in (frames / "0a", tmp_path / "set" / "train_all_frames" / "outside"):
        write_image(folder / "00000.jpg")
    (frames.parent / "ytvos.csv").write_text(f"0a,0,1\n{name},0,1\n")
    with pytest.raises(InputError, match=r"ytvos\.csv, line 2, names .* leads out of its folder"):
        index_frames(tmp_path / "set")


@pytest.mark.parametrize("name", ["..", "/etc/passwd", "../outside/0.jpg", "C:\\x"])
@pytest.mark.parametrize("field", ["name", "frames"])
def test_index_frames__distrusts_a_cached_name_that_leads_out(tmp_path: Path, name: str, field: str) -> None:
    root = tmp_path / "set"
    write_image(root / "a" / "0.jpg")
    write_image(tmp_path / "outside" / "0.jpg")
    first = index_frames(root)
    content = json.loads(cache_file(root).read_text())
    content["index"]["videos"][0][field] = name if field == "name" else [name]
    cache_file(root).write_text(json.dumps(content))
    assert index_frames(root) == first


@pytest.mark.parametrize("root", ["..", "/", "", "outside"])
def test_index_frames__distrusts_a_cached_folder_elsewhere(tmp_path: Path, root: str) -> None:
    write_image(tmp_path / "set" / "a" / "0.jpg")
    write_image(tmp_path / "outside" / "a" / "0.jpg")
    first = index_frames(tmp_path / "set")
    content = json.loads(cache_file(tmp_path / "set").read_text())
    content["index"]["root"] = str(tmp_path / root) if root == "outside" else root
    cache_file(tmp_path / "set").write_text(json.dumps(content))
    assert index_frames(tmp_path / "set") == first


def test_index_frames__trusts_a_cached_root_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_image(tmp_path / "set" / "0.jpg")
    first = index_frames(tmp_path / "set")
    assert first.videos[0].name == "."
    monkeypatch.setattr(frame_index, "probe_image", lambda _: pytest.fail("looked again"))
    assert index_frames(tmp_path / "set") == first


def test_has_images__looks_into_every_folder(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "settings.json").write_text("{}")
    assert not has_images(tmp_path)
    (tmp_path / "a" / "b" / "0.PNG").write_bytes(b"x")
    assert has_images(tmp_path)
