"""``sfc convert`` from the outside: masks of every kind in, masks of every kind out."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import Ids, palette, read_ids, write_mask
from tests.commands.conversions import (
    annotations_of,
    convert,
    indexed_otherwise,
    refused_alone,
    require_masks,
    save_all,
    write_raw,
)
from tests.commands.running import files_in, run

MakeDavis = Callable[..., Path]


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("ids", [(1, 2), (1, 4), (3, 20)])
def test_convert__released_scripts_files(make_davis: MakeDavis, swapped: bool, ids: tuple[int, int]) -> None:
    # Eleven frames, so that 10 must not come before 2.
    data = make_davis({"zebra": 11, "ant": 3}, ids=ids)
    write_raw(data, Path("raw"), swapped=swapped)
    result = convert("raw", "out", "--data", data)
    require_masks(Path("out"), annotations_of(data))
    assert result.stdout == "14 masks of 2 sequences: out\n"


def test_convert__brings_masks_to_the_annotations_size(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    write_raw(data, Path("raw"), scale=3)
    convert("raw", "out", "--data", data)
    require_masks(Path("out"), annotations_of(data))


def test_convert__enlarges_without_inventing_ids(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2}, ids=(1, 9))
    small = {name: ids[::2, ::2] for name, ids in annotations_of(data).items()}
    for name, ids in small.items():
        write_mask(Path("in", name), ids)
    convert("in", "out", "--data", data)
    require_masks(Path("out"), {n: ids.repeat(2, axis=0).repeat(2, axis=1) for n, ids in small.items()})


def test_convert__frames_names_come_from_the_data(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    for folder, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        for t in (1, 0):
            path = data / folder / "480p" / "only" / f"{t:05d}.{suffix}"
            path.rename(path.with_stem(f"{10 * t + 5:05d}"))
    write_raw(data, Path("raw"))
    convert("raw", "out", "--data", data)
    assert set(files_in("out")) == {"only/00005.png", "only/00015.png"}


def test_convert__twice_changes_nothing(make_davis: MakeDavis) -> None:
    data = make_davis()
    write_raw(data, Path("raw"))
    convert("raw", "out", "--data", data)
    once = files_in("out")
    convert("out", "again", "--data", data)
    assert files_in("again") == once
    convert("again", "without-data")
    assert files_in("without-data") == once
    convert("raw", "out", "--data", data)
    assert files_in("out") == once


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda ids: Image.fromarray(ids), id="grey"),
        pytest.param(indexed_otherwise, id="indexed"),
        pytest.param(lambda ids: Image.fromarray(palette()[ids]), id="rgb"),
        pytest.param(lambda ids: Image.fromarray(palette()[ids]).convert("RGBA"), id="rgba"),
    ],
)
@pytest.mark.parametrize("with_data", [False, True])
def test_convert__folders_of_sequences(
    make_davis: MakeDavis, make: Callable[[Ids], Image.Image], with_data: bool
) -> None:
    data = make_davis()
    save_all(data, make)
    convert("in", "out", *(("--data", data) if with_data else ()))
    require_masks(Path("out"), annotations_of(data))


def test_convert__grey_0_and_255_is_one_object(make_davis: MakeDavis) -> None:
    data = make_davis(ids=(1,))
    save_all(data, lambda ids: Image.fromarray(ids * 255))
    convert("in", "out")
    require_masks(Path("out"), annotations_of(data))


def test_convert__grey_255_beside_ids_is_void() -> None:
    ids = np.zeros((9, 9), np.uint8)
    ids[:4, :4], ids[5:, 5:] = 3, 255
    Path("in/s").mkdir(parents=True)
    Image.fromarray(ids).save("in/s/00000.png")
    Image.fromarray(np.where(ids == 3, 0, ids).astype(np.uint8)).save("in/s/00001.png")
    convert("in", "out")
    assert np.unique(read_ids(Path("out/s/00000.png"))).tolist() == [0, 3, 255]
    assert np.unique(read_ids(Path("out/s/00001.png"))).tolist() == [0, 255]


def test_convert__grey_with_soft_edges() -> None:
    disk = cv2.circle(np.zeros((40, 40), np.uint8), (20, 20), 12, 255, -1)
    Path("in/s").mkdir(parents=True)
    for t in range(3):
        Image.fromarray(cv2.GaussianBlur(disk, (0, 0), 2)).save(f"in/s/0000{t}.png")
    result = convert("in", "out")
    assert np.count_nonzero(read_ids(Path("out/s/00000.png")) != disk // 255) < 20
    # Once for all masks.
    assert result.stderr.startswith("warning: s/00000.png: ")
    assert result.stderr.endswith("of soft edges went to the nearest clean colour. (And so for 2 more.)\n")
    assert result.stderr.count("\n") == 1


def test_convert__any_flat_colours() -> None:
    ids = np.zeros((9, 9), np.uint8)
    ids[:4, :5], ids[6:, :2] = 1, 2
    colours = np.array([(0, 0, 0), (255, 0, 0), (250, 200, 10)], np.uint8)
    Path("in/s").mkdir(parents=True)
    Image.fromarray(colours[ids]).save("in/s/00000.png")
    result = convert("in", "out")
    np.testing.assert_array_equal(read_ids(Path("out/s/00000.png")), ids)
    assert result.stderr == (
        "warning: The colours of s were numbered: 1 is (255, 0, 0), 2 is (250, 200, 10).\n"
    )


def test_convert__flat_folder_without_data(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    Path("in").mkdir()
    for path in (data / "Annotations" / "480p" / "only").glob("*.png"):
        Image.fromarray(palette()[read_ids(path)]).save(Path("in") / path.name)
    convert("in", "out")
    require_masks(Path("out"), {name.split("/")[1]: ids for name, ids in annotations_of(data).items()})
    refused_alone(run("convert", "in", "other", "--data", data), 2, "folder named after their sequence")


def test_convert__overlay(make_davis: MakeDavis) -> None:
    data = make_davis()
    write_raw(data, Path("raw"))
    convert("raw", "out", "--data", data, "--to", "overlay")
    assert set(files_in("out")) == {name.replace(".png", ".jpg") for name in annotations_of(data)}
    for name, ids in annotations_of(data).items():
        picture = cv2.imread(str(Path("out", name).with_suffix(".jpg"))).astype(int)
        frame = cv2.imread(str((data / "JPEGImages" / "480p" / name).with_suffix(".jpg"))).astype(int)
        assert picture.shape == frame.shape
        changed = np.abs(picture - frame).max(-1)
        assert changed[ids != 0].mean() > 3 * changed[ids == 0].mean(), name


def test_convert__results_with_a_record_and_overlays_beside_them(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    write_mask(Path("in/only/00000.png"), np.ones((48, 64), np.uint8))
    Path("in/run.json").write_text("{}")
    Path("in/overlay/only").mkdir(parents=True)
    Path("in/overlay/only/00000.jpg").write_bytes(b"")
    Path("in/only/.00001.png.7.part").write_bytes(b"")
    convert("in", "out", "--data", data)
    assert set(files_in("out")) == {"only/00000.png"}


def test_convert__data_is_only_read(make_davis: MakeDavis) -> None:
    data = make_davis()
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    write_raw(data, Path("raw"))
    for to in ("davis", "overlay"):
        convert("raw", to, "--data", data, "--to", to)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_convert__raw_masks_without_a_whole_video(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 2, "c": 2})
    write_raw(data, Path("raw"))
    for path in [*Path("raw").glob("0_*"), *Path("raw").glob("2_*")]:
        path.unlink()
    result = convert("raw", "out", "--data", data)
    assert result.stderr == "warning: 2 of the split's 3 sequences have no mask: a, c.\n"
    assert result.stdout == "2 masks of 1 sequence: out\n"


def test_convert__to_coco_and_back(make_davis: MakeDavis) -> None:
    pytest.importorskip("pycocotools")
    data = make_davis()
    save_all(data, indexed_otherwise)
    result = convert("in", "masks.json", "--to", "coco")
    assert (result.stdout, result.stderr) == ("7 masks of 2 sequences: masks.json\n", "")
    convert("masks.json", "out")
    require_masks(Path("out"), annotations_of(data))
    refused_alone(
        run("convert", "in", "out", "--to", "coco"), 2, "--to coco writes a file, and out is a folder"
    )


def test_convert__to_yolo_and_back_needs_the_pictures_size(make_davis: MakeDavis) -> None:
    data = make_davis()
    save_all(data, indexed_otherwise)
    convert("in", "labels", "--to", "yolo")
    refused_alone(run("convert", "labels", "out"), 3, "how large", "--size, such as 1920x1080")
    refused_alone(run("convert", "labels", "out", "--size", "wide"), 2, "--size wide is not a size")
    height, width = next(iter(annotations_of(data).values())).shape
    convert("labels", "out", "--size", f"{width}x{height}")
    require_masks(Path("out"), annotations_of(data))


def test_convert__to_a_submission(make_davis: MakeDavis) -> None:
    data = make_davis()
    save_all(data, indexed_otherwise)
    result = convert("in", "out.zip", "--to", "zip", "--data", data)
    assert (result.stdout, result.stderr) == ("7 masks of 2 sequences: out.zip\n", "")
    convert("out.zip", "out")
    require_masks(Path("out"), annotations_of(data))
    # YouTube-VOS has no folder for the resolution.
    for folder in ("JPEGImages", "Annotations"):
        (data / folder / "480p" / "first").rename(data / folder / "first")
        (data / folder / "480p" / "second").rename(data / folder / "second")
        (data / folder / "480p").rmdir()
    convert("in", "out.zip", "--to", "zip", "--data", data, "--layout", "youtube-vos")
    with zipfile.ZipFile("out.zip") as archive:
        assert {Path(name).parts[0] for name in archive.namelist()} == {"Annotations"}
    Path("in/second/00001.png").unlink()
    refused_alone(
        run("convert", "in", "out.zip", "--to", "zip", "--data", data, "--layout", "youtube-vos"),
        3,
        "1 of 3 frames of second",
        "in/second/00001.png",
    )


def test_convert__a_submission_to_the_server_that_the_data_set_is_named_after(make_davis: MakeDavis) -> None:
    data, expected = make_davis(), {}
    for kind in ("JPEGImages", "Annotations"):
        Path("youtube-vos/valid").mkdir(parents=True, exist_ok=True)
        (data / kind / "480p").rename(Path("youtube-vos/valid") / kind)
    for path in Path("youtube-vos/valid/Annotations").rglob("*.png"):
        write_mask(Path("in", path.parent.name, path.name), read_ids(path))
        expected[f"{path.parent.name}/{path.name}"] = read_ids(path)
    for options, top in (((), "Annotations/"), (("--layout", "mose"), "")):
        convert("in", "out.zip", "--to", "zip", "--data", "youtube-vos", *options)
        with zipfile.ZipFile("out.zip") as archive:
            assert set(archive.namelist()) == {top + name for name in expected}
    convert("in", "pictures", "--to", "overlay", "--data", "youtube-vos/valid")
    assert len(files_in("pictures")) == len(expected)
    refused_alone(
        run("convert", "in", "x.zip", "--to", "zip", "--data", "youtube-vos", "--split", "test"), 3, "valid"
    )


def test_convert__released_masks_of_frames_without_padding(make_davis: MakeDavis) -> None:
    data = make_davis({"first": 12})
    for path in [*data.rglob("*.jpg"), *data.rglob("*.png")]:
        path.rename(path.with_stem(str(int(path.stem))))
    for t in range(12):
        write_mask(Path(f"raw/0_{t}_mask.png"), np.full((6, 8), t, np.uint8))
    convert("raw", "out", "--data", data)
    assert {path.stem: int(read_ids(path)[0, 0]) for path in Path("out/first").glob("*.png")} == {
        str(t): t for t in range(12)
    }
