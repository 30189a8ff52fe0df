import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sfc_cli.conversion import convert_masks
from sfc_cli.data.masks import Ids
from sfc_cli.errors import InputError, UsageError
from tests.conversion.conftest import masks_below, require_same

pytest.importorskip("pycocotools")


def _image(identity: int, name: str = "s/00000.jpg", **fields: Any) -> dict[str, Any]:
    return {"id": identity, "file_name": name, "width": 8, "height": 6, **fields}


def _annotation(identity: int, image: int, segmentation: Any = None, **fields: Any) -> dict[str, Any]:
    box = segmentation or {"size": [6, 8], "counts": [6 * identity, 6, 48 - 6 * identity - 6]}
    return {"id": identity, "image_id": image, "category_id": 1, "segmentation": box, **fields}


def _write(images: list[dict[str, Any]], annotations: list[dict[str, Any]], **fields: Any) -> None:
    Path("in.json").write_text(json.dumps({"images": images, "annotations": annotations, **fields}))


def _columns(*ids: int) -> Ids:
    """Return a mask whose columns from the second on hold these ids, as `_annotation` paints them."""
    mask = np.zeros((6, 8), np.uint8)
    mask[:, 1 : 1 + len(ids)] = ids
    return mask


def _convert() -> tuple[str, ...]:
    return convert_masks(Path("in.json"), Path("out")).remarks


def test_read_coco__polygons_and_plain_counts() -> None:
    square = [[2, 1, 6, 1, 6, 5, 2, 5]]
    _write([_image(4)], [_annotation(1, 4, track_id=2), _annotation(2, 4, square, track_id=5)])
    assert _convert() == ()
    expected = _columns(2)
    expected[1:5, 2:6] = 5
    require_same(masks_below(Path("out")), {"s/00000": expected})


def test_read_coco__polygons_need_pycocotools(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    _write([_image(1)], [_annotation(1, 1, [[0, 0, 3, 0, 3, 3]], track_id=1)])
    with pytest.raises(UsageError, match="polygon needs pycocotools"):
        _convert()


def test_read_coco__later_annotations_are_on_top() -> None:
    whole = {"size": [6, 8], "counts": [0, 48]}
    _write([_image(1)], [_annotation(7, 1, whole, track_id=1), _annotation(2, 1, track_id=3)])
    _convert()
    assert np.unique(masks_below(Path("out"))["s/00000"][:, 2]).tolist() == [3]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"track_id": 4}, {"track_id": 9}),
        ({"instance_id": 4}, {"instance_id": 9}),
        ({"attributes": {"track_id": 4}}, {"attributes": {"track_id": 9}}),
    ],
)
def test_read_coco__tracks(first: dict[str, Any], second: dict[str, Any]) -> None:
    # CVAT calls all masks crowds.
    _write([_image(1)], [_annotation(1, 1, **first, iscrowd=1), _annotation(2, 1, **second)])
    assert _convert() == ()
    require_same(masks_below(Path("out")), {"s/00000": _columns(4, 9)})


def test_read_coco__tracks_that_can_be_no_ids() -> None:
    # In the numbers' order, not in that of their digits.
    _write([_image(1)], [_annotation(1, 1, track_id=1000), _annotation(2, 1, track_id=999)])
    assert "numbered from 1 to 2" in _convert()[0]
    require_same(masks_below(Path("out")), {"s/00000": _columns(2, 1)})


def test_read_coco__categories_for_objects() -> None:
    images = [_image(1), _image(2, "s/00001.jpg")]
    people = [_annotation(1, 1), _annotation(2, 1), _annotation(3, 2)]
    for annotation, category in zip(people, (30, 10, 10), strict=True):
        annotation["category_id"] = category
    _write(images, people)
    assert "each category was taken for one object" in _convert()[0]
    require_same(masks_below(Path("out")), {"s/00000": _columns(30, 10), "s/00001": _columns(0, 0, 10)})


