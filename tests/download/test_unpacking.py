from __future__ import annotations

import io
import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from sfc_cli.download.unpacking import ArchiveError, extract_member, unpack
from sfc_cli.errors import InputError
from tests.conftest import SHARED
from tests.download.loopback import davis_zip

CONTAINS = ("JPEGImages/480p", "Annotations/480p", "ImageSets/2017")


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "in" / "davis.zip"
    path.parent.mkdir()
    path.write_bytes(davis_zip())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data" / "davis"


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("top", ["DAVIS/", ""])
def test_unpack__top_folder_is_left_out_if_there(archive: Path, folder: Path, top: str) -> None:
    archive.write_bytes(davis_zip(top=top))
    assert unpack(archive, folder, top="DAVIS", contains=CONTAINS) is None
    assert (folder / "JPEGImages/480p/bear/00001.jpg").read_bytes() == b"frame 1"
    assert (folder / "ImageSets/2017/val.txt").read_text() == "bear\n"
    assert everything_below(folder.parent)[0] == "davis"
    assert not (folder.parent / ".davis.unpacking").exists()


@pytest.mark.parametrize(
    "name",
    [
        "../evil",
        "DAVIS/../../evil",
        "/evil",
        "DAVIS/..\\..\\evil",
        "C:/evil",
        "C:evil",
        "\\evil",
        "//host/evil",
        "DAVIS/C:/evil",
        "..",
        ".",
    ],
)
def test_unpack__path_out_of_the_folder(archive: Path, folder: Path, name: str) -> None:
    archive.write_bytes(davis_zip({name: b"evil"}))
    with pytest.raises(InputError, match=r"refused: its member .* would be written outside the folder"):
        unpack(archive, folder, top="DAVIS", contains=CONTAINS)
    assert everything_below(folder.parent) == []
    assert not list(folder.parents[1].rglob("*evil*"))


def test_unpack__link(archive: Path, folder: Path) -> None:
    link = zipfile.ZipInfo("DAVIS/link")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "a") as packed:
        packed.writestr(link, "/etc")
        packed.writestr("DAVIS/link/evil", b"evil")
    with pytest.raises(InputError, match="'DAVIS/link' is a link or a special file"):
        unpack(archive, folder, top="DAVIS", contains=CONTAINS)
    assert everything_below(folder.parent) == []


def test_unpack__damaged_member_leaves_nothing(archive: Path, folder: Path) -> None:
    content = bytearray(davis_zip())
    index = content.index(b"00001.png") + 9
    content[index + 2] ^= 0xFF
    archive.write_bytes(bytes(content))
    with pytest.raises(InputError, match="damaged zip file"):
        unpack(archive, folder, top="DAVIS", contains=CONTAINS)
    assert everything_below(folder.parent) == []


def test_unpack__not_a_zip(archive: Path, folder: Path) -> None:
    archive.write_bytes(b"PK but no more")
    with pytest.raises(InputError, match="damaged zip file"):
        unpack(archive, folder)


