"""The whole way of a conversion: no name leads out of a folder, and nothing is written over what is read."""

import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.conversion import convert_masks
from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.masks import palette, read_ids, write_mask
from sfc_cli.errors import InputError, SfcError, UsageError
from tests.conversion.conftest import masks_below

MakeResults = Callable[..., tuple[Path, Path]]


def test_inputs__some_other_file(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", np.ones((4, 5), np.uint8))
    assert read_ids(tmp_path / "mask.png").any()
    with pytest.raises(InputError, match=r"mask\.png is a file, but neither"):
        convert_masks(tmp_path / "mask.png", Path("out"))
    with pytest.raises(InputError, match=r"none\.json is missing"):
        convert_masks(Path("none.json"), Path("out"))


@pytest.mark.parametrize("to", ["zip", "coco"])
def test_files__places(make_results: MakeResults, to: str) -> None:
    pytest.importorskip("pycocotools")
    data, results = make_results()
    suffix = {"zip": "zip", "coco": "json"}[to]

    def refuse(output: Path | str, said: str, source: Path = results) -> None:
        with pytest.raises(UsageError, match=said):
            convert_masks(source, Path(output), to=to, dataset=DavisDataset(root=data))  # type: ignore[arg-type]

    refuse(results / "first", rf"is a folder.*Try results/first/masks\.{suffix}")
    refuse("out", rf"is named otherwise.*Try out\.{suffix}")
    refuse(data / f"out.{suffix}", "inside the data set")
    convert_masks(results, Path(f"in.{suffix}"), to=to)  # type: ignore[arg-type]
    before = Path(f"in.{suffix}").read_bytes()
    refuse(f"in.{suffix}", "both input and output", source=Path(f"in.{suffix}"))
    assert Path(f"in.{suffix}").read_bytes() == before
    with pytest.raises(UsageError, match=rf"Did you mean `to` {to}"):
        convert_masks(results, Path(f"out.{suffix}"))
    # In the results folder a file harms nothing.
    convert_masks(results, results / f"out.{suffix}", to=to)  # type: ignore[arg-type]
    # Its record of a run is another matter.
    (results / "run.json").write_text("{}")
    with pytest.raises(UsageError, match=r"run\.json"):
        convert_masks(results, results / "run.json", to=to)  # type: ignore[arg-type]
    assert (results / "run.json").read_text() == "{}"


@pytest.mark.parametrize("setting", [{"to": "coc"}, {"layout": "mose"}])
def test_convert_masks__unknown_choices(make_results: MakeResults, setting: dict[str, str]) -> None:
    _, results = make_results()
    with pytest.raises(UsageError, match=rf"`{next(iter(setting))}` .* is not known"):
        convert_masks(results, Path("out"), **setting)  # type: ignore[arg-type]
    assert not Path("out").exists()


LEADING_OUT = ["..", "../x", "/abs", "a/../../b", "C:\\x", "..\\x", "a\0b"]


def _state(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def _never_outside(tmp_path: Path, source: Path, **settings: object) -> SfcError | None:
    """Convert and require that nothing outside of `out` changes; return the refusal."""
    before = _state(tmp_path)
    error = None
    try:
        convert_masks(source, Path("out"), **settings)  # type: ignore[arg-type]
    except SfcError as caught:
        error = caught
    written = {path for path in _state(tmp_path) if path not in before}
    assert all(path.is_relative_to(tmp_path / "work" / "out") for path in written)
    assert {path: content for path, content in _state(tmp_path).items() if path in before} == before
    return error


def _coco(image: dict[str, object], **fields: object) -> Path:
    entry = {"id": 1, "file_name": "s/00000.png", "width": 8, "height": 6, **image}
    mask = {"size": [6, 8], "counts": [6, 6, 36]}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": mask}
    Path("in.json").write_text(json.dumps({"images": [entry], "annotations": [annotation], **fields}))
    return Path("in.json")


@pytest.mark.parametrize("name", LEADING_OUT)
def test_names__of_videos_in_coco(tmp_path: Path, name: str) -> None:
    for source in (
        lambda: _coco({"video": name}),
        lambda: _coco({"video_id": 7}, videos=[{"id": 7, "name": name}]),
    ):
        error = _never_outside(tmp_path, source())
        assert isinstance(error, InputError)
        assert "in.json is refused" in error.message
        assert not Path("out").exists()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("..", None),
        ("s/..", None),
        ("../x", None),
        ("a/../../b", None),
        ("C:\\x", None),
        ("..\\x", None),
        ("a\0b", None),
        ("s/a\0b", None),
        ("a\0b/x", None),
        # Other tools write whole paths: the last folder and the name count.
        ("/abs", "abs"),
        ("/data/s/x.png", "s/x"),
        ("C:\\data\\s\\x.png", "s/x"),
        ("../s/x.png", "s/x"),
        ("..\\s\\x.png", "s/x"),
    ],
)
def test_names__of_files_in_coco(tmp_path: Path, name: str, written: str | None) -> None:
    error = _never_outside(tmp_path, _coco({"file_name": name}))
    if written is None:
        assert isinstance(error, InputError)
        assert "in.json is refused" in error.message
    assert set(masks_below(Path("out"))) == ({written} if written else set())


