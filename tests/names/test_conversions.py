"""No name may lead out of its folder: those in all that is converted."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.names.driving import every_name, needs_odd_files, write_zip
from tests.surroundings import (
    FILE_NAMES,
    FRAMES,
    LAYOUTS,
    LEADING_OUT,
    fill,
    mask,
    masks,
    picture,
    refuse,
    sfc,
    snapshot,
    write,
)


@every_name
def test_convert__names_in_a_list(root: Path, name: str) -> None:
    LAYOUTS["davis"].write(Path("data"), name)
    masks(Path("in/first"))
    for index in range(FRAMES):
        write(Path(f"raw/0_{index}_mask.png"), mask())
    refuse(root, "convert", "raw", "out", "--data", "data")
    refuse(root, "convert", "in", "out.zip", "--to", "zip", "--data", "data")


@pytest.mark.parametrize("name", [*LEADING_OUT, "../../x"], indirect=True)
def test_convert__split_option(root: Path, name: str) -> None:
    data = LAYOUTS["davis"].write(Path("data"))
    if "\0" not in name:
        (data / "ImageSets/2017/a").mkdir()
        write(data / "ImageSets/2017" / f"{name}.txt", "first\n")
    masks(Path("in/first"))
    for index in range(FRAMES):
        write(Path(f"raw/0_{index}_mask.png"), mask())
    refuse(root, "convert", "raw", "out", "--data", "data", "--split", name)
    refuse(root, "convert", "in", "out.zip", "--to", "zip", "--data", "data", "--split", name)


@needs_odd_files
@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize("to", ["davis", "coco", "zip", "overlay"])
@pytest.mark.parametrize("kind", ["sequence", "frame"])
def test_convert__names_in_folders(root: Path, kind: str, to: str, name: str) -> None:
    if to == "coco":
        pytest.importorskip("pycocotools")
    output = {"coco": "out.json", "zip": "out.zip"}.get(to, "out")
    for path, content in (("{}.png", mask()), ("{}.npz", "not read")):
        shutil.rmtree("in", ignore_errors=True)
        write(Path("in", path.format(f"{name}/00000" if kind == "sequence" else f"first/{name}")), content)
        LAYOUTS["davis"].write(Path("data"))
        data = ("--data", "data") if to == "overlay" else ()
        refuse(root, "convert", "in", output, "--to", to, *data)


@needs_odd_files
@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize("layout", ["davis", "youtube-vos"])
def test_convert__names_in_a_data_set(root: Path, layout: str, name: str) -> None:
    below = "480p" if layout == "davis" else ""
    masks(Path("in/first"))
    for frames in (f"first/{name}.jpg", f"{name}/00000.jpg"):
        shutil.rmtree("data", ignore_errors=True)
        write(Path("data/JPEGImages", below, frames), picture(".jpg"))
        write(Path("data/Annotations", below, frames).with_suffix(".png"), mask())
        options = ("--data", "data", "--layout", layout, "--split", "all")
        refuse(root, "convert", "in", "out.zip", "--to", "zip", *options)


@every_name
def test_convert__names_in_a_zip(root: Path, name: str) -> None:
    write_zip(Path("in.zip"), f"{name}/00000.png", f"{name}.png")
    if name != ".":
        refuse(root, "convert", "in.zip", "out")
    write_zip(Path("in.zip"), name + ".png")
    for parent in (Path("out"), Path("in")):
        fill(parent, name, masks)
    before = snapshot(root)
    code, _ = sfc("convert", "in.zip", "out")
    assert code == 3
    assert snapshot(root) == before


@every_name
@pytest.mark.parametrize("field", ["video", "videos", "file_name"])
def test_convert__names_in_coco(root: Path, field: str, name: str) -> None:
    image: dict[str, object] = {"id": 1, "width": 8, "height": 6, "file_name": "first/00000.png"}
    image |= {"video": {"video": name}, "videos": {"video_id": 7}, "file_name": {"file_name": name}}[field]
    segmentation = {"size": [6, 8], "counts": [6, 6, 36]}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation}
    content = {"images": [image], "videos": [{"id": 7, "name": name}], "annotations": [annotation]}
    write(Path("in.json"), json.dumps(content))
    fill(Path("out"), name, masks)
    before = snapshot(root)
    code, said = sfc("convert", "in.json", "out")
    after = snapshot(root)
    # Tools write whole paths: only the last folder and the file name are used.
    assert code == 3 or (code == 0 and field == "file_name"), said
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert all(path.startswith("deep/desk/out") for path in changed)
    if code == 3:
        assert not changed