def test_unpack__same_member_twice(archive: Path, folder: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as packed:
        packed.writestr("a", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            packed.writestr("a", b"2")
    archive.write_bytes(file.getvalue())
    with pytest.raises(InputError, match="contains 'a' twice"):
        unpack(archive, folder)
    assert everything_below(folder.parent) == []


def test_unpack__incomplete(archive: Path, folder: Path) -> None:
    with pytest.raises(InputError, match="does not contain Annotations/1080p"):
        unpack(archive, folder, top="DAVIS", contains=(*CONTAINS, "Annotations/1080p"))
    assert everything_below(folder.parent) == []


def test_unpack__leftovers_of_a_killed_run(archive: Path, folder: Path) -> None:
    stale = folder.parent / ".davis.unpacking" / "JPEGImages" / "480p" / "bear"
    stale.mkdir(parents=True)
    (stale / "00009.jpg").write_bytes(b"stale")
    unpack(archive, folder, top="DAVIS", contains=CONTAINS)
    assert sorted(path.name for path in (folder / "JPEGImages/480p/bear").iterdir()) == [
        "00000.jpg",
        "00001.jpg",
    ]


def test_unpack__what_was_there_is_moved_aside(archive: Path, folder: Path) -> None:
    for number, text in enumerate(("first", "second"), start=1):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        (folder / "own.txt").write_text(text)
        aside = unpack(archive, folder, top="DAVIS", contains=CONTAINS)
        assert aside == folder.with_name(f"davis.before-{number}")
        assert (aside / "own.txt").read_text() == text
        assert (folder / "JPEGImages").is_dir()


def test_unpack__empty_folder_is_simply_filled(archive: Path, folder: Path) -> None:
    folder.mkdir()
    assert unpack(archive, folder, top="DAVIS", contains=CONTAINS) is None
    assert everything_below(folder.parent)[0] == "davis"


def test_unpack__room_is_checked_first(archive: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(100, 90, 10))
    with pytest.raises(InputError, match=r"davis needs 31 bytes more, but .* has only 10 bytes free"):
        unpack(archive, folder, top="DAVIS", contains=CONTAINS)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("badbz2", "damaged zip file"),
        ("dup", "twice"),
        ("enc", "is encrypted: its member .* needs a password"),
        ("longname", "name is too long for a file"),
    ],
)
def test_unpack__archives_of_the_world(folder: Path, name: str, said: str) -> None:
    archive = SHARED / "cases" / "zips" / f"{name}.zip"
    if not archive.is_file():
        pytest.skip("the cases (../shared/cases) are not here")
    with pytest.raises(ArchiveError, match=said) as caught:
        unpack(archive, folder, top="DAVIS", contains=CONTAINS)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert everything_below(folder.parent) == []


def test_unpack__what_macos_adds_is_left_out(archive: Path, folder: Path) -> None:
    litter = ("__MACOSX/DAVIS/._JPEGImages", "DAVIS/.DS_Store", "DAVIS/JPEGImages/480p/bear/._00000.jpg")
    archive.write_bytes(davis_zip(dict.fromkeys(litter, b"litter")))
    unpack(archive, folder, top="DAVIS", contains=CONTAINS)
    assert (folder / "JPEGImages/480p/bear/00000.jpg").is_file()
    assert not [
        name for name in everything_below(folder) if "._" in name or "DS_Store" in name or "MACOSX" in name
    ]


def _patched(content: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Change a field of the first member's header of a kind."""
    index = content.index(signature) + offset
    return content[:index] + value + content[index + len(value) :]


def test_unpack__encrypted_and_unknown_methods(archive: Path, folder: Path) -> None:
    whole = davis_zip()
    for offset, value, said in ((8, b"\x01\x00", "is encrypted"), (10, b"\x63\x00", "by method 99")):
        archive.write_bytes(_patched(whole, b"PK\x01\x02", offset, value))
        with pytest.raises(ArchiveError, match=said):
            unpack(archive, folder, top="DAVIS", contains=CONTAINS)
    assert everything_below(folder.parent) == []


def test_unpack__name_too_long(archive: Path, folder: Path) -> None:
    archive.write_bytes(davis_zip({f"DAVIS/{'é' * 200}.jpg": b"long"}))
    with pytest.raises(ArchiveError, match=r"name is too long for a file: 'DAVIS/é+…'"):
        unpack(archive, folder, top="DAVIS", contains=CONTAINS)


def test_unpack__damaged_stream_is_the_archive_s_fault(archive: Path, folder: Path) -> None:
    for method in (zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        with zipfile.ZipFile(archive, "w", method) as packed:
            packed.writestr("DAVIS/a", bytes(range(256)) * 50)
        content = bytearray(archive.read_bytes())
        content[60:70] = bytes(10)
        archive.write_bytes(content)
        with pytest.raises(ArchiveError, match="damaged zip file"):
            unpack(archive, folder)


def test_extract_member__best_pattern_in_any_folder(tmp_path: Path) -> None:
    archive = tmp_path / "models.zip"
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("__MACOSX/models/._hvc_ytb.pth", b"litter")
        packed.writestr("models/hvc_coco.pth", b"coco")
        packed.writestr("models/HVC_ytb_v2.pth", b"ytb")
    extract_member(archive, ("hvc_ytb.pth", "*ytb*.pth"), tmp_path / "out.pth")
    assert (tmp_path / "out.pth").read_bytes() == b"ytb"
    with pytest.raises(ArchiveError, match=r"does not contain x\.pth, but 'models/hvc_coco\.pth, models/HVC"):
        extract_member(archive, ("x.pth",), tmp_path / "other.pth")
    assert not (tmp_path / "other.pth").exists()
