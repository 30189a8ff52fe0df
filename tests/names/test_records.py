"""No name may lead out of its folder: those in records of runs and of downloads."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import yaml

from sfc_cli.settings.locations import assets_folder
from tests.names.driving import RUN, every_name
from tests.surroundings import LAYOUTS, masks, refuse, sfc, snapshot, write


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
