from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.data.frame_folders import FrameIndex, Video, index_frames
from sfc_cli.errors import InputError
from sfc_cli.training.preflight import count_gaps, inspect, numbering_step


def make_index(videos: list[Video], kind: str = "folders", **more: object) -> FrameIndex:
    fields: dict[str, object] = {"unreadable": (), "sizes": ((640, 360, 10),)}
    return FrameIndex(root=Path("/set"), kind=kind, videos=tuple(videos), **{**fields, **more})  # type: ignore[arg-type]


def numbered(*numbers: int) -> Video:
    return Video("v", tuple(f"{number:05d}.jpg" for number in numbers))


def test_inspect__describes_the_set(make_frames: Callable, small: Callable) -> None:
    index = index_frames(make_frames({"a": 5, "b": 4, "c": 4}))
    rows = dict(inspect(index, small(crop_size=64)).rows)
    assert rows["videos"] == "3"
    assert rows["frames"] == "13"
    assert rows["frames per video"] == "4 … 4 … 5"
    assert rows["gaps in numbering"] == "0"
    assert rows["smaller than 64 pixels"] == "13"
    assert "folders" in rows["data"]


def test_inspect__has_no_warning_for_a_good_set(index: FrameIndex, small: Callable) -> None:
    assert inspect(index, small()).warnings == ()


def test_inspect__warns_of_every_fifth_frame(small: Callable) -> None:
    index = make_index([numbered(0, 5, 10), numbered(0, 5, 10, 15), numbered(0, 1)])
    assert any("every 5th frame" in warning for warning in inspect(index, small()).warnings)


def test_inspect__warns_of_too_few_videos_of_youtube_vos_alone(small: Callable) -> None:
    videos = [numbered(0, 1)] * 100
    assert any("3,471" in warning for warning in inspect(make_index(videos, "YouTube-VOS"), small()).warnings)
    assert not inspect(make_index(videos), small()).warnings
    assert not inspect(make_index([numbered(0, 1)] * 3400, "YouTube-VOS"), small()).warnings


def test_inspect__warns_of_small_and_unreadable_images(small: Callable) -> None:
    index = make_index([numbered(*range(10))], sizes=((20, 30, 10),), unreadable=(("v/x.jpg", "truncated"),))
    warnings = " ".join(inspect(index, small()).warnings)
    assert "v/x.jpg (truncated)" in warnings
    assert "10 of 10 frames are smaller than --crop-size 32" in warnings


def test_inspect__refuses_more_unreadable_files_than_allowed(small: Callable) -> None:
    index = make_index([numbered(0)], unreadable=tuple((f"v/{n}.jpg", "empty") for n in range(3)))
    inspect(index, small(max_unreadable=3))
    with pytest.raises(
        InputError, match=r"3 files .* more than the 2 of --max-unreadable: v/0\.jpg \(empty\)"
    ):
        inspect(index, small(max_unreadable=2))


def test_count_gaps__counts_jumps_above_the_usual_step() -> None:
    assert count_gaps(numbered(0, 1, 2, 5, 6, 9)) == 2
    assert count_gaps(numbered(0, 5, 10, 20)) == 1
    assert numbering_step(numbered(3, 8, 13)) == 5
    assert numbering_step(Video("v", ("beach.jpg", "dog.jpg"))) is None
    assert numbering_step(numbered(7)) is None