@pytest.mark.parametrize("name", LEADING_OUT)
def test_names__of_categories_in_coco_are_no_paths(tmp_path: Path, name: str) -> None:
    source = _coco({}, categories=[{"id": 1, "name": name, "supercategory": name}])
    assert _never_outside(tmp_path, source) is None
    assert set(masks_below(Path("out"))) == {"s/00000"}


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize(
    "name", ["a\\..\\..\\x/00000.png", "s/a\\..\\..\\x.png", "C:\\x/00000.png", "C:\\x.png"]
)
@pytest.mark.parametrize("to", ["davis", "zip"])
def test_names__of_files_in_a_folder(name: str, to: str) -> None:
    # They stay inside here, but not in a zip that somebody unpacks on Windows.
    write_mask(Path("in") / name, np.ones((4, 5), np.uint8))
    with pytest.raises(InputError, match="leads out of its folder"):
        convert_masks(Path("in"), Path("out.zip" if to == "zip" else "out"), to=to)  # type: ignore[arg-type]
    assert not list(Path().glob("out*"))


@pytest.mark.parametrize("name", LEADING_OUT)
def test_names__in_the_list_of_a_data_set(make_davis: Callable[..., Path], tmp_path: Path, name: str) -> None:
    data = make_davis({"s": 1})
    write_mask(Path("raw/0_0_mask.png"), np.ones((48, 64), np.uint8))
    write_mask(Path("in/s/00000.png"), np.ones((48, 64), np.uint8))
    (data / "ImageSets" / "2017" / "val.txt").write_text(f"{name}\ns\n")
    dataset = DavisDataset(root=data)
    assert isinstance(_never_outside(tmp_path, Path("raw"), dataset=dataset), InputError)
    assert not Path("out").exists()
    with pytest.raises(InputError):
        convert_masks(Path("in"), Path("out.zip"), to="zip", dataset=dataset)
    assert not Path("out.zip").exists()


def _masks(folder: str, *names: str) -> Path:
    """Write masks as colours, so that one that is converted is not what it was."""
    from PIL import Image

    for name in names:
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(palette()[np.eye(5, dtype=np.uint8)]).save(path)
    return Path(folder)


def _refuse(tmp_path: Path, source: Path | str, output: Path | str, said: str, **settings: object) -> None:
    before = _state(tmp_path)
    with pytest.raises(UsageError, match=said):
        convert_masks(Path(source), Path(output), **settings)  # type: ignore[arg-type]
    assert _state(tmp_path) == before


def test_overwriting__a_sequence_that_is_called_as_the_input(tmp_path: Path) -> None:
    _masks("in", "in/00000.png")
    _refuse(tmp_path, "in", ".", "in lies inside in")
    # Another name meets nothing.
    _masks("other", "s/00000.png")
    convert_masks(Path("other"), Path())
    assert Path("s/00000.png").is_file()


def test_overwriting__the_output_links_to_the_input(tmp_path: Path) -> None:
    _masks("in", "s/00000.png")
    Path("out").mkdir()
    Path("out/s").symlink_to(tmp_path / "work/in/s")
    _refuse(tmp_path, "in", "out", "out/s lies inside in")
    Path("link").symlink_to("in")
    _refuse(tmp_path, "in", "link", "both input and output")


