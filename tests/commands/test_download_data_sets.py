"""``sfc download`` of data sets: unpacked where they will be found, and never outside."""

from __future__ import annotations

from pathlib import Path

from tests.commands.downloads import Command
from tests.download.loopback import davis_zip, visible, whole


def test_download__davis(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip()))
    assert sfc("davis") == "davis: unpacked: data/davis\n"
    assert Path("data/davis/JPEGImages/480p/bear/00000.jpg").read_bytes() == b"frame 0"
    assert visible(Path("data")) == ["davis"]
    assert sfc("davis") == "davis: already there and complete, 1 sequence: data/davis\n"
    assert "unpacked" in sfc("--list", "davis")
    Path("data/davis/Annotations/480p/bear/00001.png").unlink()
    sfc("davis", "--verify")
    assert sfc.code == 3
    assert "Sequence bear in data/davis has 2 frames, but 1 annotation." in sfc.err


def test_download__davis_goes_where_it_will_be_found(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip()))
    sfc("davis", "--data", "sets")
    assert Path("sets/davis/ImageSets/2017/val.txt").is_file()
    sfc("davis", SFC_DATA="others")
    assert Path("others/davis/ImageSets/2017/val.txt").is_file()


def test_download__davis_with_a_path_out_of_the_folder(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip({"DAVIS/../../evil": b"x"})))
    sfc("davis")
    assert sfc.code == 4
    assert "the received file is refused: its member 'DAVIS/../../evil' would be written outside" in sfc.err
    assert visible(Path("data")) == []
    Path("evil.zip").write_bytes(davis_zip({"/evil": b"x"}))
    sfc("davis", "--from", "evil.zip")
    assert sfc.code == 3
    assert visible(Path("data")) == []
    assert not list(sfc.folder.rglob("*evil"))


def test_download__davis_from_a_zip(sfc: Command) -> None:
    Path("got.zip").write_bytes(davis_zip())
    sfc("davis", "--from", "got.zip")
    assert sfc.code == 0, sfc.err
    assert Path("data/davis/ImageSets/2017/val.txt").is_file()
    assert Path("got.zip").exists()


def test_download__davis_by_force_moves_the_old_folder_aside(sfc: Command) -> None:
    sfc.source("davis", whole(davis_zip()))
    sfc("davis")
    Path("data/davis/own.txt").write_text("mine")
    assert "what was there before is now data/davis.before-1" in sfc("davis", "--force")
    assert Path("data/davis.before-1/own.txt").read_text() == "mine"