def test_read_coco__nothing_tells_objects_apart() -> None:
    _write([_image(1), _image(2, "s/00001.jpg")], [_annotation(1, 1), _annotation(2, 1), _annotation(3, 2)])
    assert "may differ between images" in _convert()[0]
    require_same(masks_below(Path("out")), {"s/00000": _columns(1, 2), "s/00001": _columns(0, 0, 1)})


def test_read_coco__sequences() -> None:
    images = [
        _image(1, "a/b/00000.jpg"),
        _image(2, "00001.jpg", video="v"),
        _image(3, "x\\00002.jpg", video_id=5),
        _image(4, "w/00003.jpg"),
    ]
    _write(images, [], videos=[{"id": 5, "name": "named"}])
    _convert()
    assert set(masks_below(Path("out"))) == {"b/00000", "v/00001", "named/00002", "w/00003"}
    assert not masks_below(Path("out"))["b/00000"].any()


def test_read_coco__boxes_are_left_out() -> None:
    boxes: list[dict[str, Any]] = [{"id": n, "image_id": 1, "bbox": [0, 0, 2, 2]} for n in (1, 2)]
    boxes[1]["segmentation"] = []
    _write([_image(1)], boxes)
    assert _convert() == ("Annotation 1: It has no segmentation and was left out. (And so for 1 more.)",)


@pytest.mark.parametrize(
    ("images", "annotations", "said"),
    [
        ([], [], "No images in"),
        ([_image(1), _image(1, "s/00001.jpg")], [], "id twice"),
        ([_image(1), _image(2)], [], "two images for s/00000"),
        ([_image(1, height=0)], [], "no size"),
        ([_image(1, width="8")], [], "no size"),
        ([_image(1, height=10**6, width=10**6)], [], "too large"),
        ([_image(1, "../x.jpg")], [], "refused"),
        ([_image(1, "s/..")], [], "refused"),
        ([_image(1, video="../out")], [], "refused"),
        ([_image(1, video="/etc")], [], "refused"),
        ([_image(1, video=3)], [], "refused"),
        ([_image(1, video="..")], [], "refused"),
        ([_image(1, video="a/b")], [], "refused"),
        ([_image(1, "")], [], "empty file_name"),
        # Half a character, which JSON may hold and no file's name.
        ([_image(1, "s/\ud800.jpg")], [], "refused"),
        ([_image(1)], [_annotation(1, 2)], "for image 2"),
        ([_image(1)], [_annotation(1, 1), _annotation(1, 1)], "the id 1"),
        (
            [_image(1)],
            [_annotation(1, 1, {"size": [6, 8], "counts": [40]})],
            "Annotation 1 .* do not fill 8×6",
        ),
        ([_image(1)], [_annotation(1, 1, {"size": [8, 6], "counts": [48]})], "Annotation 1 .* size"),
        ([_image(1)], [_annotation(n, 1, [[0, 0, 1, 1, 0, 1]]) for n in range(1, 256)], "255 objects"),
        ([_image(1)], [3], "`annotations` is not a list"),
        ([_image(1)], [{"id": 1, "video_id": 1, "segmentations": []}], "YouTube-VIS"),
    ],
)
def test_read_coco__bad_entries(images: list[Any], annotations: list[Any], said: str) -> None:
    _write(images, annotations)
    with pytest.raises(InputError, match=said) as caught:
        _convert()
    assert "in.json" in caught.value.message
    assert not Path("out").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "cannot be read as JSON"),
        ("{", "cannot be read as JSON"),
        ("[" * 100000, "cannot be read as JSON"),
        ("[]", "not a COCO file"),
        ("{}", "no list images and no list annotations"),
        ('{"images": [], "annotations": {}}', "no list annotations"),
        ('{"images": [1], "annotations": []}', "`images` is not a list of objects"),
    ],
)
def test_read_coco__no_coco_file(content: str, said: str) -> None:
    Path("in.json").write_text(content)
    with pytest.raises(InputError, match=said):
        _convert()


def test_read_coco__not_text() -> None:
    Image.new("L", (4, 4)).save("in.png")
    Path("in.png").rename("in.json")
    with pytest.raises(InputError, match="cannot be read as JSON"):
        _convert()
