from __future__ import annotations

from collections.abc import Iterator

import pytest

from sfc_cli.data.videos import FrameStamp, Moment, Selection, parse_moment
from sfc_cli.errors import InputError, UsageError

# A quarter of a second apart at first, then a whole one, as a phone's in the dark.
TIMES = [0, 0.25, 0.5, 0.75, 1, 2, 3, 4, 5, 6]


def stamps(times: list[float]) -> Iterator[FrameStamp]:
    for number, seconds in enumerate(times):
        yield FrameStamp(number=number, name=f"{number:05d}", seconds=seconds)


def moment(text: str | None) -> Moment | None:
    return None if text is None else parse_moment(text, "start")


def select(start: str | None = None, end: str | None = None, every: str | None = None) -> Selection:
    return Selection(start=moment(start), end=moment(end), every=moment(every))


@pytest.mark.parametrize(
    ("typed", "numbers"),
    [
        ((None, None, None), range(10)),
        (("3", None, None), range(3, 10)),
        ((None, "3", None), range(3)),
        (("2", "5", None), range(2, 5)),
        (("0.6s", "3s", None), [3, 4, 5]),
        (("0.5s", "6", None), [2, 3, 4, 5]),
        (("1", "2s", "2"), [1, 3]),
        ((None, None, "3"), [0, 3, 6, 9]),
        ((None, None, "0.5s"), [0, 2, 4, 5, 6, 7, 8, 9]),
        (("0.25s", None, "2s"), [1, 6, 8]),
        ((None, "1000", None), range(10)),
    ],
)
def test_choose__start_end_and_every(typed: tuple[str | None, ...], numbers: list[int]) -> None:
    assert [stamp.number for stamp in select(*typed).choose(stamps(TIMES), "c")] == list(numbers)


def test_choose__half_a_millisecond_is_no_difference() -> None:
    # 30 frames a second in a container that counts milliseconds.
    times = [round(number / 30, 3) for number in range(31)]
    half = select(start="0.5s", end="1s", every="0.1s")
    assert [stamp.number for stamp in half.choose(stamps(times), "c")] == [15, 18, 21, 24, 27]
    # Frame 10 is kept at 0.333, frame 20 at 0.667.
    thirds = select(start="0.3333s", end="0.6672s")
    assert [stamp.number for stamp in thirds.choose(stamps(times), "c")] == list(range(10, 20))


def test_choose__a_gap_is_not_made_up_for() -> None:
    chosen = select(every="1s").choose(stamps([0, 3, 3.1, 3.2, 4]), "c")
    assert [stamp.number for stamp in chosen] == [0, 1, 4]


def test_choose__draws_nothing_beyond_the_end() -> None:
    drawn = stamps(TIMES)
    assert len(list(select(end="4").choose(drawn, "c"))) == 4
    assert next(drawn).number == 5


def test_choose__start_past_the_end_says_its_length() -> None:
    with pytest.raises(
        InputError, match=r"`start` \(frame 50\) is past the end of c, .* 5 frames \(1\.25 s\)"
    ):
        list(select(start="50").choose(stamps(TIMES[:5]), "c"))


def test_choose__start_in_frames_after_an_end_in_seconds() -> None:
    with pytest.raises(InputError, match=r"`start` \(frame 6\) leaves no frames of c before `end` \(2 s\)"):
        list(select(start="6", end="2s").choose(stamps(TIMES), "c"))


@pytest.mark.parametrize(("start", "end"), [("5", "5"), ("6", "5"), ("2s", "2s"), ("1:00", "59s")])
def test_selection__refuses_an_end_that_is_not_after_the_start(start: str, end: str) -> None:
    with pytest.raises(UsageError, match=r"`start` .* is not before `end`"):
        select(start=start, end=end)


def test_selection__refuses_zero() -> None:
    for every in ("0", "0s", "0.0003s"):
        with pytest.raises(UsageError, match="`every` is 0"):
            select(every=every)
    for end in ("0", "0s"):
        with pytest.raises(UsageError, match="`end` is 0"):
            select(end=end)


@pytest.mark.parametrize(
    ("text", "value", "in_seconds"),
    [
        ("57", 57, False),
        ("0", 0, False),
        (" 12 ", 12, False),
        ("3.5s", 3.5, True),
        (".5 s", 0.5, True),
        ("2s", 2, True),
        ("1:05", 65, True),
        ("0:01:05.5", 65.5, True),
        ("90:00", 5400, True),
        ("1:00:00", 3600, True),
    ],
)
def test_parse_moment__frames_and_times(text: str, value: float, in_seconds: bool) -> None:
    assert parse_moment(text, "start") == Moment(value=value, in_seconds=in_seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "3.5", "1:75", "1:60:00", "1:2:3:4", "10%", "nan", "infs", "1e3", "²", "5 frames"]
)
def test_parse_moment__refuses_anything_else(text: str) -> None:
    with pytest.raises(UsageError, match=r"`end` .* is neither a frame number nor a time") as caught:
        parse_moment(text, "end")
    assert "3.5s" in caught.value.hint


@pytest.mark.parametrize("text", ["-3", "-0.5s", "−1:05"])
def test_parse_moment__refuses_negative(text: str) -> None:
    with pytest.raises(UsageError, match=r"`every` .* is negative"):
        parse_moment(text, "every")
