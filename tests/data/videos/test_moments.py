from __future__ import annotations

import pytest

from sfc_cli.data.videos import Moment, parse_moment
from sfc_cli.errors import UsageError


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
    assert parse_moment(text, "--start") == Moment(value=value, in_seconds=in_seconds)


@pytest.mark.parametrize(
    "text", ["", "s", "3.5", "1:75", "1:60:00", "1:2:3:4", "10%", "nan", "infs", "1e3", "²", "5 frames"]
)
def test_parse_moment__refuses_anything_else(text: str) -> None:
    with pytest.raises(UsageError, match=r"--end .* is neither a frame number nor a time") as caught:
        parse_moment(text, "--end")
    assert "--end 3.5s" in caught.value.hint


@pytest.mark.parametrize("text", ["-3", "-0.5s", "−1:05"])
def test_parse_moment__refuses_negative(text: str) -> None:
    with pytest.raises(UsageError, match=r"--every .* is negative"):
        parse_moment(text, "--every")
