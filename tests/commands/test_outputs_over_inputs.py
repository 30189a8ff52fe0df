"""What a command writes never replaces what it reads: propagation, training and downloads.

Conversions and evaluations have tests of their own: test_mask_conversion.py and test_evaluate_outputs.py.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

import pytest
import yaml

from sfc_cli.settings.locations import assets_folder
from tests.surroundings import LAYOUTS, jpegs, mask, masks, pngs, refuse, sfc, snapshot, write

RUN = ("--fc", "random18", "--overwrite")
TRAINING = (
    "--steps", "1", "--batch-size", "2", "--crop-size", "32", "--last-layer", "layer3", "--workers", "0",
    "--hidden-channels", "8", "--out-channels", "4", "--check-every", "0", "--device", "cpu",
)  # fmt: skip


def move_and_link(path: str | Path, target: str | Path) -> None:
    """Move a file or folder and leave a link to it."""
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(path).rename(target)
    Path(path).symlink_to(Path(target).resolve())


@pytest.mark.parametrize(
    "folder", ["JPEGImages/480p", "Annotations/480p", "JPEGImages/480p/first", "Annotations/480p/first"]
)
def test_propagate__frames_and_annotations_behind_links(work: Path, folder: str) -> None:
    data = LAYOUTS["davis"].write(Path("data"))
    target = Path("pool/first" if folder.endswith("first") else "pool")
    move_and_link(data / folder, target)
    said = refuse(work, "propagate", "--data", data, "-o", "pool", *RUN)
    assert "lies among the results that this run writes" in said
    assert "--output" in said
    # A file of another sequence of the same run is as safe.
    shutil.rmtree("data")
    LAYOUTS["davis"].write(Path("data"), "first", "second")
    move_and_link(data / "Annotations/480p/second/00000.png", "other/first/one.png")
    refuse(work, "propagate", "--data", data, "-o", "other", *RUN)


@pytest.mark.parametrize("below", ["overlay/first", "cutout/first", "soft/first"])
def test_propagate__frames_where_extras_go(work: Path, below: str) -> None:
    data = LAYOUTS["davis"].write(Path("data"))
    move_and_link(data / "JPEGImages/480p/first", Path("out") / below)
    refuse(work, "propagate", "--data", data, "-o", "out", *RUN)


def test_propagate__frames_of_other_layouts_behind_links(work: Path) -> None:
    LAYOUTS["vip"].write(Path("vip"))
    move_and_link("vip/Annotations/Category_ids/first", "pool/first")
    refuse(work, "propagate", "--data", "vip", "-o", "pool", *RUN)
    pytest.importorskip("scipy", reason="SciPy is not installed")
    LAYOUTS["jhmdb"].write(Path("jhmdb"))
    # Its results are files of joints, but what was there before is removed as for any sequence.
    move_and_link("jhmdb/Rename_Images/walk", "pool/walk")
    refuse(work, "propagate", "--data", "jhmdb", "-o", "pool", *RUN)


def test_propagate__own_images_behind_links(work: Path) -> None:
    pngs(Path("shots"))
    write(Path("m.png"), mask())
    move_and_link("shots/00001.png", "out/shots/00001.png")
    for source in ("shots", "shots/*.png"):
        refuse(work, "propagate", source, "--mask", "m.png", "-o", "out", *RUN)


def test_propagate__own_mask_behind_links(work: Path) -> None:
    jpegs(Path("shots"))
    write(Path("out/shots/m.png"), mask())
    Path("link.png").symlink_to("out/shots/m.png")
    write(Path("elsewhere.png"), mask())
    Path("out/shots/link.png").symlink_to(Path("elsewhere.png").resolve())
    for path in ("out/shots/m.png", "link.png", "out/shots/link.png"):
        said = refuse(work, "propagate", "shots", "--mask", path, "-o", "out", *RUN)
        assert "Copy it" in said


def test_propagate__links_in_the_results_are_replaced() -> None:
    LAYOUTS["davis"].write(Path("data"))
    before = snapshot(Path("data"))
    for name in ("first/00001.png", "run.json", "first.json"):
        write(Path("out") / name, "")
        Path("out", name).unlink()
        Path("out", name).symlink_to(Path("data/Annotations/480p/first/00001.png").resolve())
    Path("out/run.json").unlink()
    code, said = sfc("propagate", "--data", "data", "-o", "out", *RUN)
    assert code == 0, said
    assert snapshot(Path("data")) == before
    assert not Path("out/first/00001.png").is_symlink()
    assert json.loads(Path("out/run.json").read_text())["sequences"]["first"]["frames"] == 3


@pytest.mark.parametrize("name", ["pretrained_fc.pth", "metrics.jsonl", "settings.json"])
def test_pretrain__files_of_the_data_set(work: Path, name: str) -> None:
    jpegs(Path("data/first"))
    write(Path("data/first") / name, "the data set's own")
    said = refuse(work, "pretrain", "--data", "data", "-o", "data/first", *TRAINING)
    assert "is in the data set" in said
    refuse(work, "pretrain", "--data", "data", "-o", "data/../data/first", "--overwrite", *TRAINING)


def test_pretrain__links_in_the_output_are_replaced() -> None:
    jpegs(Path("data/first"))
    before = snapshot(Path("data"))
    Path("out").mkdir()
    for index, name in enumerate(("pretrained_fc.pth", "metrics.jsonl", "settings.json")):
        Path("out", name).symlink_to(Path(f"data/first/{index:05d}.jpg").resolve())
    code, said = sfc("pretrain", "--data", "data", "-o", "out", *TRAINING)
    assert code == 0, said
    assert snapshot(Path("data")) == before
    assert json.loads(Path("out/metrics.jsonl").read_text().splitlines()[0])["step"] == 1


def test_download__checkpoints_into_a_data_set(work: Path) -> None:
    jpegs(Path("data"))
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": {"file": "00000.jpg"}}}))
    network = assets_folder() / "mini.pth"
    assert "error" in refuse(work, "download", "own", "--checkpoints", "data", "--from", network)
    # A file of the data set's own is not a record of downloads.
    write(Path("data/manifest.json"), '{"videos": {}}')
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": {"file": "new.pth"}}}))
    assert "manifest.json" in refuse(work, "download", "own", "--checkpoints", "data", "--from", network)


def test_download__a_link_to_a_frame_is_replaced() -> None:
    jpegs(Path("data"))
    before = snapshot(Path("data"))
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": {"file": "own.pth"}}}))
    Path("checkpoints").mkdir()
    Path("checkpoints/own.pth").symlink_to(Path("data/00000.jpg").resolve())
    code, said = sfc("download", "own", "--from", assets_folder() / "mini.pth", "--force")
    assert code == 0, said
    assert snapshot(Path("data")) == before


def test_download__a_data_set_is_moved_aside() -> None:
    masks(Path("data/set"))
    before = snapshot(Path("data/set"))
    with zipfile.ZipFile("data/set/set.zip", "w") as archive:
        archive.writestr("00000.png", "another")
    given = Path("data/set/set.zip").read_bytes()
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": {"file": "set.zip", "folder": "set"}}}))
    options = ("--data", "data", "--from", "data/set/set.zip", "--force")
    code, said = sfc("download", "own", *options)
    assert code == 0, said
    assert Path("data/set/00000.png").read_bytes() == b"another"
    assert snapshot(Path("data/set.before-1")) == {**before, "set.zip": given}
