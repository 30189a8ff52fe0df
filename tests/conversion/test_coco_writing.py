import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfc_cli.conversion import convert_masks
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import Ids, write_mask
from sfc_cli.errors import InputError, UsageError
from tests.conversion.conftest import masks_below, require_same, truth_of

MakeResults = Callable[..., tuple[Path, Path]]

coco_module = pytest.importorskip("pycocotools.coco")


def _read_with_pycocotools(path: Path) -> tuple[Any, dict[str, Ids]]:
    """Return the file and its masks, painted with pycocotools alone."""
    coco = coco_module.COCO(str(path))
    found = {}
    for image in coco.loadImgs(coco.getImgIds()):
        ids = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in coco.loadAnns(coco.getAnnIds(imgIds=image["id"])):
            mask = coco.annToMask(annotation)
            assert not ids[mask == 1].any(), "objects of one mask never overlap"
            ids[mask == 1] = annotation["track_id"]
        found[str(Path(image["file_name"]).with_suffix(""))] = ids
    return coco, found


@pytest.mark.parametrize("ids", [(1, 2), (7, 254)])
def test_coco__every_mask_bit_for_bit(make_results: MakeResults, ids: tuple[int, ...]) -> None:
    # Eleven frames, so that 10 must not come before 2.
    data, results = make_results({"zebra": 11, "ant": 3}, ids=ids)
    done = convert_masks(results, Path("masks.json"), to="coco")
    assert (done.sequences, done.masks, done.remarks) == (2, 14, ())
    coco, found = _read_with_pycocotools(Path("masks.json"))
    require_same(found, truth_of(data))
    for annotation in coco.anns.values():
        mask = coco.annToMask(annotation)
        ys, xs = np.nonzero(mask)
        assert annotation["area"] == mask.sum()
        assert annotation["bbox"] == [xs.min(), ys.min(), np.ptp(xs) + 1, np.ptp(ys) + 1]
        assert annotation["iscrowd"] == 0
        assert isinstance(annotation["segmentation"]["counts"], str)
        assert annotation["video_id"] == coco.imgs[annotation["image_id"]]["video_id"]
    assert [category["name"] for category in coco.cats.values()] == ["object"]
    assert coco.getAnnIds(catIds=[1]) == list(coco.anns)


def test_coco__images_and_videos(make_results: MakeResults) -> None:
    data, results = make_results()
    convert_masks(results, Path("a.json"), to="coco")
    convert_masks(results, Path("b.json"), to="coco", dataset=DavisDataset(root=data))
    plain, named = (json.loads(Path(name).read_text()) for name in ("a.json", "b.json"))
    assert plain["annotations"] == named["annotations"]
    assert [(video["name"], video["length"]) for video in plain["videos"]] == [("first", 4), ("second", 3)]
    assert plain["images"][4] == {
        "id": 5,
        "file_name": "second/00000.png",
        "width": 64,
        "height": 48,
        "video_id": 2,
        "video": "second",
        "frame_index": 0,
    }
    # With the data set the images are the frames themselves.
    assert named["images"][4]["file_name"] == "second/00000.jpg"
    assert [annotation["id"] for annotation in plain["annotations"]] == list(range(1, 15))


def test_coco__absent_objects_and_void_have_no_annotation() -> None:
    mask = np.zeros((9, 9), np.uint8)
    write_mask(Path("in/s/00000.png"), mask)
    mask[:4], mask[6:] = 255, 3
    write_mask(Path("in/s/00001.png"), mask)
    convert_masks(Path("in"), Path("out.json"), to="coco")
    coco, found = _read_with_pycocotools(Path("out.json"))
    assert [(ann["image_id"], ann["track_id"]) for ann in coco.anns.values()] == [(2, 3)]
    np.testing.assert_array_equal(found["s/00001"], np.where(mask == 255, 0, mask))


def test_coco__there_and_back(make_results: MakeResults) -> None:
    data, results = make_results(ids=(3, 9))
    convert_masks(results, Path("out.json"), to="coco")
    done = convert_masks(Path("out.json"), Path("back"))
    assert (done.sequences, done.masks, done.remarks) == (2, 7, ())
    require_same(masks_below(Path("back")), truth_of(data))
    convert_masks(Path("out.json"), Path("again.json"), to="coco")
    assert Path("again.json").read_bytes() == Path("out.json").read_bytes()


def test_coco__flat_folder() -> None:
    write_mask(Path("in/00000.png"), np.ones((4, 5), np.uint8))
    convert_masks(Path("in"), Path("out.json"), to="coco")
    convert_masks(Path("out.json"), Path("back"))
    require_same(masks_below(Path("back")), {"00000": np.ones((4, 5), np.uint8)})


def test_coco__mixed_sizes() -> None:
    # A file of COCO may hold images of any size.
    write_mask(Path("in/s/00000.png"), np.ones((4, 5), np.uint8))
    write_mask(Path("in/t/00000.png"), np.ones((6, 3), np.uint8))
    convert_masks(Path("in"), Path("out.json"), to="coco")
    _, found = _read_with_pycocotools(Path("out.json"))
    assert [ids.shape for ids in found.values()] == [(4, 5), (6, 3)]


def test_coco__whole_or_not_at_all(make_results: MakeResults) -> None:
    _, results = make_results()
    (results / "second" / "00001.png").write_bytes(b"damaged")
    Path("out.json").write_text("kept")
    with pytest.raises(InputError, match="00001"):
        convert_masks(results, Path("out.json"), to="coco")
    assert Path("out.json").read_text() == "kept"
    assert sorted(path.name for path in Path().iterdir()) == ["out.json", "results"]


def test_coco__without_pycocotools(make_results: MakeResults, monkeypatch: pytest.MonkeyPatch) -> None:
    _, results = make_results()
    convert_masks(results, Path("out.json"), to="coco")
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"`to` coco needs pycocotools.*pip install 'sfc-cli\[coco\]'"):
        convert_masks(results, Path("other.json"), to="coco")
    # RLE is read without it.
    convert_masks(Path("out.json"), Path("back"))
