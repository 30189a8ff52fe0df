"""The same two objects as every tool stores them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.annotations.annotation_files import open_annotation_folder, open_annotations
from sfc_cli.data.annotations.shapes import Annotations, number_shapes
from sfc_cli.data.masks import Ids
from sfc_cli.errors import InputError

HEIGHT, WIDTH = 20, 30
# Left, top, right and bottom of two objects, in pixels; both ends belong to them.
BOXES = {1: (2, 3, 9, 12), 2: (15, 5, 25, 15)}


class Notes:
    """Keeps remarks."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def add(self, sentence: str) -> None:
        self.said.append(sentence)

    def add_of_mask(self, mask: str, sentence: str) -> None:
        self.said.append(f"{mask}: {sentence}")


def truth() -> Ids:
    ids = np.zeros((HEIGHT, WIDTH), np.uint8)
    for identity, (left, top, right, bottom) in BOXES.items():
        ids[top : bottom + 1, left : right + 1] = identity
    return ids


def corners(identity: int) -> list[list[float]]:
    left, top, right, bottom = BOXES[identity]
    return [[left, top], [right, top], [right, bottom], [left, bottom]]


def counts(identity: int) -> list[int]:
    """Return an object's runs down the columns, as COCO has them."""
    flat = (truth() == identity).T.ravel()
    ends = np.flatnonzero(np.diff(np.concatenate([[0], flat, [0]]).astype(np.int8)))
    return np.diff([0, *ends, flat.size]).tolist()


def drawn(found: Annotations, notes: Notes) -> dict[str, Ids]:
    images: dict[str, list[Any]] = {}
    for image in found.images:
        images.setdefault(image.sequence, []).append(image)
    masks = {}
    for members in images.values():
        numbered = number_shapes(members, found.path, found.naming, notes)
        masks.update({image.name: image.draw(numbered.ids, (HEIGHT, WIDTH)) for image in members})
    return masks


