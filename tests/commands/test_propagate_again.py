"""``sfc propagate`` typed again: what is complete or missing, other settings, leftovers, interruptions."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.data.masks import read_ids, write_mask
from tests.commands.running import (
    masks_in,
    propagate_data,
    record_in,
    refused,
    run_propagation,
    stamped_files_in,
)
from tests.core import published

pytestmark = pytest.mark.usefixtures("networks_built_once")
MakeDavis = Callable[..., Path]


def test_propagate__complete_sequences_are_skipped(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    before = stamped_files_in("out")
    sequences = record_in("out")["sequences"]
    result = propagate_data(data, "out")
    assert "2 sequences are complete already" in result.stderr
    after = stamped_files_in("out")
    assert {k: v for k, v in after.items() if k != "run.json"} == {
        k: v for k, v in before.items() if k != "run.json"
    }
    assert record_in("out")["sequences"] == sequences


def test_propagate__goes_on_with_what_is_missing(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    before = stamped_files_in("out")
    Path("out/second/00001.png").unlink()
    result = propagate_data(data, "out")
    assert "1 sequence is complete already" in result.stderr
    assert "second: 3 frames" in result.stderr
    after = stamped_files_in("out")
    assert {name: content for name, (content, _) in after.items() if name.endswith("png")} == {
        name: content for name, (content, _) in before.items() if name.endswith("png")
    }
    assert after["first/00001.png"] == before["first/00001.png"]


def test_propagate__changed_first_mask_is_done_again(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    path = data / "Annotations" / "480p" / "second" / "00000.png"
    changed = read_ids(path).copy()
    changed[changed == 2] = 9
    write_mask(path, changed)
    propagate_data(data, "out")
    assert 9 in read_ids(Path("out/second/00002.png"))


def test_propagate__other_settings_are_refused(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    before = stamped_files_in("out")
    result = run_propagation(
        "--data", data, "--fc", "random18", "-o", "out", "--top-k", "3", "--batchnorm", "checkpoint"
    )
    refused(result, 2, "out", "top_k 10 → 3", "batchnorm released → checkpoint", "--overwrite")
    assert stamped_files_in("out") == before


def test_propagate__another_data_set_is_refused(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis()
    propagate_data(data, "out")
    shutil.copytree(data, tmp_path / "other")
    result = run_propagation("--data", tmp_path / "other", "--fc", "random18", "-o", "out")
    refused(result, 2, data, tmp_path / "other")


def test_propagate__changed_checkpoint_is_refused(make_davis: MakeDavis, tmp_path: Path) -> None:
    data = make_davis({"only": 2})
    path = published.write(tmp_path / "weights", "crw", published.plausible())
    options = ("--data", data, "--fc", "crw", "--checkpoints", path.parent, "-o", "out")
    assert run_propagation(*options).exit_code == 0
    published.write(tmp_path / "weights", "crw", published.constants("resnet18", start=0.5))
    refused(run_propagation(*options), 2, "another checkpoint under the same name")


def test_propagate__overwrite_replaces_all_of_other_settings(make_davis: MakeDavis) -> None:
    # What stayed of the old settings would pass for complete in the next run.
    data = make_davis()
    propagate_data(data, "out", "--overlay", "frames")
    propagate_data(data, "out", "--top-k", 3, "--overwrite", "--sequences", "first")
    assert {name.split("/")[0] for name in masks_in("out")} == {"first"}
    assert not list(Path("out/overlay").rglob("*.jpg"))
    record = record_in("out")
    assert record["settings"]["top_k"] == 3
    assert set(record["sequences"]) == {"first"}


def test_propagate__overwrite_of_the_same_settings_spares_other_sequences(make_davis: MakeDavis) -> None:
    data = make_davis()
    propagate_data(data, "out")
    before = stamped_files_in("out")
    propagate_data(data, "out", "--overwrite", "--sequences", "first")
    after = stamped_files_in("out")
    assert after["second/00001.png"] == before["second/00001.png"]
    assert after["first/00001.png"][0] == before["first/00001.png"][0]
    assert after["first/00001.png"][1] > before["first/00001.png"][1]
    assert set(record_in("out")["sequences"]) == {"first", "second"}


def test_propagate__folder_of_something_else_is_refused(make_davis: MakeDavis) -> None:
    Path("out").mkdir()
    Path("out/thesis.tex").write_text("important")
    result = run_propagation("--data", make_davis(), "--fc", "random18", "-o", "out")
    refused(result, 2, "out is not empty", "--overwrite")
    assert [path.name for path in Path("out").iterdir()] == ["thesis.tex"]
    propagate_data(make_davis(), "out", "--overwrite")
    assert Path("out/thesis.tex").read_text() == "important"


def test_propagate__damaged_record(make_davis: MakeDavis) -> None:
    Path("out").mkdir()
    Path("out/run.json").write_text('{"half":')
    refused(run_propagation("--data", make_davis(), "--fc", "random18", "-o", "out"), 3, "out/run.json")


def test_propagate__leftovers_of_a_killed_run(make_davis: MakeDavis) -> None:
    # Killed before its record had its name, and then in the middle of a mask.
    data = make_davis({"only": 2})
    Path("out/only").mkdir(parents=True)
    Path("out/only").rmdir()
    Path("out/.run.json.99.part").write_text("{")
    propagate_data(data, "out")
    Path("out/only/00001.png").rename("out/only/.00001.png.99.part")
    propagate_data(data, "out")
    assert sorted(path.name for path in Path("out").rglob("*") if path.is_file()) == [
        "00000.png",
        "00001.png",
        "run.json",
    ]


def test_propagate__interrupted_by_the_user(make_davis: MakeDavis, monkeypatch: pytest.MonkeyPatch) -> None:
    from sfc_cli.inference import sequences

    data = make_davis()
    propagate_data(data, "whole")

    def read(path: Path) -> object:
        if path.parent.name == "second" and path.name == "00001.jpg":
            raise KeyboardInterrupt
        return plain(path)

    plain = sequences.read_frame
    with monkeypatch.context() as patch:
        patch.setattr(sequences, "read_frame", read)
        result = run_propagation("--data", data, "--fc", "random18", "-o", "out")
    assert result.exit_code == 130
    kept = len(list(Path("out").rglob("*.png")))
    assert (
        f"interrupted; {kept} masks kept in out; to go on, type the same command without --overw"
        in result.stderr
    )
    assert len(list(Path("out/first").glob("*.png"))) == 4
    propagate_data(data, "out")
    assert masks_in("out") == masks_in("whole")
