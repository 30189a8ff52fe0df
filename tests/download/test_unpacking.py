from __future__ import annotations

import io
import shutil
import stat
import zipfile
from collections import namedtuple
from pathlib import Path

import pytest

from sfc_cli.download.unpacking import unpack
from sfc_cli.errors import InputError
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
    with pytest.raises(InputError, match="File exists"):
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
