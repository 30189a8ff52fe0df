"""No name may lead out of its folder: those of downloads and of what is trained on."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml

from tests.names.driving import every_name, write_zip
from tests.surroundings import LAYOUTS, fill, jpegs, masks, refuse, write

TINY = ("--steps", "1", "--batch-size", "2", "--crop-size", "32", "--last-layer", "layer3", "--workers", "0")


@every_name
@pytest.mark.parametrize("field", ["file", "folder", "contains"])
def test_download__names_in_the_catalogue(root: Path, field: str, name: str) -> None:
    Path("data").mkdir()
    write_zip(Path("set.zip"), "a/00000.png")
    entry: dict[str, object] = {"file": "set.zip", "folder": "set"}
    entry[field] = [name] if field == "contains" else name
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": entry}}))
    for options in (("--from", "set.zip"), ("--verify",), ("--list",)):
        refuse(root, "download", "own", "--data", "data", *options)


@every_name
@pytest.mark.parametrize("top", ["", "top"])
def test_download__names_in_an_archive(root: Path, top: str, name: str) -> None:
    Path("data/set").mkdir(parents=True)
    fill(Path("data/set"), name, masks)
    entry = {"file": "set.zip", "folder": "set", "top": top}
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": entry}}))
    member = name if name == "." or name.startswith("/") else f"{top}/{name}".lstrip("/")
    write_zip(Path("set.zip"), f"{top}/a.png".lstrip("/"), member)
    refuse(root, "download", "own", "--data", "data", "--from", "set.zip", "--force")


@every_name
def test_download__names_in_the_lists_of_a_data_set(root: Path, name: str) -> None:
    LAYOUTS["davis"].write(Path("data/set"), name)
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": {"file": "set.zip", "folder": "set"}}}))
    refuse(root, "download", "own", "--data", "data", "--verify")
    refuse(root, "download", "own", "--data", "data")


@every_name
def test_pretrain__names_in_the_index_of_youtube_vos(root: Path, name: str) -> None:
    frames = Path("data/train_all_frames/JPEGImages")
    jpegs(frames / "first")
    if name != ".":
        fill(frames, name, jpegs)
    Path("out/run").mkdir(parents=True)
    with (frames.parent / "ytvos.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["first", 0, 3], [name, 0, 3]])
    said = refuse(root, "pretrain", "--data", "data", "-o", "out/run", *TINY)
    assert "ytvos.csv" in said
