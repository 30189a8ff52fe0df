"""No name may lead out of its folder: every data set and every command, driven with names that would."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import zipfile
from pathlib import Path

import pytest
import yaml

from sfc_cli.settings.locations import assets_folder
from tests.conftest import SHARED
from tests.surroundings import (
    FILE_NAMES,
    FOLDERS,
    FRAMES,
    LAYOUTS,
    LEADING_OUT,
    LISTS,
    PROPAGATED,
    RESERVED,
    SPLITS,
    fill,
    jpegs,
    mask,
    masks,
    picture,
    refuse,
    sfc,
    snapshot,
    write,
)

CASE = SHARED / "cases" / "datasets" / "vip-name-leads-out"
RUN = ("--fc", "random18", "-o", "out", "--overwrite")
TINY = ("--steps", "1", "--batch-size", "2", "--crop-size", "32", "--last-layer", "layer3", "--workers", "0")
needs_odd_files = pytest.mark.skipif(sys.platform == "win32", reason="files cannot have such names there")
every_name = pytest.mark.parametrize("name", LEADING_OUT, indirect=True)


@pytest.fixture(autouse=True)
def root(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work two folders deep, so that what names lead to is watched, too."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    for variable in ("SFC_DATA", "SFC_CHECKPOINTS", "SFC_MIRROR"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "deep" / "desk").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "desk")
    return tmp_path


@pytest.fixture
def name(request: pytest.FixtureRequest, root: Path) -> str:
    given: str = request.param
    return str(root / given[1:]) if given.startswith("/") else given


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    if request.param == "jhmdb":
        pytest.importorskip("scipy", reason="SciPy is not installed")
    given: str = request.param
    return given


def drive(root: Path, layout: str, *options: str) -> None:
    """Propagate and evaluate the data set `data`, neither of which may do anything."""
    chosen = LAYOUTS[layout]
    options = (*chosen.options, *options)
    if layout in PROPAGATED:
        refuse(root, "propagate", "--data", "data", *RUN, *options)
    refuse(root, "evaluate", chosen.benchmark, "--data", "data", "--results", "out", *options)


# --- Data sets ---------------------------------------------------------------------------------------------


def test_layouts__ordinary_names(layout: str) -> None:
    """What refuses the other names below is the names alone."""
    chosen = LAYOUTS[layout]
    chosen.write(Path("data"))
    if layout == "jhmdb":
        code, said = sfc("propagate", "--data", "data", "--fc", "random18", "-o", "out")
        assert code == 0, said
    chosen.write_results(Path("out"))
    code, said = sfc("evaluate", chosen.benchmark, "--data", "data", "--results", "out", *chosen.options)
    assert code == 0, said


@pytest.mark.skipif(not CASE.is_dir(), reason="../shared is not here")
def test_propagate__the_case_that_deleted_files(root: Path) -> None:
    data = shutil.copytree(CASE, root / "data")
    for _ in range(2):
        said = refuse(root, "propagate", "--data", data, "-o", "OUT", "--overwrite")
        assert "val_videos.txt names '..', which leads out of its folder" in said
    assert len(list(data.glob("*.jpg"))) == 4


@pytest.mark.parametrize("layout", LISTS, indirect=True)
@every_name
def test_lists__names_that_lead_out(root: Path, layout: str, name: str) -> None:
    LAYOUTS[layout].write(Path("data"), name)
    LAYOUTS[layout].write_results(Path("out"), name)
    # A second time, in case that the first one left something to continue.
    for _ in range(2):
        drive(root, layout)


@needs_odd_files
@pytest.mark.parametrize("layout", FOLDERS, indirect=True)
@pytest.mark.parametrize("name", FILE_NAMES)
def test_folders__names_that_lead_out(root: Path, layout: str, name: str) -> None:
    LAYOUTS[layout].write(Path("data"), name)
    LAYOUTS[layout].write_results(Path("out"), name)
    drive(root, layout)


@needs_odd_files
@pytest.mark.parametrize("name", FILE_NAMES)
def test_frames__names_that_lead_out(root: Path, layout: str, name: str) -> None:
    chosen = LAYOUTS[layout]
    for folder in (chosen.write(Path("data")), chosen.write_results(Path("out"))):
        for path in list(folder.rglob(f"{FRAMES - 1:05d}.*")):
            path.rename(path.with_name(f"{name}{path.suffix}"))
    if layout != "jhmdb":
        drive(root, layout)
    else:
        # Its scores come from joints, not from frames.
        refuse(root, "propagate", "--data", "data", *RUN)


@every_name
def test_sequences_option__names_that_lead_out(root: Path, layout: str, name: str) -> None:
    chosen = LAYOUTS[layout]
    for folder, fill_one in chosen.folders:
        fill(Path("data") / folder, name, fill_one)
    chosen.write(Path("data"))
    chosen.write_results(Path("out"), name)
    drive(root, layout, "--sequences", name)


@pytest.mark.parametrize("layout", list(SPLITS), indirect=True)
@pytest.mark.parametrize("name", [*LEADING_OUT, "../../x"], indirect=True)
def test_split_option__names_that_lead_out(root: Path, layout: str, name: str) -> None:
    data = LAYOUTS[layout].write(Path("data"))
    LAYOUTS[layout].write_results(Path("out"))
    # There is such a split where the name leads.
    usual, other = (data / SPLITS[layout].format(split) for split in (LAYOUTS[layout].split, name))
    if "\0" not in name:
        for parent in (usual.parent / "a", other.parent):
            parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if usual.is_dir() else shutil.copy
        copy(usual, other)
    drive(root, layout, "--split", name)


@pytest.mark.parametrize("split", ["*", "[", "[12]", "?"])
def test_split_option__patterns(root: Path, split: str) -> None:
    LAYOUTS["jhmdb"].write(Path("data"))
    drive(root, "jhmdb", "--split", split)


@pytest.mark.parametrize("name", RESERVED)
@pytest.mark.parametrize("layout", [name for name in PROPAGATED if name != "jhmdb"], indirect=True)
def test_propagate__sequences_named_like_what_a_run_writes(root: Path, layout: str, name: str) -> None:
    LAYOUTS[layout].write(Path("data"), name)
    said = refuse(root, "propagate", "--data", "data", *RUN, *LAYOUTS[layout].options)
    assert "where results of another kind go" in said


@pytest.mark.parametrize("action", [*RESERVED, "..", ""])
def test_propagate__actions_named_like_what_a_run_writes(root: Path, action: str) -> None:
    pytest.importorskip("scipy", reason="SciPy is not installed")
    LAYOUTS["jhmdb"].write(Path("data"))
    for folder in ("Rename_Images", "joint_positions"):
        shutil.copytree(f"data/{folder}/walk", f"data/{folder}/{action}", dirs_exist_ok=True)
    Path("data/splits/walk_test_split1.txt").rename(f"data/splits/{action}_test_split1.txt")
    refuse(root, "propagate", "--data", "data", *RUN)


# --- Records -----------------------------------------------------------------------------------------------


@every_name
@pytest.mark.parametrize("field", ["planned", "sequences"])
def test_records__names_that_lead_out(root: Path, field: str, name: str) -> None:
    LAYOUTS["davis"].write(Path("data"))
    LAYOUTS["davis"].write_results(Path("out"), name)
    listed = {"planned": [name, "first"]} if field == "planned" else {"sequences": {name: {"frames": 3}}}
    write(Path("out/run.json"), json.dumps({"settings": {"fc": "other"}, **listed}))
    for options in ((), ("--overwrite",)):
        said = refuse(root, "propagate", "--data", "data", "--fc", "random18", "-o", "out", *options)
        assert "run.json names " in said
    # Scores do not depend on the record.
    before = snapshot(root)
    code, said = sfc("evaluate", "davis", "--data", "data", "--results", "out")
    assert code == 0, said
    assert "run.json names " in said
    assert snapshot(root) == before


@pytest.mark.parametrize(
    "content",
    [
        {"planned": "first"},
        {"planned": [["first"]]},
        {"planned": {"first": {}}},
        {"planned": None},
        {"sequences": {"first": 3}},
        {"sequences": None},
        {"clip": ["first"]},
    ],
)
def test_records__of_another_kind(root: Path, content: dict[str, object]) -> None:
    LAYOUTS["davis"].write(Path("data"))
    LAYOUTS["davis"].write_results(Path("out"))
    write(Path("out/run.json"), json.dumps(content))
    assert "is not the record of a run" in refuse(root, "propagate", "--data", "data", *RUN)


def test_records__names_behind_links_out_of_the_results(root: Path) -> None:
    LAYOUTS["davis"].write(Path("data"))
    masks(root / "beside")
    write(root / "beside" / "one.json", "{}")
    for name in ("linked", "overlay/linked", ".resume/linked"):
        Path("out", name).parent.mkdir(parents=True, exist_ok=True)
        Path("out", name).symlink_to(root / "beside")
    masks(Path("out/other"))
    planned = ["linked", "linked/one", "other"]
    write(Path("out/run.json"), json.dumps({"settings": {"fc": "other"}, "planned": planned}))
    before = snapshot(root / "beside")
    code, said = sfc("propagate", "--data", "data", *RUN)
    assert code == 0, said
    assert snapshot(root / "beside") == before
    # What lies in the folder itself goes with the other run.
    assert not Path("out/other").exists()


@every_name
def test_records__manifests_with_names_that_lead_out(root: Path, name: str) -> None:
    LAYOUTS["davis"].write(Path("data"))
    network = shutil.copy(assets_folder() / "mini.pth", "mini.pth")
    known = {"name": "x", "sha256": "0", "size": 1, "mtime_ns": 1, "source": "x"}
    write(Path("manifest.json"), json.dumps({"files": {name: known}}))
    said = refuse(root, "propagate", "--data", "data", "--fc", Path(network).resolve(), "-o", "out")
    assert "manifest.json names " in said
    write(Path("sfc.yaml"), yaml.safe_dump({"download": {"own": {"file": "own.pth"}}}))
    for options in (("--from", network), ("--from", network, "--force"), ("--verify",), ("--list",)):
        shutil.copy(network, "own.pth")
        refuse(root, "download", "own", "--checkpoints", ".", *options)


# --- Videos of one's own -----------------------------------------------------------------------------------


@needs_odd_files
@pytest.mark.parametrize("name", FILE_NAMES)
def test_videos__names_of_frames_that_lead_out(root: Path, name: str) -> None:
    jpegs(Path("shots"))
    write(Path("shots") / f"{name}.jpg", picture(".jpg"))
    write(Path("m.png"), mask())
    for source in ("shots", "shots/*.jpg"):
        refuse(root, "propagate", source, "--mask", "m.png", *RUN)


@needs_odd_files
def test_videos__names_that_lead_out_are_changed(root: Path) -> None:
    jpegs(Path("..\\x"))
    write(Path("m.png"), mask())
    write(root / "deep" / "x" / "00000.png", "stays")
    before = snapshot(root)
    code, said = sfc("propagate", "..\\x", "--mask", "m.png", *RUN)
    assert code == 0, said
    after = snapshot(root)
    assert {path: after[path] for path in before} == before
    assert all(path.startswith("deep/desk/out") for path in after.keys() - before.keys())
    assert len(list(Path("out/_x").glob("*.png"))) == FRAMES


@pytest.mark.parametrize("name", [name for name in RESERVED if name[0] != "."])
def test_videos__named_like_what_a_run_writes(root: Path, name: str) -> None:
    jpegs(Path(name))
    write(Path("m.png"), mask())
    assert "results of another kind" in refuse(root, "propagate", name, "--mask", "m.png", *RUN)


# --- Conversions -------------------------------------------------------------------------------------------


@every_name
def test_convert__names_in_a_list(root: Path, name: str) -> None:
    LAYOUTS["davis"].write(Path("data"), name)
    masks(Path("in/first"))
    for index in range(FRAMES):
        write(Path(f"raw/0_{index}_mask.png"), mask())
    refuse(root, "convert", "raw", "out", "--data", "data")
    refuse(root, "convert", "in", "out.zip", "--to", "zip", "--data", "data")


@pytest.mark.parametrize("name", [*LEADING_OUT, "../../x"], indirect=True)
def test_convert__split_option(root: Path, name: str) -> None:
    data = LAYOUTS["davis"].write(Path("data"))
    if "\0" not in name:
        (data / "ImageSets/2017/a").mkdir()
        write(data / "ImageSets/2017" / f"{name}.txt", "first\n")
    masks(Path("in/first"))
    for index in range(FRAMES):
        write(Path(f"raw/0_{index}_mask.png"), mask())
    refuse(root, "convert", "raw", "out", "--data", "data", "--split", name)
    refuse(root, "convert", "in", "out.zip", "--to", "zip", "--data", "data", "--split", name)


@needs_odd_files
@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize("to", ["davis", "coco", "zip", "overlay"])
@pytest.mark.parametrize("kind", ["sequence", "frame"])
def test_convert__names_in_folders(root: Path, kind: str, to: str, name: str) -> None:
    if to == "coco":
        pytest.importorskip("pycocotools")
    output = {"coco": "out.json", "zip": "out.zip"}.get(to, "out")
    for path, content in (("{}.png", mask()), ("{}.npz", "not read")):
        shutil.rmtree("in", ignore_errors=True)
        write(Path("in", path.format(f"{name}/00000" if kind == "sequence" else f"first/{name}")), content)
        LAYOUTS["davis"].write(Path("data"))
        data = ("--data", "data") if to == "overlay" else ()
        refuse(root, "convert", "in", output, "--to", to, *data)


@needs_odd_files
@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize("layout", ["davis", "youtube-vos"])
def test_convert__names_in_a_data_set(root: Path, layout: str, name: str) -> None:
    below = "480p" if layout == "davis" else ""
    masks(Path("in/first"))
    for frames in (f"first/{name}.jpg", f"{name}/00000.jpg"):
        shutil.rmtree("data", ignore_errors=True)
        write(Path("data/JPEGImages", below, frames), picture(".jpg"))
        write(Path("data/Annotations", below, frames).with_suffix(".png"), mask())
        options = ("--data", "data", "--layout", layout, "--split", "all")
        refuse(root, "convert", "in", "out.zip", "--to", "zip", *options)


@every_name
def test_convert__names_in_a_zip(root: Path, name: str) -> None:
    write_zip(Path("in.zip"), f"{name}/00000.png", f"{name}.png")
    if name != ".":
        refuse(root, "convert", "in.zip", "out")
    write_zip(Path("in.zip"), name + ".png")
    for parent in (Path("out"), Path("in")):
        fill(parent, name, masks)
    before = snapshot(root)
    code, _ = sfc("convert", "in.zip", "out")
    assert code == 3
    assert snapshot(root) == before


@every_name
@pytest.mark.parametrize("field", ["video", "videos", "file_name"])
def test_convert__names_in_coco(root: Path, field: str, name: str) -> None:
    image: dict[str, object] = {"id": 1, "width": 8, "height": 6, "file_name": "first/00000.png"}
    image |= {"video": {"video": name}, "videos": {"video_id": 7}, "file_name": {"file_name": name}}[field]
    segmentation = {"size": [6, 8], "counts": [6, 6, 36]}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": segmentation}
    content = {"images": [image], "videos": [{"id": 7, "name": name}], "annotations": [annotation]}
    write(Path("in.json"), json.dumps(content))
    fill(Path("out"), name, masks)
    before = snapshot(root)
    code, said = sfc("convert", "in.json", "out")
    after = snapshot(root)
    # Tools write whole paths: only the last folder and the file name are used.
    assert code == 3 or (code == 0 and field == "file_name"), said
    changed = {path for path in before | after if before.get(path) != after.get(path)}
    assert all(path.startswith("deep/desk/out") for path in changed)
    if code == 3:
        assert not changed


# --- Downloads ---------------------------------------------------------------------------------------------


def write_zip(path: Path, *members: str) -> Path:
    path.unlink(missing_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for member in members:
            info = zipfile.ZipInfo()
            # Set later, because ZipInfo would cut the name at a NUL.
            info.filename = member
            archive.writestr(info, mask())
    return path


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


# --- Training ----------------------------------------------------------------------------------------------


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
