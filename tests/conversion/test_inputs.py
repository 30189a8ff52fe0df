"""Forms in which masks are given, except those of a folder of image files."""

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from sfc_cli.conversion import convert_masks
from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.soft_labels import enlarge_to_mask, shrink_mask
from sfc_cli.errors import InputError
from tests.conversion.conftest import masks_below, require_same, truth_of

MakeResults = Callable[..., tuple[Path, Path]]


def test_results__folders_that_are_no_sequences(make_results: MakeResults) -> None:
    data, results = make_results()
    assert convert_masks(results, Path("out")).masks == 7
    require_same(masks_below(Path("out")), truth_of(data))


def test_results__of_one_video_with_pictures_beside() -> None:
    write_mask(Path("in/00000.png"), np.ones((4, 5), np.uint8))
    for name in ("overlay", "cutout", "soft"):
        write_mask(Path("in", name, "00000.png"), np.full((4, 5), 9, np.uint8))
    convert_masks(Path("in"), Path("out"))
    require_same(masks_below(Path("out")), {"00000": np.ones((4, 5), np.uint8)})


def test_results__a_sequence_may_be_called_soft() -> None:
    write_mask(Path("in/soft/00000.png"), np.ones((4, 5), np.uint8))
    write_mask(Path("in/hard/00000.png"), np.ones((4, 5), np.uint8))
    assert convert_masks(Path("in"), Path("out")).sequences == 2


def test_results__pictures_alone() -> None:
    write_mask(Path("in/cutout/s/00000.png"), np.ones((4, 5), np.uint8))
    with pytest.raises(InputError, match=r"No masks in in\. To convert what lies in in/cutout, give that"):
        convert_masks(Path("in"), Path("out"))


def _save_soft(path: Path, mask: np.ndarray, ids: tuple[int, ...] = (1, 2), **other: Any) -> None:
    objects = np.array(ids, np.uint8)
    labels = shrink_mask(mask, objects, 6, 8).astype(np.float16)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {"labels": labels, "objects": objects, "size": np.array(mask.shape, np.int32), **other}
    np.savez_compressed(path, **{name: array for name, array in arrays.items() if array is not None})


def test_soft_labels__become_the_masks_that_they_enlarge_to(make_results: MakeResults) -> None:
    data, results = make_results(ids=(1, 9))
    expected = {}
    for name, ids in truth_of(data).items():
        _save_soft(results / "soft" / f"{name}.npz", ids, (1, 9))
        labels = shrink_mask(ids, np.array([1, 9], np.uint8), 6, 8).astype(np.float16).astype(np.float32)
        expected[name] = enlarge_to_mask(labels, np.array([1, 9], np.uint8), *ids.shape)
    assert convert_masks(results / "soft", Path("out")).masks == 7
    require_same(masks_below(Path("out")), expected)
    assert {9, 1} <= set(np.unique(expected["first/00000"]).tolist())
    # Beside masks they are not looked at.
    convert_masks(results, Path("masks"))
    require_same(masks_below(Path("masks")), truth_of(data))


@pytest.mark.parametrize(
    "other",
    [
        {"labels": None},
        {"objects": None},
        {"size": None},
        {"labels": np.zeros((3, 4), np.float16)},
        {"labels": np.zeros((3, 0, 4), np.float16)},
        {"labels": np.zeros((3, 4, 4), np.uint8)},
        {"objects": np.array([1], np.uint8)},
        {"objects": np.array([1, 2], np.int64)},
        {"objects": np.array([{}, {}])},
        {"size": np.array([0, 4], np.int32)},
        {"size": np.array([2**30, 2**30], np.int32)},
        {"size": np.array([4], np.int32)},
    ],
)
def test_soft_labels__something_else(other: dict[str, Any]) -> None:
    _save_soft(Path("in/s/00000.npz"), np.eye(12, dtype=np.uint8), **other)
    with pytest.raises(InputError, match=r"in/s/00000\.npz"):
        convert_masks(Path("in"), Path("out"))


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04"])
def test_soft_labels__damaged(content: bytes) -> None:
    Path("in/s").mkdir(parents=True)
    Path("in/s/00000.npz").write_bytes(content)
    with pytest.raises(InputError, match=r"in/s/00000\.npz cannot be read"):
        convert_masks(Path("in"), Path("out"))


def _save_cutouts(folder: str, masks: dict[str, np.ndarray], *, noise: bool = True) -> None:
    rng = np.random.default_rng(0)
    for name, mask in masks.items():
        path = Path(folder, f"{name}.png")
        path.parent.mkdir(parents=True, exist_ok=True)
        colours = rng.integers(0, 256, (*mask.shape, 3), np.uint8) if noise else np.full((*mask.shape, 3), 77)
        Image.fromarray(np.dstack([colours, mask * 255]).astype(np.uint8)).save(path)


