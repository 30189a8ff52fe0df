from pathlib import Path

import pytest

from sfc_cli.data.davis import DavisDataset
from sfc_cli.data.layouts import open_layout
from sfc_cli.data.vos import VosDataset
from sfc_cli.errors import InputError
from tests.conftest import SHARED


def _sequence(folder: Path, *names: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ("00000.jpg", "00001.jpg"):
        (folder / name).touch()


def _davis(root: Path, resolution: str = "480p", lists: str = "2017", split: str = "val") -> Path:
    _sequence(root / "JPEGImages" / resolution / "a")
    _sequence(root / "Annotations" / resolution / "a", "00000.png")
    (root / "ImageSets" / lists).mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / lists / f"{split}.txt").write_text("a\n")
    return root


def test_open_layout__davis(tmp_path: Path) -> None:
    dataset = open_layout(_davis(tmp_path))
    assert isinstance(dataset, DavisDataset)
    assert (dataset.resolution, dataset.sequences()) == ("480p", ["a"])


def test_open_layout__the_only_resolution_is_taken(tmp_path: Path) -> None:
    dataset = open_layout(_davis(tmp_path, "Full-Resolution"))
    assert isinstance(dataset, DavisDataset)
    assert dataset.resolution == "Full-Resolution"
    assert [path.parent.parent.name for path in dataset.frames("a")] == ["Full-Resolution"] * 2


def test_open_layout__resolution(tmp_path: Path) -> None:
    _davis(_davis(tmp_path), "1080p")
    assert open_layout(tmp_path).annotations_root.name == "480p"
    assert open_layout(tmp_path, resolution="1080p").annotations_root.name == "1080p"
    with pytest.raises(InputError, match="'4k'") as caught:
        open_layout(tmp_path, resolution="4k")
    assert "1080p, 480p" in caught.value.hint
    with pytest.raises(InputError, match="leads out"):
        open_layout(tmp_path, resolution="../x")


def test_open_layout__several_resolutions_and_none_chosen(tmp_path: Path) -> None:
    _davis(_davis(tmp_path, "720p"), "1080p")
    with pytest.raises(InputError, match="No 480p") as caught:
        open_layout(tmp_path)
    assert "1080p, 720p" in caught.value.hint


def test_open_layout__sequences_right_below_jpegimages(tmp_path: Path) -> None:
    _sequence(tmp_path / "JPEGImages" / "a")
    _sequence(tmp_path / "Annotations" / "a", "00000.png")
    dataset = open_layout(tmp_path)
    assert isinstance(dataset, VosDataset)
    assert dataset.sequences() == ["a"]


def test_open_layout__splits_that_davis_ships(tmp_path: Path) -> None:
    _davis(tmp_path, split="test-dev")
    assert open_layout(tmp_path).sequences() == ["a"]
    _davis(tmp_path, split="odd")
    (tmp_path / "ImageSets" / "2017" / "test-dev.txt").unlink()
    assert open_layout(tmp_path).sequences() == ["a"]


def test_open_layout__lists_of_2016(tmp_path: Path) -> None:
    _davis(tmp_path, lists="480p")
    path = tmp_path / "ImageSets" / "480p" / "val.txt"
    path.write_text(
        "".join(f"/JPEGImages/480p/a/{t:05d}.jpg /Annotations/480p/a/{t:05d}.png\n" for t in (0, 1))
    )
    assert open_layout(tmp_path).sequences() == ["a"]
    path.write_text(path.read_text().replace(" /", " ").replace("/JPEG", "JPEG"))
    assert open_layout(tmp_path).sequences() == ["a"]


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_open_layout__a_folder_too_high(tmp_path: Path, levels: int) -> None:
    meant = tmp_path.joinpath("top", *["nested"] * (levels - 1), "DAVIS")
    _davis(meant)
    with pytest.raises(InputError) as caught:
        open_layout(tmp_path / "top")
    assert f"Did you mean {meant}?" in caught.value.hint


@pytest.mark.parametrize("below", ["JPEGImages", "Annotations", "JPEGImages/480p", "JPEGImages/480p/a"])
def test_open_layout__a_folder_too_low(tmp_path: Path, below: str) -> None:
    _davis(tmp_path / "set")
    with pytest.raises(InputError) as caught:
        open_layout(tmp_path / "set" / below)
    assert f"Did you mean {tmp_path / 'set'}?" in caught.value.hint


def test_open_layout__cases() -> None:
    cases = SHARED / "cases" / "datasets"
    if not cases.is_dir():
        pytest.skip("the cases (../shared/cases) are not here")
    dataset = open_layout(cases / "davis-2016-lists")
    assert dataset.sequences() == ["aa", "bb"]
    assert len(dataset.frames("aa")) == 8
    dataset = open_layout(cases / "youtube-vos-late-objects")
    assert dataset.sequences() == ["blackswan", "car-shadow"]
    assert [path.stem for path in dataset.annotations("blackswan")] == ["00000", "00005"]