def read(path: Path) -> tuple[dict[str, Ids], list[str]]:
    notes = Notes()
    found = open_annotation_folder(path, notes) if path.is_dir() else open_annotations(path, notes)
    assert found is not None
    return drawn(found, notes), notes.said


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def labelme(path: Path) -> Path:
    shapes = [{"label": "car", "group_id": n, "shape_type": "polygon", "points": corners(n)} for n in (1, 2)]
    return write_json(path, {"shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH})


def labelme_masks(path: Path) -> Path:
    shapes = []
    for number, (left, top, right, bottom) in BOXES.items():
        buffer = io.BytesIO()
        Image.new("L", (right - left + 1, bottom - top + 1), 255).save(buffer, format="PNG")
        points = [[left, top], [right, bottom]]
        mask = base64.b64encode(buffer.getvalue()).decode()
        shapes.append(
            {
                "label": f"thing {number}",
                "shape_type": "mask",
                "points": points,
                "mask": mask,
                "group_id": None,
            }
        )
    return write_json(path, {"shapes": shapes, "imageHeight": HEIGHT, "imageWidth": WIDTH})


def cvat_images(path: Path) -> Path:
    shapes = []
    for number, (left, top, right, bottom) in BOXES.items():
        width, height = right - left + 1, bottom - top + 1
        points = ";".join(f"{x}.0,{y}.0" for x, y in corners(number))
        shapes.append(
            f'<polygon label="car" points="{points}" z_order="0" group_id="{number}"/>'
            if number == 1
            else f'<mask label="car" rle="0, {width * height}" left="{left}" top="{top}" width="{width}" '
            f'height="{height}" z_order="0"><attribute name="track_id">2</attribute></mask>'
        )
    path.write_text(
        f'<annotations><version>1.1</version><image id="0" name="a/00004.png" width="{WIDTH}" '
        f'height="{HEIGHT}">{"".join(shapes)}<box label="car" xtl="1" ytl="1" xbr="3" ybr="3"/></image>'
        "</annotations>"
    )
    return path


def cvat_tracks(path: Path) -> Path:
    tracks = []
    for number in BOXES:
        points = ";".join(f"{x},{y}" for x, y in corners(number))
        tracks.append(
            f'<track id="{number - 1}" label="car"><polygon frame="4" outside="0" points="{points}"/>'
            f'<polygon frame="5" outside="1" points="{points}"/></track>'
        )
    size = f"<original_size><width>{WIDTH}</width><height>{HEIGHT}</height></original_size>"
    path.write_text(f"<annotations><meta><task>{size}</task></meta>{''.join(tracks)}</annotations>")
    return path


def yolo(path: Path) -> Path:
    lines = [
        " ".join([str(n - 1), *(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners(n))]) for n in (1, 2)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def yolo_tracks(path: Path) -> Path:
    lines = [
        " ".join(["0", *(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in corners(n)), str(n + 4)])
        for n in (1, 2)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def via(path: Path) -> Path:
    regions = []
    for number in BOXES:
        xs, ys = zip(*corners(number), strict=True)
        shape = {"name": "polygon", "all_points_x": xs, "all_points_y": ys}
        regions.append({"shape_attributes": shape, "region_attributes": {"label": "car", "id": str(number)}})
    image = {"filename": "00004.jpg", "size": 1, "regions": regions, "file_attributes": {}}
    return write_json(path, {"_via_img_metadata": {"00004.jpg1": image}, "_via_settings": {}})


def via_export(path: Path) -> Path:
    regions = {}
    for number, (left, top, right, bottom) in BOXES.items():
        shape = {"name": "rect", "x": left, "y": top, "width": right - left, "height": bottom - top}
        regions[str(number - 1)] = {"shape_attributes": shape, "region_attributes": {"name": f"o{number}"}}
    return write_json(path, {"00004.jpg1": {"filename": "00004.jpg", "size": 1, "regions": regions}})


def via_3(path: Path, seconds: Sequence[float] = (), *, boxes: bool = False) -> Path:
    metadata = {}
    for number, (left, top, right, bottom) in BOXES.items():
        polygon = [7, *(value for corner in corners(number) for value in corner)]
        box = [2, left, top, right - left, bottom - top]
        extremes = [8, left, top + 1, right - 1, top, right, bottom - 1, left + 1, bottom]
        of_boxes = box if number == 1 else extremes
        metadata[f"1_{number}"] = {
            "vid": "1",
            "z": list(seconds),
            "xy": of_boxes if boxes else polygon,
            "av": {"1": str(number), "2": "0"},
        }
    metadata["1_point"] = {"vid": "1", "z": [], "xy": [1, 3, 4], "av": {}}
    project = {
        "file": {"9": {"fid": "9", "fname": "00004.jpg", "type": 2}},
        "view": {"1": {"fid_list": ["9"]}},
        "attribute": {"1": {"aname": "id"}, "2": {"aname": "label", "options": {"0": "car"}}},
    }
    return write_json(path, {**project, "metadata": metadata})


def test_open_annotations__via_3_says_what_it_left_out(tmp_path: Path) -> None:
    _, said = read(via_3(tmp_path / "v.json"))
    assert any("a point was left out" in line for line in said)
    with pytest.raises(InputError, match="VIA project of a video"):
        read(via_3(tmp_path / "v.json", [1.5]))


def youtube_vis(path: Path) -> Path:
    video = {"id": 3, "width": WIDTH, "height": HEIGHT, "file_names": ["a/00004.jpg", "a/00005.jpg"]}
    annotations = [
        {
            "id": n,
            "video_id": 3,
            "category_id": 1,
            "segmentations": [{"size": [HEIGHT, WIDTH], "counts": counts(n)}, None],
        }
        for n in (1, 2)
    ]
    return write_json(path, {"videos": [video], "annotations": annotations, "categories": []})


def sa_1b(path: Path) -> Path:
    image = {"image_id": 7, "width": WIDTH, "height": HEIGHT, "file_name": "sa_7.jpg"}
    whole = {"id": 900000003, "area": 600, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 600]}}
    annotations = [
        {"id": 900000000 + n, "area": 100 - n, "segmentation": {"size": [HEIGHT, WIDTH], "counts": counts(n)}}
        for n in (1, 2)
    ]
    return write_json(path, {"image": image, "annotations": [*annotations, whole]})


def ids_array(path: Path) -> Path:
    np.save(path, truth().astype(np.int64))
    return path


def masks_array(path: Path) -> Path:
    np.savez(path, masks=np.stack([truth() == 1, truth() == 2]))
    return path


FORMS: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "labelme": ("00004.json", labelme),
    "labelme-masks": ("00004.json", labelme_masks),
    "cvat-images": ("c.xml", cvat_images),
    "cvat-tracks": ("c.xml", cvat_tracks),
    "yolo": ("00004.txt", yolo),
    "yolo-tracks": ("00004.txt", yolo_tracks),
    "via": ("v.json", via),
    "via-export": ("v.json", via_export),
    "via-3": ("v.json", via_3),
    "via-3-boxes": ("v.json", partial(via_3, boxes=True)),
    "youtube-vis": ("y.json", youtube_vis),
    "ids": ("00004.npy", ids_array),
    "masks": ("00004.npz", masks_array),
}


@pytest.mark.parametrize("form", FORMS)
def test_open_annotations__every_form(tmp_path: Path, form: str) -> None:
    name, write = FORMS[form]
    masks, _ = read(write(tmp_path / name))
    found = {name.rsplit("/")[-1].replace("frame_0", ""): mask for name, mask in masks.items()}
    mask = found["00004"]
    expected = np.where(truth() > 0, truth() + 4, 0) if form == "yolo-tracks" else truth()
    np.testing.assert_array_equal(mask, expected)


def test_open_annotations__sa_1b_draws_the_smaller_on_top(tmp_path: Path) -> None:
    masks, said = read(sa_1b(tmp_path / "sa_7.json"))
    np.testing.assert_array_equal(masks["sa_7"], np.where(truth() == 0, 3, truth()))
    assert any("numbered from 1 to 3" in line for line in said)
    assert any("smaller one is on top" in line for line in said)


def test_open_annotations__absent_objects(tmp_path: Path) -> None:
    masks, _ = read(youtube_vis(tmp_path / "y.json"))
    assert not masks["a/00005"].any()
    masks, _ = read(cvat_tracks(tmp_path / "c.xml"))
    assert set(masks) == {"frame_000004"}


def test_open_annotations__what_has_no_area_is_told(tmp_path: Path) -> None:
    _, said = read(cvat_images(tmp_path / "c.xml"))
    assert "00004.png: A box was left out: it has no area of its own." in said
    (tmp_path / "b.txt").write_text("0 0.5 0.5 0.2 0.2\n")
    masks, said = read(tmp_path / "b.txt")
    assert not masks["b"].any()
    assert said == ["b.txt: A box was left out: it has no area of its own."]


def test_labelme__one_group_of_two_labels_is_two_objects(tmp_path: Path) -> None:
    path = labelme(tmp_path / "00004.json")
    content = json.loads(path.read_text())
    for shape, label in zip(content["shapes"], ("car", "person"), strict=True):
        shape.update(label=label, group_id=1)
    masks, said = read(write_json(path, content))
    np.testing.assert_array_equal(masks["00004"], truth())
    assert any("numbered" in line for line in said)


def test_number_shapes__some_without_a_track(tmp_path: Path) -> None:
    images = [{"id": n, "file_name": f"{n}.jpg", "height": HEIGHT, "width": WIDTH} for n in (1, 2)]
    annotations = []
    for image in (1, 2):
        # In the second image the order is the other one.
        for number in (1, 2) if image == 1 else (2, 1):
            entry = {"id": len(annotations) + 1, "image_id": image, "category_id": 1}
            entry["segmentation"] = {"size": [HEIGHT, WIDTH], "counts": counts(number)}
            annotations.append(entry | ({"attributes": {"track_id": 0}} if number == 1 else {}))
    masks, said = read(write_json(tmp_path / "c.json", {"images": images, "annotations": annotations}))
    np.testing.assert_array_equal(masks["1"], truth())
    np.testing.assert_array_equal(masks["2"], truth())
    assert any("Some shapes have no track_id" in line for line in said)


def test_arrays__frames_and_objects(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.stack([truth(), truth() * 0, truth()]))
    masks, said = read(tmp_path / "t.npy")
    assert sorted(masks) == ["00000", "00001", "00002"]
    np.testing.assert_array_equal(masks["00002"], truth())
    assert "3 arrays are frames" in said[0]
    np.savez(tmp_path / "n.npz", a=truth(), b=truth())
    assert sorted(read(tmp_path / "n.npz")[0]) == ["a", "b"]
    np.save(tmp_path / "tk.npy", np.stack([truth() == 1, truth() == 2])[None])
    np.testing.assert_array_equal(read(tmp_path / "tk.npy")[0]["00000"], truth())
    np.save(tmp_path / "f.npy", (truth() == 1).astype(np.float32) * 0.9)
    np.testing.assert_array_equal(read(tmp_path / "f.npy")[0]["f"], truth() == 1)


def test_folders__of_files_and_of_objects(tmp_path: Path) -> None:
    for name in ("00004", "00005"):
        labelme(tmp_path / "l" / "walk" / f"{name}.json")
    masks, _ = read(tmp_path / "l")
    assert set(masks) == {"walk/00004", "walk/00005"}
    for number in (1, 2):
        folder = tmp_path / "o" / "walk" / f"00{number}"
        folder.mkdir(parents=True)
        Image.fromarray((truth() == number) * np.uint8(255)).save(folder / "00004.png")
    masks, said = read(tmp_path / "o")
    np.testing.assert_array_equal(masks["walk/00004"], truth())
    assert "Each folder is an object" in said[0]
    labels = tmp_path / "y" / "labels"
    labels.mkdir(parents=True)
    yolo(labels / "00004.txt")
    (tmp_path / "y" / "classes.txt").write_text("car\n")
    np.testing.assert_array_equal(read(tmp_path / "y")[0]["00004"], truth())


def test_folders__of_a_data_set_are_not_objects(tmp_path: Path) -> None:
    for sequence in ("a", "b"):
        folder = tmp_path / "Annotations" / sequence
        folder.mkdir(parents=True)
        Image.fromarray(truth()).save(folder / "00000.png")
    assert open_annotation_folder(tmp_path, Notes()) is None


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("m.json", '{"_via_img_metadata": {}}', "No images in"),
        ("m.json", '{"shapes": [{}], "imageHeight": 9, "imageWidth": 9}', "Shape 1 of .* is damaged"),
        ("m.json", '{"shapes": [], "imageWidth": 9}', "no size"),
        ("m.json", '{"videos": [{"id": 1, "file_names": [], "width": 9, "height": 9}]}', "No frames in"),
        ("m.json", '{"image": {"width": 0, "height": 4}, "annotations": []}', "no size"),
        ("m.xml", "<annotations>", "cannot be read as XML"),
        ("m.xml", '<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "declares a document type"),
        ("m.xml", "<html/>", "not a CVAT file"),
        ("m.xml", "<annotations/>", "No images in"),
        ("m.xml", '<annotations><image id="0" name="../x.png" width="4" height="4"/></annotations>', None),
        ("m.xml", '<annotations><image id="0" name=".." width="4" height="4"/></annotations>', "refused"),
        ("m.txt", "a b c", "Line 1 of .* is not a YOLO label"),
        ("m.txt", "0.5 0 0 1 1 1 0", "not a YOLO label"),
        ("m.npy", "text", "cannot be read as a NumPy array"),
    ],
)
def test_open_annotations__damaged(tmp_path: Path, name: str, content: str, said: str | None) -> None:
    (tmp_path / name).write_text(content)
    if said is None:
        with pytest.raises(InputError, match="refused"):
            open_annotations(tmp_path / name, Notes())
        return
    with pytest.raises(InputError, match=said) as caught:
        open_annotations(tmp_path / name, Notes())
    assert name in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(
    ("points", "said"),
    [
        ([[0, 0], [1, 1]], "three or more"),
        ([[0, 0], [1e9, 0], [0, 1]], "far outside"),
        ([[0, 0], [None, 0], [0, 1]], "no numbers"),
    ],
)
def test_draw__damaged_polygons(tmp_path: Path, points: list[Any], said: str) -> None:
    shape = {"label": "a", "shape_type": "polygon", "points": points}
    write_json(tmp_path / "m.json", {"shapes": [shape], "imageHeight": 9, "imageWidth": 9})
    with pytest.raises(InputError, match=f"Shape 1 of .*{said}"):
        read(tmp_path / "m.json")
