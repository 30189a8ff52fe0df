"""The bundled golden data: small, whole, and unchanged where the whole golden data is at hand."""

import pytest

from tests.conftest import BUNDLED, SHARED

MOST_BYTES = 12_000_000
# Shorter than in the whole data, since they list or summarise what was bundled.
CUT = ("README.md", "evaluation/davis/ImageSets/2017/val.txt", "evaluation/expected.json")
CUT += ("videos/fc/davis/ImageSets/2017/val.txt",)
FILES = sorted(path.relative_to(BUNDLED).as_posix() for path in BUNDLED.rglob("*") if path.is_file())


def test_bundle__stays_small() -> None:
    assert sum((BUNDLED / name).stat().st_size for name in FILES) <= MOST_BYTES


@pytest.mark.parametrize("case", ["fc", "fc-480p", "sfc"])
def test_bundle__has_a_mask_for_every_frame_but_the_first(case: str) -> None:
    folder = BUNDLED / "videos" / case
    frames = sorted((folder / "davis" / "JPEGImages" / "480p").glob("*/*.jpg"))
    masks = sorted((folder / "expected").glob("*/*.png"))
    assert len(masks) >= 2
    assert [path.stem for path in masks] == [path.stem for path in frames][1:]


def test_bundle__has_a_result_for_every_annotation() -> None:
    annotations, results = (
        sorted(path.relative_to(BUNDLED / folder) for path in (BUNDLED / folder).glob("*/*.png"))
        for folder in ("evaluation/davis/Annotations/480p", "evaluation/results")
    )
    assert len(annotations) == 149  # 50 of kite-surf and 99 of soapbox: J-Decay needs all frames
    assert results == annotations


@pytest.mark.golden
def test_bundle__equals_the_whole_golden_data() -> None:
    if not (SHARED / "golden").is_dir():
        pytest.skip("the whole golden data (../shared/golden) is not here to compare with")
    changed = [
        name
        for name in FILES
        if name not in CUT and (BUNDLED / name).read_bytes() != (SHARED / "golden" / name).read_bytes()
    ]
    assert not changed
