"""``--overlay`` with and without a word, wherever it stands."""

import pytest

from sfc_cli.commands.propagate_options import with_values


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("", ""),
        ("--data davis", "--data davis"),
        ("--overlay", "--overlay video"),
        ("--overlay --cutout", "--overlay video --cutout"),
        ("--cutout --overlay", "--cutout --overlay video"),
        ("--overlay -o out", "--overlay video -o out"),
        ("--overlay frames", "--overlay frames"),
        ("--overlay gif --cutout", "--overlay gif --cutout"),
        ("--overlay video clip.mp4", "--overlay video clip.mp4"),
        ("--overlay=gif", "--overlay=gif"),
        ("--overlay clip.mp4 --mask a.png", "--overlay video clip.mp4 --mask a.png"),
        ("--overlay -- gif", "--overlay video -- gif"),
        ("-- --overlay", "-- --overlay"),
        ("--overlay --overlay gif", "--overlay video --overlay gif"),
    ],
)
def test_with_values__bare_means_video(typed: str, read: str) -> None:
    words = typed.split()
    assert with_values(words) == read.split()
    assert words == typed.split()
