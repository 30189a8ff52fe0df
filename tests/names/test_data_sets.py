"""No name may lead out of its folder: those of data sets, and of the options that choose from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.names.driving import RUN, drive, every_name, needs_odd_files
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
    refuse,
    sfc,
)

CASE = SHARED / "cases" / "datasets" / "vip-name-leads-out"


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
