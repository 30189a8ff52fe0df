"""What is written for annotation tools is read as the same masks again."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sfc_cli.conversion import convert_masks
from sfc_cli.data.annotations.shapes import Polygons
from sfc_cli.data.annotations.tracing import trace
from sfc_cli.data.masks import Ids, write_mask
from tests.conversion.conftest import masks_below, require_same


def _ids(number: int) -> Ids:
    """Return object 2 in two parts, one with a hole, object 5, which comes late, and void."""
    ids = np.zeros((24, 40), np.uint8)
    cv2.circle(ids, (10 + number, 10), 8, 2, -1)
    cv2.circle(ids, (11 + number, 9), 3, 0, -1)
    ids[20:22, 1:4] = 2
    if number:
        cv2.ellipse(ids, (30, 14), (6, 3), 30, 0, 360, 5, -1)
    ids[23] = 255
    return ids


def _expected() -> dict[str, Ids]:
    return {
        f"{sequence}/{number:05d}": np.where(_ids(number) == 255, 0, _ids(number)).astype(np.uint8)
        for sequence in ("run", "walk")
        for number in range(3)
    }


@pytest.fixture
def results() -> Path:
    for sequence in ("run", "walk"):
        for number in range(3):
            write_mask(Path("in") / sequence / f"{number:05d}.png", _ids(number))
    return Path("in")


@pytest.mark.parametrize(
    ("to", "name"),
    [
        ("yolo", "out"),
        ("labelme", "out"),
        ("objects", "out"),
        ("youtube-vis", "out.json"),
        ("coco", "out.json"),
    ],
)
def test_convert_masks__there_and_back(results: Path, to: Any, name: str) -> None:
    if to in {"youtube-vis", "coco"}:
        pytest.importorskip("pycocotools")
    convert_masks(results, Path(name), to=to)
    convert_masks(Path(name), Path("back"), size=(24, 40))
    require_same(masks_below(Path("back")), _expected())


def test_yolo__shares_and_classes(results: Path) -> None:
    convert_masks(results, Path("out"), to="yolo")
    lines = Path("out/walk/00001.txt").read_text().splitlines()
    assert [line.split()[0] for line in lines] == ["1", "1", "4"]
    assert all(0 <= float(share) <= 1 for line in lines for share in line.split()[1:])
    assert Path("out/classes.txt").read_text().splitlines() == [f"object {n}" for n in range(1, 6)]


def test_labelme__groups_and_size(results: Path) -> None:
    convert_masks(results, Path("out"), to="labelme")
    content = json.loads(Path("out/run/00002.json").read_text())
    assert (content["imageHeight"], content["imageWidth"], content["imagePath"]) == (24, 40, "00002.jpg")
    assert [shape["group_id"] for shape in content["shapes"]] == [2, 2, 5]


def test_objects__are_black_where_they_are_absent(results: Path) -> None:
    convert_masks(results, Path("out"), to="objects")
    found = sorted(path.relative_to("out").as_posix() for path in Path("out").rglob("*.png"))
    assert len(found) == 12
    assert found[3] == "run/005/00000.png"
    assert not cv2.imread("out/run/005/00000.png").any()


def test_youtube_vis__one_annotation_an_object(results: Path) -> None:
    pytest.importorskip("pycocotools")
    convert_masks(results, Path("out.json"), to="youtube-vis")
    content = json.loads(Path("out.json").read_text())
    assert [video["file_names"][0] for video in content["videos"]] == ["run/00000.jpg", "walk/00000.jpg"]
    assert [(one["id"], one["video_id"], one["track_id"]) for one in content["annotations"]] == [
        (1, 1, 2),
        (2, 1, 5),
        (3, 2, 2),
        (4, 2, 5),
    ]
    late = content["annotations"][1]
    assert late["segmentations"][0] is None
    assert late["areas"][1:] == [int((_ids(n) == 5).sum()) for n in (1, 2)]


@settings(max_examples=150, deadline=None)
@given(arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9))))
@example(~np.isin(np.arange(56).reshape(7, 8), (9, 26)))
def test_trace__polygons_fill_the_same_pixels(mask: np.ndarray) -> None:
    polygons = trace(mask)
    drawn = np.zeros_like(mask)
    for corners in polygons:
        drawn |= Polygons([corners.astype(np.float64)]).draw(mask.shape)
    np.testing.assert_array_equal(drawn, mask)
