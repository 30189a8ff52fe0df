"""``--overlay`` and ``--cutout`` with and without a word, wherever they stand."""

from pathlib import Path

import pytest

from sfc_cli.commands.optional_values import with_values
from sfc_cli.errors import UsageError


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", ""),
        ("--data davis", "--data davis"),
        ("--overlay", "--overlay video"),
        ("--overlay --cutout", "--overlay video --cutout png"),
        ("--cutout --overlay", "--cutout png --overlay video"),
        ("--overlay -o out", "--overlay video -o out"),
        ("--overlay frames", "--overlay frames"),
        ("--overlay gif --cutout", "--overlay gif --cutout png"),
        ("--cutout webm --overlay mp4", "--cutout webm --overlay mp4"),
        ("--cutout clip.mp4", "--cutout png clip.mp4"),
        ("--cutout=prores", "--cutout=prores"),
        ("--overlay video clip.mp4", "--overlay video clip.mp4"),
        ("--overlay=gif", "--overlay=gif"),
        ("--overlay clip.mp4 --mask a.png", "--overlay video clip.mp4 --mask a.png"),
        ("--overlay -- gif", "--overlay video -- gif"),
        ("-- --overlay", "-- --overlay"),
        ("--overlay --overlay gif", "--overlay video --overlay gif"),
    ],
)
def test_with_values__bare_means_the_default(typed: str, read: str) -> None:
    words = typed.split()
    assert with_values(words) == read.split()
    assert words == typed.split()


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("--overlay vide", "video"), ("clip.mp4 --overlay giff --soft", "gif"), ("--cutout Prores", "prores")],
)
def test_with_values__mistyped(typed: str, meant: str) -> None:
    with pytest.raises(UsageError, match=f"is not known. Did you mean {meant}?"):
        with_values(typed.split())


def test_with_values__a_video_called_nearly_as_a_value() -> None:
    Path("videos").mkdir()
    assert with_values(["--overlay", "videos"]) == ["--overlay", "video", "videos"]
