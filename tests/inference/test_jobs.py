import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.davis import DavisDataset
from sfc_cli.errors import InputError
from sfc_cli.inference.jobs import Job, open_output, prepare_jobs, share_of
from sfc_cli.inference.record import RunRecord
from sfc_cli.settings import PropagationSettings

MakeDavis = Callable[..., Path]


def _job(name: str, frames: int) -> Job:
    paths = tuple(Path(f"{t:05d}.jpg") for t in range(frames))
    return Job(name=name, frames=paths, first_mask=np.ones((2, 2), np.uint8))


def _record(folder: Path, **settings: int) -> RunRecord:
    return RunRecord(
        dataset="made",
        data=folder / "data",
        fine_grained="random18",
        semantic=None,
        settings=PropagationSettings(**settings),
        precision="exact",
        checkpoints={},
        device="cpu",
        backend="windowed",
    )


def test_prepare_jobs__what_is_to_be_done(make_davis: MakeDavis) -> None:
    data = make_davis({"b": 3, "a": 2})
    jobs = prepare_jobs(DavisDataset(root=data), ["b", "a"])
    assert [(job.name, len(job.frames)) for job in jobs] == [("b", 3), ("a", 2)]
    assert jobs[0].first_mask.shape == (48, 64)
    assert jobs[0].outputs(Path("out"))[2] == Path("out/b/00002.png")


def test_prepare_jobs__counts_the_problems(make_davis: MakeDavis) -> None:
    data = make_davis({"a": 2, "b": 1, "c": 1})
    with pytest.raises(InputError, match="Sequence b has a single frame") as caught:
        prepare_jobs(DavisDataset(root=data), ["a", "b", "c"])
    assert "1 more sequences have problems" in caught.value.hint


@pytest.mark.parametrize("world", [1, 2, 3, 5])
def test_share_of__every_sequence_once(world: int) -> None:
    jobs = [_job(f"s{number}", 10 + 7 * number % 50) for number in range(11)]
    shares = [share_of(jobs, rank, world) for rank in range(world)]
    assert sorted(job.name for share in shares for job in share) == sorted(job.name for job in jobs)
    loads = [sum(len(job.frames) for job in share) for share in shares]
    assert max(loads) - min(loads) <= max(len(job.frames) for job in jobs)


def test_share_of__longest_first() -> None:
    jobs = [_job("short", 3), _job("long", 90), _job("middle", 40), _job("other", 40)]
    assert [job.name for job in share_of(jobs, 0, 2)] == ["long"]
    assert [job.name for job in share_of(jobs, 1, 2)] == ["middle", "other", "short"]


def test_prepare_jobs__size_as_the_frame_is_shown(make_davis: MakeDavis) -> None:
    # A phone stores a portrait lying down, with a note to turn it; OpenCV turns it, and so do viewers.
    from PIL import Image

    data = make_davis({"only": 2}, size=(48, 64))
    path = data / "JPEGImages" / "480p" / "only" / "00000.jpg"
    with Image.open(path) as image:
        note = image.getexif()
        note[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(path, exif=note)
    assert prepare_jobs(DavisDataset(root=data), ["only"])[0].first_mask.shape == (48, 64)


def test_open_output__other_settings_remove_what_a_killed_run_had_begun(tmp_path: Path) -> None:
    output = tmp_path / "out"
    first = _record(tmp_path)
    open_output(output, first, ["a", "b"], overwrite=False)
    # Killed before any sequence entered the record, with the masks of one complete.
    (output / "a").mkdir()
    (output / "a" / "00000.png").write_bytes(b"old")
    open_output(output, _record(tmp_path, top_k=3), ["b"], overwrite=True)
    assert not (output / "a" / "00000.png").exists()
    assert json.loads((output / "run.json").read_text())["planned"] == ["b"]


def test_open_output__same_settings_keep_what_other_runs_planned(tmp_path: Path) -> None:
    output = tmp_path / "out"
    open_output(output, _record(tmp_path), ["a"], overwrite=False)
    (output / "a").mkdir()
    (output / "a" / "00000.png").write_bytes(b"mask")
    open_output(output, _record(tmp_path), ["b"], overwrite=True)
    assert (output / "a" / "00000.png").exists()
    assert json.loads((output / "run.json").read_text())["planned"] == ["a", "b"]
