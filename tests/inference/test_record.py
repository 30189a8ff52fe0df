import json
from pathlib import Path
from typing import Any

import pytest

from sfc_cli.data.results import ResultsFolder, read_record
from sfc_cli.errors import InputError
from sfc_cli.inference.record import RunRecord, differences, open_results
from sfc_cli.settings.propagation import PRESETS, PropagationSettings


def _record(**changes: Any) -> RunRecord:
    content: dict[str, Any] = {
        "dataset": "davis",
        "data": Path("/data/davis"),
        "fine_grained": "fine-grained",
        "semantic": "mocov1",
        "settings": PRESETS["sfc"],
        "precision": "exact",
        "checkpoints": {"fc": {"file": "a.pth", "sha256": "12"}},
        "device": "cpu",
        "backend": "windowed",
    }
    return RunRecord(**{**content, **changes})


def test_record__survives_its_file(tmp_path: Path) -> None:
    record = _record()
    record.sequences["b"] = {"frames": 2}
    record.sequences["a"] = {"frames": 3}
    record.write(ResultsFolder(tmp_path))
    stored = read_record(tmp_path)
    assert stored is not None
    assert differences(stored, record.identity()) == []
    assert list(stored["sequences"]) == ["a", "b"]
    assert stored["command"] == "propagate"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": PRESETS["single"]}, ["top_k 15 → 10", "radius 15.0 → 12.0", "temperature 0.1 → 0.05"]),
        ({"semantic": None}, ["semantic mocov1 → none"]),
        ({"precision": "fast"}, ["precision exact → fast"]),
        # The same word on another processor.
        ({"data_type": "bfloat16"}, ["data_type float32 → bfloat16"]),
        ({"data": Path("/elsewhere")}, ["data /data/davis → /elsewhere"]),
        ({"checkpoints": {"fc": {"file": "a.pth", "sha256": "34"}}}, ["another checkpoint"]),
        # Where and how it is computed makes no other run of it.
        ({"device": "H100", "backend": "fused", "dataset": "mine"}, []),
    ],
)
def test_differences__one_phrase_each(change: dict[str, Any], said: list[str]) -> None:
    found = differences(json.loads(_record().to_json()), _record(**change).identity())
    assert len(found) == len(said)
    for phrase, text in zip(found, said, strict=True):
        assert text in phrase


@pytest.mark.parametrize(
    ("precision", "device", "data_type", "said"),
    [
        ("exact", "cpu", "float32", []),
        ("exact", "H100", "float32", []),
        ("fast", "cpu", "float32", []),
        ("fast", "H100", "float16", ["data_type bfloat16 → float16"]),
    ],
)
def test_differences__records_before_the_data_type(
    precision: str, device: str, data_type: str, said: list[str]
) -> None:
    made_with = _record(precision=precision, device=device, data_type=data_type)
    old = json.loads(made_with.to_json())
    del old["settings"]["data_type"]
    assert differences(old, made_with.identity()) == said


def test_read_record__none_or_damaged(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    for content in ("{", "[1]", "", '{"sequences": [1]}', '{"settings": 3}'):
        (tmp_path / "run.json").write_text(content)
        with pytest.raises(InputError, match=r"run\.json"):
            read_record(tmp_path)


def _record_of(folder: Path, top_k: int = 10) -> RunRecord:
    return _record(data=folder / "data", settings=PropagationSettings(top_k=top_k))


def test_open_results__other_settings_remove_what_a_killed_run_had_begun(tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = _record_of(tmp_path)
    open_results(ResultsFolder(output), first, ["a", "b"], overwrite=False)
    # Killed before any sequence entered the record, with the masks of one complete.
    (output / "a").mkdir()
    (output / "a" / "00000.png").write_bytes(b"old")
    open_results(ResultsFolder(output), _record_of(tmp_path, top_k=3), ["b"], overwrite=True)
    assert not (output / "a" / "00000.png").exists()
    assert json.loads((output / "run.json").read_text())["planned"] == ["b"]


def test_open_results__same_settings_keep_what_other_runs_planned(tmp_path: Path) -> None:
    output = tmp_path / "out"
    open_results(ResultsFolder(output), _record_of(tmp_path), ["a"], overwrite=False)
    (output / "a").mkdir()
    (output / "a" / "00000.png").write_bytes(b"mask")
    open_results(ResultsFolder(output), _record_of(tmp_path), ["b"], overwrite=True)
    assert (output / "a" / "00000.png").exists()
    assert json.loads((output / "run.json").read_text())["planned"] == ["a", "b"]


def _video(*masks: str, **more: object) -> dict[str, object]:
    return {"path": "clip.mp4", "masks": list(masks), "both_ways": False, **more}


@pytest.mark.parametrize(
    ("was", "becomes", "found"),
    [
        (_video("0:ff86"), _video("0:2962"), ["another mask for frame 0"]),
        (_video("0:ff86"), _video("0:ff86", "57:1234"), ["a further mask for frame 57"]),
        (_video("0:ff86", "57:1234"), _video("0:ff86"), ["no mask for frame 57"]),
        (_video("0:ff86"), _video("3:ff86"), ["no mask for frame 0", "a further mask for frame 3"]),
        (
            _video("0:ff86", start="frame 9"),
            _video("0:2962", start="frame 9"),
            ["another mask for frame 0 of those taken"],
        ),
        (_video("0:ff86", end=None), _video("0:ff86", end="frame 5"), ["end none → frame 5"]),
        (_video("0:ff86"), {**_video("0:ff86"), "both_ways": True}, ["both ways no → yes"]),
    ],
)
def test_differences__of_videos_in_words(was: dict, becomes: dict, found: list[str]) -> None:
    same = {"data": "clip.mp4", "settings": {}, "checkpoints": {}}
    assert differences({**same, "clip": was}, {**same, "clip": becomes}) == found
