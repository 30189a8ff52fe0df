from __future__ import annotations

import pytest

from sfc_cli.download.addresses import check_source, drive_id, host_of, page_of
from sfc_cli.errors import InputError


@pytest.mark.parametrize(
    "source", ["https://a.b/c", "http://a/b", "drive:1Ox2-_", "torchvision:ResNet18_Weights.IMAGENET1K_V1"]
)
def test_check_source__known_kinds(source: str) -> None:
    check_source(source, "x")


@pytest.mark.parametrize(
    "source", ["", "a/b", "ftp://a/b", "https:///b", "drive:", "drive:a/b", "torchvision:x"]
)
def test_check_source__refuses(source: str) -> None:
    with pytest.raises(InputError, match="A source is an http"):
        check_source(source, "x")


@pytest.mark.parametrize(
    "source",
    [
        "drive:abc",
        "https://drive.google.com/file/d/abc/view?usp=sharing",
        "https://drive.google.com/uc?id=abc&export=download",
        "https://drive.google.com/open?id=abc",
        "https://drive.usercontent.google.com/download?id=abc",
    ],
)
def test_drive_id__every_way_to_write_it(source: str) -> None:
    assert drive_id(source) == "abc"
    assert page_of(source) == "https://drive.google.com/file/d/abc/view"
    assert host_of(source) == "drive.google.com"


def test_drive_id__other_hosts() -> None:
    assert drive_id("https://example.org/file/d/abc/view") is None
    assert host_of("https://example.org/x") == "example.org"
