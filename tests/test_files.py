import os
import stat
from pathlib import Path

import pytest

from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import (
    PartFile,
    in_bytes,
    inside,
    is_inside_name,
    refuse_overwriting,
    replacing,
    write_bytes,
    write_text,
)


def test_write_bytes__makes_folders_and_leaves_nothing_else(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a" / "b" / "f.bin", b"new")
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["f.bin"]
    assert (tmp_path / "a" / "b" / "f.bin").read_bytes() == b"new"


def test_write_text__utf8(tmp_path: Path) -> None:
    write_text(tmp_path / "f.txt", "λ = 1.75\n")
    assert (tmp_path / "f.txt").read_bytes() == "λ = 1.75\n".encode()


def test_replacing__old_file_stays_until_the_end(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("old")
    with replacing(path) as part:
        part.write_text("new")
        assert path.read_text() == "old"
        # A reader who lists the folder does not mistake the part for a result.
        assert part.name.startswith(".")
        assert part.parent == tmp_path
    assert path.read_text() == "new"


def _write_half(path: Path, failure: BaseException) -> None:
    with replacing(path) as part:
        part.write_text("half")
        raise failure


@pytest.mark.parametrize("failure", [RuntimeError("stop"), KeyboardInterrupt()])
def test_replacing__failure_leaves_the_old_file_and_no_part(tmp_path: Path, failure: BaseException) -> None:
    path = tmp_path / "f.txt"
    path.write_text("old")
    with pytest.raises(type(failure)):
        _write_half(path, failure)
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing__full_disk(tmp_path: Path) -> None:
    path = tmp_path / "f.txt"
    path.write_text("old")
    with pytest.raises(InputError, match="No space left on device") as caught:
        _write_half(path, OSError(28, "No space left on device"))
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_bytes__folder_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match=f"Cannot write {tmp_path / 'taken' / 'f'}"):
        write_bytes(tmp_path / "taken" / "f", b"x")


def test_write_bytes__target_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(InputError, match=f"Cannot write {tmp_path / 'f'}"):
        write_bytes(tmp_path / "f", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_write_bytes__unwritable_folder(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        with pytest.raises(InputError, match="Permission denied"):
            write_bytes(tmp_path / "f", b"x")
    finally:
        tmp_path.chmod(stat.S_IRWXU)


def test_write_bytes__denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deny(self: Path, _content: bytes) -> int:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "write_bytes", deny)
    with pytest.raises(InputError, match=f"Cannot write {tmp_path / 'f'}: Permission denied"):
        write_bytes(tmp_path / "f", b"x")


def test_part_file__keeps_its_ending_and_hides(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "new" / "a.mp4", ".mp4")
    assert file.part.suffix == ".mp4"
    assert file.part.name.startswith(".a.mp4.")
    file.part.write_bytes(b"film")
    file.keep()
    file.drop()
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["a.mp4"]


def test_part_file__dropped(tmp_path: Path) -> None:
    file = PartFile(tmp_path / "a.gif")
    file.part.write_bytes(b"half")
    file.drop()
    assert not list(tmp_path.iterdir())
    with pytest.raises(InputError, match=r"Cannot write .*a\.gif"):
        file.keep()


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (46_830_571, "46.8 MB"), (2.5e9, "2.50 GB")],
)
def test_in_bytes__as_people_read_it(count: float, text: str) -> None:
    assert in_bytes(count) == text


@pytest.mark.parametrize("name", ["walk", "walk/one", "a.b", "..a", "a..b", "1:05", "ä/ö ü", " x"])
def test_is_inside_name__names(name: str) -> None:
    assert is_inside_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        ".",
        "./.",
        "..",
        "../x",
        "a/../../b",
        "a/..",
        "/etc",
        "//host/x",
        "C:x",
        "C:\\x",
        "..\\x",
        "\\x",
        "a\0b",
    ],
)
def test_inside__names_that_lead_out(tmp_path: Path, name: str) -> None:
    assert not is_inside_name(name)
    with pytest.raises(InputError, match="leads out of its folder"):
        inside(tmp_path, name)


def test_refuse_overwriting__through_links_too(tmp_path: Path) -> None:
    read, other, link = tmp_path / "read.png", tmp_path / "other.png", tmp_path / "link"
    read.touch()
    link.symlink_to(read)
    refuse_overwriting(other, [read])
    for path in (read, link, tmp_path / "x" / ".." / "read.png"):
        with pytest.raises(UsageError, match="is read: it cannot be written"):
            refuse_overwriting(path, [read])