@pytest.mark.parametrize("folder", ["in", "results/cutout"])
def test_cutouts__transparency_tells_the_object(folder: str) -> None:
    masks = {f"{name}/0000{t}": np.zeros((9, 9), np.uint8) for name in "ab" for t in range(4)}
    for place, mask in enumerate(masks.values()):
        mask[place : place + 2, 3:] = 1
    # An object that fills the frame, and one that is hidden.
    masks["a/00002"][:], masks["a/00003"][:] = 1, 0
    _save_cutouts(folder, masks)
    convert_masks(Path(folder), Path("out"))
    require_same(masks_below(Path("out")), masks)
    convert_masks(Path(folder, "a"), Path("flat"))
    require_same(masks_below(Path("flat")), {n[2:]: mask for n, mask in masks.items() if n[0] == "a"})


def test_cutouts__soft_edges() -> None:
    mask = np.zeros((9, 9, 4), np.uint8)
    mask[..., :3] = np.random.default_rng(0).integers(0, 256, (9, 9, 3))
    mask[3:6, :, 3] = np.array([[100], [255], [140]])
    Path("in/s").mkdir(parents=True)
    Image.fromarray(mask).save("in/s/00000.png")
    convert_masks(Path("in"), Path("out"))
    require_same(masks_below(Path("out")), {"s/00000": (mask[..., 3] > 120).astype(np.uint8)})


def test_cutouts__flat_ones_are_known_by_their_folder() -> None:
    mask = np.eye(9, dtype=np.uint8)
    _save_cutouts("results/cutout", {"s/00000": mask}, noise=False)
    convert_masks(Path("results/cutout"), Path("out"))
    require_same(masks_below(Path("out")), {"s/00000": mask})


def _zip(members: dict[str, bytes | Path]) -> None:
    with zipfile.ZipFile("in.zip", "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content.read_bytes() if isinstance(content, Path) else content)


@pytest.mark.parametrize("top", ["", "Annotations/", "my results/Annotations/480p/"])
def test_archive__of_results(make_results: MakeResults, top: str) -> None:
    data, results = make_results()
    _zip({f"{top}{path.relative_to(results)}": path for path in results.rglob("*") if path.is_file()})
    with zipfile.ZipFile("in.zip", "a") as archive:
        archive.writestr("__MACOSX/first/._00000.png", b"")
    assert convert_masks(Path("in.zip"), Path("out")).masks == 7
    require_same(masks_below(Path("out")), truth_of(data))


def test_archive__one_sequence_keeps_its_name(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", np.ones((4, 5), np.uint8))
    _zip({"bear/00000.png": tmp_path / "mask.png"})
    convert_masks(Path("in.zip"), Path("out"))
    assert set(masks_below(Path("out"))) == {"bear/00000"}


@pytest.mark.parametrize(
    "name", ["../00000.png", "a/../../00000.png", "/etc/00000.png", "..\\00000.png", "C:\\00000.png"]
)
def test_archive__paths_that_lead_out(tmp_path: Path, name: str) -> None:
    write_mask(tmp_path / "mask.png", np.ones((4, 5), np.uint8))
    _zip({"s/00000.png": tmp_path / "mask.png", name: tmp_path / "mask.png"})
    with pytest.raises(InputError, match=r"in\.zip is refused: .* leads out"):
        convert_masks(Path("in.zip"), Path("out"))
    assert sorted(path.name for path in Path().iterdir()) == ["in.zip"]


def test_archive__links() -> None:
    info = zipfile.ZipInfo("s/00000.png")
    info.external_attr = 0o120777 << 16
    with zipfile.ZipFile("in.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(InputError, match=r"in\.zip is refused: .* is a link"):
        convert_masks(Path("in.zip"), Path("out"))


def test_archive__damaged(tmp_path: Path) -> None:
    Path("in.zip").write_bytes(b"PK\x03\x04 no zip")
    with pytest.raises(InputError, match=r"in\.zip is a damaged zip"):
        convert_masks(Path("in.zip"), Path("out"))
    write_mask(tmp_path / "mask.png", np.ones((400, 500), np.uint8))
    _zip({"s/00000.png": tmp_path / "mask.png"})
    content = bytearray(Path("in.zip").read_bytes())
    content[200:210] = bytes(10)
    Path("in.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"in\.zip is a damaged zip"):
        convert_masks(Path("in.zip"), Path("out"))


def test_archive__damaged_mask_is_named_by_the_archive() -> None:
    _zip({"s/00000.png": b"damaged"})
    with pytest.raises(InputError, match=r"^in\.zip/s/00000\.png cannot be decoded"):
        convert_masks(Path("in.zip"), Path("out"))


def test_archive__without_masks() -> None:
    _zip({"readme.txt": b"text", "run.json": b"{}"})
    with pytest.raises(InputError, match=r"No masks in in\.zip"):
        convert_masks(Path("in.zip"), Path("out"))


def test_inputs__some_other_file(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", np.ones((4, 5), np.uint8))
    assert read_ids(tmp_path / "mask.png").any()
    with pytest.raises(InputError, match=r"mask\.png is a file, but neither"):
        convert_masks(tmp_path / "mask.png", Path("out"))
    with pytest.raises(InputError, match=r"none\.json is missing"):
        convert_masks(Path("none.json"), Path("out"))
