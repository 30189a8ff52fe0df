"""Which masks of a folder or a zip are found, and under which names."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.conversion import convert_masks
from sfc_cli.data.masks import write_mask
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
    "name",
    [
        "../00000.png",
        "a/../../00000.png",
        "/etc/00000.png",
        "..\\00000.png",
        "C:\\00000.png",
        "s/00001.png\0/../../../x.png",
    ],
)
def test_archive__paths_that_lead_out(tmp_path: Path, name: str) -> None:
    write_mask(tmp_path / "mask.png", np.ones((4, 5), np.uint8))
    _zip({"s/00000.png": tmp_path / "mask.png"})
    info = zipfile.ZipInfo()
    # Set later, because ZipInfo would cut the name at a NUL.
    info.filename = name
    with zipfile.ZipFile("in.zip", "a") as archive:
        archive.writestr(info, (tmp_path / "mask.png").read_bytes())
    with pytest.raises(InputError, match=r"in\.zip is refused: .* leads out"):
        convert_masks(Path("in.zip"), Path("out"))
    assert sorted(path.name for path in Path().iterdir()) == ["in.zip"]


def test_archive__folders_have_entries_of_their_own(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", np.ones((4, 5), np.uint8))
    _zip({"./": b"", "s/": b"", "s/00000.png": tmp_path / "mask.png"})
    convert_masks(Path("in.zip"), Path("out"))
    assert set(masks_below(Path("out"))) == {"s/00000"}


def test_archive__a_name_that_is_not_text(tmp_path: Path) -> None:
    write_mask(tmp_path / "mask.png", np.ones((4, 5), np.uint8))
    _zip({"é/00000.png": tmp_path / "mask.png"})
    Path("in.zip").write_bytes(Path("in.zip").read_bytes().replace("é".encode(), b"\xff\xff"))
    with pytest.raises(InputError, match=r"in\.zip is a damaged zip"):
        convert_masks(Path("in.zip"), Path("out"))


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
