from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.data.frame_index import FrameIndex, Video, index_frames
from sfc_cli.errors import InputError
from sfc_cli.progress import Silent
from sfc_cli.training.data_inspection import (
    count_gaps,
    describe_data,
    inspect_data,
    numbering_step,
    warnings_about,
)


class Lines(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str, **facts: object) -> None:  # noqa: ARG002
        self.said.append(text)


def make_index(videos: list[Video], kind: str = "folders", **more: object) -> FrameIndex:
    fields: dict[str, object] = {"unreadable": (), "sizes": ((640, 360, 10),)}
    return FrameIndex(root=Path("/set"), kind=kind, videos=tuple(videos), **{**fields, **more})  # type: ignore[arg-type]


def numbered(*numbers: int) -> Video:
    return Video("v", tuple(f"{number:05d}.jpg" for number in numbers))


def test_describe_data__counts_videos_frames_and_small_images(make_frames: Callable) -> None:
    rows = describe_data(index_frames(make_frames({"a": 5, "b": 4, "c": 4})), 64)
    assert rows["videos"] == "3"
    assert rows["frames"] == "13"
    assert rows["frames per video"] == "4 … 4 … 5"
    assert rows["gaps in numbering"] == "0"
    assert rows["smaller than 64 pixels"] == "13"
    assert "folders" in rows["data"]


def test_warnings_about__has_none_for_a_good_set(index: FrameIndex) -> None:
    assert warnings_about(index, 32) == []


def test_warnings_about__names_every_fifth_frame() -> None:
    index = make_index([numbered(0, 5, 10), numbered(0, 5, 10, 15), numbered(0, 1)])
    assert any("every 5th frame" in warning for warning in warnings_about(index, 32))


def test_warnings_about__names_too_few_videos_of_youtube_vos_alone() -> None:
    videos = [numbered(0, 1)] * 100
    assert any("3,471" in warning for warning in warnings_about(make_index(videos, "YouTube-VOS"), 32))
    assert not warnings_about(make_index(videos), 32)
    assert not warnings_about(make_index([numbered(0, 1)] * 3400, "YouTube-VOS"), 32)


def test_warnings_about__names_small_and_unreadable_images() -> None:
    index = make_index([numbered(*range(10))], sizes=((20, 30, 10),), unreadable=(("v/x.jpg", "truncated"),))
    warnings = " ".join(warnings_about(index, 32))
    assert "v/x.jpg (truncated)" in warnings
    assert "10 of 10 frames are smaller than a view of 32 pixels" in warnings


def test_inspect_data__says_aligned_rows_and_warnings(small: Callable) -> None:
    lines = Lines()
    index = make_index([numbered(0, 5, 10), Video("w[1]", ("00000.jpg",))], sizes=((20, 30, 4),))
    inspect_data(index, small(), lines)
    assert lines.said[:2] == ["data                    /set (folders)", "videos                  2"]
    assert lines.said[6] == "smaller than 32 pixels  4"
    assert [line.split(":")[0] for line in lines.said[7:]] == ["warning", "warning"]
    assert "every 5th frame" in lines.said[7]


def test_inspect_data__refuses_more_unreadable_files_than_allowed(small: Callable) -> None:
    index = make_index([numbered(0)], unreadable=tuple((f"v/{n}.jpg", "empty") for n in range(3)))
    inspect_data(index, small(max_unreadable=3), Silent())
    with pytest.raises(
        InputError, match=r"3 files .* more than the 2 of `max_unreadable`: v/0\.jpg \(empty\)"
    ):
        inspect_data(index, small(max_unreadable=2), Silent())


def test_count_gaps__counts_jumps_above_the_usual_step() -> None:
    assert count_gaps(numbered(0, 1, 2, 5, 6, 9)) == 2
    assert count_gaps(numbered(0, 5, 10, 20)) == 1
    assert numbering_step(numbered(3, 8, 13)) == 5
    assert numbering_step(Video("v", ("beach.jpg", "dog.jpg"))) is None
    assert numbering_step(numbered(7)) is None
