"""``sfc convert`` from the outside."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from sfc_cli.data.masks import Ids, palette, read_ids, write_mask
from sfc_cli.main import app

MakeDavis = Callable[..., Path]


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("SFC_DATA", raising=False)


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, ["convert", *map(str, arguments)])
    assert "Traceback" not in result.output
    return result


def _convert(*arguments: object) -> Result:
    result = _run(*arguments)
    assert result.exit_code == 0, result.output
    return result


def _refuse(result: Result, code: int, *said: object) -> None:
    assert result.exit_code == code, result.output
    assert result.stderr.startswith("error: ")
    assert result.stderr.count("\n") == 1
    for text in said:
        assert str(text) in result.stderr


def _annotations(data: Path) -> dict[str, Ids]:
    root = data / "Annotations" / "480p"
    return {path.relative_to(root).as_posix(): read_ids(path) for path in sorted(root.rglob("*.png"))}


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def _require(folder: Path, expected: dict[str, Ids]) -> None:
    assert set(_files(folder)) == set(expected)
    for name, ids in expected.items():
        with Image.open(folder / name) as image:
            assert image.mode == "P"
            assert image.getpalette() == palette().ravel().tolist()
        np.testing.assert_array_equal(read_ids(folder / name), ids, err_msg=name)


def _write_raw(data: Path, folder: Path, *, swapped: bool = True, scale: int = 1) -> None:
    """Write annotations as the released script writes its masks: by number, in colours."""
    folder.mkdir()
    for video, name in enumerate((data / "ImageSets" / "2017" / "val.txt").read_text().split()):
        for t, path in enumerate(sorted((data / "Annotations" / "480p" / name).glob("*.png"))):
            colours = palette()[read_ids(path)]
            colours = colours.repeat(scale, axis=0).repeat(scale, axis=1)
            # OpenCV takes its input for blue-green-red.
            stored = colours if swapped else colours[..., ::-1]
            cv2.imwrite(str(folder / f"{video}_{t}_mask.png"), stored)


@pytest.mark.parametrize("swapped", [False, True])
@pytest.mark.parametrize("ids", [(1, 2), (1, 4), (3, 20)])
def test_convert__released_scripts_files(make_davis: MakeDavis, swapped: bool, ids: tuple[int, int]) -> None:
    # Eleven frames, so that 10 must not come before 2.
    data = make_davis({"zebra": 11, "ant": 3}, ids=ids)
    _write_raw(data, Path("raw"), swapped=swapped)
    result = _convert("raw", "out", "--data", data)
    _require(Path("out"), _annotations(data))
    assert result.stdout == "14 masks of 2 sequences: out\n"


def test_convert__brings_masks_to_the_annotations_size(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    _write_raw(data, Path("raw"), scale=3)
    _convert("raw", "out", "--data", data)
    _require(Path("out"), _annotations(data))


def test_convert__enlarges_without_inventing_ids(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2}, ids=(1, 9))
    small = {name: ids[::2, ::2] for name, ids in _annotations(data).items()}
    for name, ids in small.items():
        write_mask(Path("in", name), ids)
    _convert("in", "out", "--data", data)
    _require(Path("out"), {n: ids.repeat(2, axis=0).repeat(2, axis=1) for n, ids in small.items()})


def test_convert__frames_names_come_from_the_data(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    for folder, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        for t in (1, 0):
            path = data / folder / "480p" / "only" / f"{t:05d}.{suffix}"
            path.rename(path.with_stem(f"{10 * t + 5:05d}"))
    _write_raw(data, Path("raw"))
    _convert("raw", "out", "--data", data)
    assert set(_files(Path("out"))) == {"only/00005.png", "only/00015.png"}


def test_convert__twice_changes_nothing(make_davis: MakeDavis) -> None:
    data = make_davis()
    _write_raw(data, Path("raw"))
    _convert("raw", "out", "--data", data)
    once = _files(Path("out"))
    _convert("out", "again", "--data", data)
    assert _files(Path("again")) == once
    _convert("again", "without-data")
    assert _files(Path("without-data")) == once
    _convert("raw", "out", "--data", data)
    assert _files(Path("out")) == once


def _save_all(data: Path, make: Callable[[Ids], Image.Image]) -> None:
    for name, ids in _annotations(data).items():
        path = Path("in", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        make(ids).save(path)


def _indexed_otherwise(ids: Ids) -> Image.Image:
    image = Image.fromarray(ids)
    image.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0])
    return image


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(lambda ids: Image.fromarray(ids), id="grey"),
        pytest.param(_indexed_otherwise, id="indexed"),
        pytest.param(lambda ids: Image.fromarray(palette()[ids]), id="rgb"),
        pytest.param(lambda ids: Image.fromarray(palette()[ids]).convert("RGBA"), id="rgba"),
    ],
)
@pytest.mark.parametrize("with_data", [False, True])
def test_convert__folders_of_sequences(
    make_davis: MakeDavis, make: Callable[[Ids], Image.Image], with_data: bool
) -> None:
    data = make_davis()
    _save_all(data, make)
    _convert("in", "out", *(("--data", data) if with_data else ()))
    _require(Path("out"), _annotations(data))


def test_convert__grey_0_and_255_is_one_object(make_davis: MakeDavis) -> None:
    data = make_davis(ids=(1,))
    _save_all(data, lambda ids: Image.fromarray(ids * 255))
    _convert("in", "out")
    _require(Path("out"), _annotations(data))


def test_convert__grey_255_beside_ids_is_void() -> None:
    ids = np.zeros((9, 9), np.uint8)
    ids[:4, :4], ids[5:, 5:] = 3, 255
    Path("in/s").mkdir(parents=True)
    Image.fromarray(ids).save("in/s/00000.png")
    Image.fromarray(np.where(ids == 3, 0, ids).astype(np.uint8)).save("in/s/00001.png")
    _convert("in", "out")
    assert np.unique(read_ids(Path("out/s/00000.png"))).tolist() == [0, 3, 255]
    assert np.unique(read_ids(Path("out/s/00001.png"))).tolist() == [0, 255]


def test_convert__grey_with_soft_edges() -> None:
    disk = cv2.circle(np.zeros((40, 40), np.uint8), (20, 20), 12, 255, -1)
    Path("in/s").mkdir(parents=True)
    for t in range(3):
        Image.fromarray(cv2.GaussianBlur(disk, (0, 0), 2)).save(f"in/s/0000{t}.png")
    result = _convert("in", "out")
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
    result = _convert("in", "out")
    np.testing.assert_array_equal(read_ids(Path("out/s/00000.png")), ids)
    assert result.stderr == (
        "warning: The colours of s were numbered: 1 is (255, 0, 0), 2 is (250, 200, 10).\n"
    )


def test_convert__flat_folder_without_data(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    Path("in").mkdir()
    for path in (data / "Annotations" / "480p" / "only").glob("*.png"):
        Image.fromarray(palette()[read_ids(path)]).save(Path("in") / path.name)
    _convert("in", "out")
    _require(Path("out"), {name.split("/")[1]: ids for name, ids in _annotations(data).items()})
    _refuse(_run("in", "other", "--data", data), 2, "folder named after their sequence")


def test_convert__overlay(make_davis: MakeDavis) -> None:
    data = make_davis()
    _write_raw(data, Path("raw"))
    _convert("raw", "out", "--data", data, "--to", "overlay")
    assert set(_files(Path("out"))) == {name.replace(".png", ".jpg") for name in _annotations(data)}
    for name, ids in _annotations(data).items():
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
    _convert("in", "out", "--data", data)
    assert set(_files(Path("out"))) == {"only/00000.png"}


def test_convert__data_is_only_read(make_davis: MakeDavis) -> None:
    data = make_davis()
    before = {path: path.stat().st_mtime_ns for path in data.rglob("*")}
    _write_raw(data, Path("raw"))
    for to in ("davis", "overlay"):
        _convert("raw", to, "--data", data, "--to", to)
    assert {path: path.stat().st_mtime_ns for path in data.rglob("*")} == before


def test_convert__missing_raw_mask(make_davis: MakeDavis) -> None:
    data = make_davis()
    _write_raw(data, Path("raw"))
    Path("raw/1_2_mask.png").unlink()
    _refuse(_run("raw", "out", "--data", data), 3, "raw/1_2_mask.png", "1 of 3 frames of second")
    assert not Path("out").exists()


def test_convert__raw_masks_without_a_whole_video(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 2, "c": 2})
    _write_raw(data, Path("raw"))
    for path in [*Path("raw").glob("0_*"), *Path("raw").glob("2_*")]:
        path.unlink()
    result = _convert("raw", "out", "--data", data)
    assert result.stderr == "warning: 2 of the split's 3 sequences have no mask: a, c.\n"
    assert result.stdout == "2 masks of 1 sequence: out\n"


def test_convert__raw_masks_of_another_split(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 2})
    _write_raw(data, Path("raw"))
    (data / "ImageSets" / "2017" / "val.txt").write_text("a\n")
    _refuse(_run("raw", "out", "--data", data), 3, "raw/1_0_mask.png", "1 sequence.")
    (data / "ImageSets" / "2017" / "val.txt").write_text("a\nb\n")
    (data / "JPEGImages" / "480p" / "b" / "00001.jpg").unlink()
    _refuse(_run("raw", "out", "--data", data), 3, "raw/1_1_mask.png", "has 1 frames")


def test_convert__raw_masks_need_names(make_davis: MakeDavis) -> None:
    _write_raw(make_davis(), Path("raw"))
    _refuse(_run("raw", "out"), 2, "--data")


def test_convert__overlay_needs_frames(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    _save_all(data, lambda ids: Image.fromarray(ids))
    _refuse(_run("in", "out", "--to", "overlay"), 2, "--data")
    (data / "JPEGImages" / "480p" / "only" / "00001.jpg").unlink()
    _refuse(_run("in", "out", "--to", "overlay", "--data", data), 3, "in/only/00001.png", "No frame 00001")


def test_convert__unknown_colour(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    _save_all(data, lambda ids: Image.fromarray(palette()[ids]))
    colours = np.asarray(Image.open("in/only/00001.png")).copy()
    colours[0, 0] = (1, 2, 3)
    Image.fromarray(colours).save("in/only/00001.png")
    _refuse(_run("in", "out"), 3, "in/only/00001.png", "(1, 2, 3)")
    _refuse(_run("in", "out", "--data", data), 3, "in/only/00001.png", "(1, 2, 3)")


@pytest.mark.parametrize("content", [b"", b"text"])
def test_convert__damaged_mask(make_davis: MakeDavis, content: bytes) -> None:
    data = make_davis()
    _save_all(data, lambda ids: Image.fromarray(ids))
    Path("in/second/00001.png").write_bytes(content)
    _refuse(_run("in", "out"), 3, "in/second/00001.png")
    # What was done stays, and is whole.
    assert len(list(Path("out/first").glob("*.png"))) == 4
    assert not list(Path("out").rglob("*.part"))


def test_convert__places_that_do_not_fit(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis()
    _refuse(_run("none", "out"), 3, "none is missing")
    Path("empty").mkdir()
    _refuse(_run("empty", "out"), 3, "No masks in empty")
    _save_all(data, lambda ids: Image.fromarray(ids))
    _refuse(_run("in", "in"), 2, "both input and output")
    _refuse(_run("in", "./in/../in"), 2, "both input and output")
    _refuse(_run("in", "in/out"), 2, "in/out", "inside")
    _refuse(_run("in", data / "out", "--data", data), 2, "inside the data set")
    _refuse(_run("in", "out", "--data", tmp_path / "none"), 3, tmp_path / "none")


def test_convert__output_that_cannot_be_written(make_davis: MakeDavis) -> None:
    _save_all(make_davis(), lambda ids: Image.fromarray(ids))
    Path("taken").touch()
    _refuse(_run("in", "taken"), 3, "taken")


def test_convert__sequence_that_the_data_lacks(make_davis: MakeDavis) -> None:
    data = make_davis({"only": 2})
    write_mask(Path("in/other/00000.png"), np.ones((4, 4), np.uint8))
    _refuse(_run("in", "out", "--data", data), 3, "other")


def test_convert__to_coco_and_back(make_davis: MakeDavis) -> None:
    pytest.importorskip("pycocotools")
    data = make_davis()
    _save_all(data, _indexed_otherwise)
    result = _convert("in", "masks.json", "--to", "coco")
    assert (result.stdout, result.stderr) == ("7 masks of 2 sequences: masks.json\n", "")
    _convert("masks.json", "out")
    _require(Path("out"), _annotations(data))
    _refuse(_run("in", "out", "--to", "coco"), 2, "--to coco writes a file, and out is a folder")


def test_convert__to_yolo_and_back_needs_the_pictures_size(make_davis: MakeDavis) -> None:
    data = make_davis()
    _save_all(data, _indexed_otherwise)
    _convert("in", "labels", "--to", "yolo")
    _refuse(_run("labels", "out"), 3, "how large", "--size, such as 1920x1080")
    _refuse(_run("labels", "out", "--size", "wide"), 2, "--size wide is not a size")
    height, width = next(iter(_annotations(data).values())).shape
    _convert("labels", "out", "--size", f"{width}x{height}")
    _require(Path("out"), _annotations(data))


def test_convert__to_a_submission(make_davis: MakeDavis) -> None:
    data = make_davis()
    _save_all(data, _indexed_otherwise)
    result = _convert("in", "out.zip", "--to", "zip", "--data", data)
    assert (result.stdout, result.stderr) == ("7 masks of 2 sequences: out.zip\n", "")
    _convert("out.zip", "out")
    _require(Path("out"), _annotations(data))
    # YouTube-VOS has no folder for the resolution.
    for folder in ("JPEGImages", "Annotations"):
        (data / folder / "480p" / "first").rename(data / folder / "first")
        (data / folder / "480p" / "second").rename(data / folder / "second")
        (data / folder / "480p").rmdir()
    _convert("in", "out.zip", "--to", "zip", "--data", data, "--layout", "youtube-vos")
    with zipfile.ZipFile("out.zip") as archive:
        assert {Path(name).parts[0] for name in archive.namelist()} == {"Annotations"}
    Path("in/second/00001.png").unlink()
    _refuse(
        _run("in", "out.zip", "--to", "zip", "--data", data, "--layout", "youtube-vos"),
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
        _convert("in", "out.zip", "--to", "zip", "--data", "youtube-vos", *options)
        with zipfile.ZipFile("out.zip") as archive:
            assert set(archive.namelist()) == {top + name for name in expected}
    _convert("in", "pictures", "--to", "overlay", "--data", "youtube-vos/valid")
    assert len(_files(Path("pictures"))) == len(expected)
    _refuse(_run("in", "x.zip", "--to", "zip", "--data", "youtube-vos", "--split", "test"), 3, "valid")


def test_convert__released_masks_of_frames_without_padding(make_davis: MakeDavis) -> None:
    data = make_davis({"first": 12})
    for path in [*data.rglob("*.jpg"), *data.rglob("*.png")]:
        path.rename(path.with_stem(str(int(path.stem))))
    for t in range(12):
        write_mask(Path(f"raw/0_{t}_mask.png"), np.full((6, 8), t, np.uint8))
    _convert("raw", "out", "--data", data)
    assert {path.stem: int(read_ids(path)[0, 0]) for path in Path("out/first").glob("*.png")} == {
        str(t): t for t in range(12)
    }