def test_overwriting__the_input_links_to_the_output(tmp_path: Path) -> None:
    _masks("pool", "s/00000.png", "t/00000.png")
    Path("in/t").mkdir(parents=True)
    # A folder, and a file.
    Path("in/s").symlink_to(tmp_path / "work/pool/s")
    Path("in/t/00000.png").symlink_to(tmp_path / "work/pool/t/00000.png")
    _refuse(tmp_path, "in", "pool", r"pool/[st]/00000\.png would be written over in/[st]/00000\.png")
    Path("in/s").unlink()
    _refuse(tmp_path, "in", "pool", r"pool/t/00000\.png would be written over in/t/00000\.png")
    # A link in a folder behind a link would be replaced, though not what it leads to.
    Path("in/t/00000.png").unlink()
    Path("in/s").symlink_to(tmp_path / "work/pool/s")
    Path("pool/s/00000.png").rename("elsewhere.png")
    Path("pool/s/00000.png").symlink_to(tmp_path / "work/elsewhere.png")
    _refuse(tmp_path, "in", "pool", r"pool/s/00000\.png would be written over in/s/00000\.png")


def test_overwriting__a_link_in_the_output_is_replaced(tmp_path: Path) -> None:
    _masks("in", "s/00000.png")
    before = Path("in/s/00000.png").read_bytes()
    Path("out/s").mkdir(parents=True)
    Path("out/s/00000.png").symlink_to(tmp_path / "work/in/s/00000.png")
    convert_masks(Path("in"), Path("out"))
    assert Path("in/s/00000.png").read_bytes() == before
    np.testing.assert_array_equal(read_ids(Path("out/s/00000.png")), np.eye(5))


@pytest.mark.parametrize(
    ("folder", "suffix", "to"), [("JPEGImages", "jpg", "overlay"), ("Annotations", "png", "davis")]
)
def test_overwriting__a_data_set_behind_links(
    make_results: MakeResults, tmp_path: Path, folder: str, suffix: str, to: str
) -> None:
    data, results = make_results({"s": 2})
    (data / folder).rename(tmp_path / "pool")
    (data / folder).symlink_to(tmp_path / "pool")
    dataset = DavisDataset(root=data)
    _refuse(
        tmp_path, results, tmp_path / "pool" / "480p", rf"\.{suffix}, which is read", to=to, dataset=dataset
    )
    # Beside it nothing is met.
    convert_masks(results, tmp_path / "pool" / "new", to=to, dataset=dataset)  # type: ignore[arg-type]


@pytest.mark.parametrize("to", ["zip", "coco"])
def test_overwriting__a_file_with_itself(tmp_path: Path, to: str) -> None:
    pytest.importorskip("pycocotools")
    suffix = {"zip": "zip", "coco": "json"}[to]
    write_mask(Path("masks/s/00000.png"), np.eye(5, dtype=np.uint8))
    convert_masks(Path("masks"), Path(f"in.{suffix}"), to=to)  # type: ignore[arg-type]
    Path(f"link.{suffix}").symlink_to(f"in.{suffix}")
    for source, output in (("in", "in"), ("in", "link"), ("link", "in")):
        _refuse(tmp_path, f"{source}.{suffix}", f"{output}.{suffix}", "both input and output", to=to)
    # A mask's file may have any name behind a link.
    Path("masks/s/00000.png").rename(f"mask.{suffix}")
    Path("masks/s/00000.png").symlink_to(tmp_path / "work" / f"mask.{suffix}")
    _refuse(tmp_path, "masks", f"mask.{suffix}", "which is read", to=to)


def test_overwriting__what_lies_beside_a_coco_file_is_not_read() -> None:
    pytest.importorskip("pycocotools")
    write_mask(Path("masks/00000.png"), np.eye(5, dtype=np.uint8))
    convert_masks(Path("masks"), Path("in.json"), to="coco")
    convert_masks(Path("in.json"), Path())
    np.testing.assert_array_equal(read_ids(Path("00000.png")), np.eye(5))


def test_overwriting__what_lies_beside_a_zip_is_not_read() -> None:
    write_mask(Path("masks/s/00000.png"), np.eye(5, dtype=np.uint8))
    with zipfile.ZipFile("in.zip", "w") as archive:
        archive.write("masks/s/00000.png")
    convert_masks(Path("in.zip"), Path())
    np.testing.assert_array_equal(read_ids(Path("s/00000.png")), np.eye(5))
