"""A video whose run was interrupted goes on where it stopped, and no byte of its results differs."""

import io
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch

from sfc_cli.core.features import FeatureExtractor
from tests.commands.footage import (
    FRAMES,
    make_frames,
    propagation,
    write_images,
    write_mask_of,
    write_video,
)
from tests.commands.running import files_in, record_in, run_propagation

# A window of two frames has left the first mask behind at the third.
CONTEXT = 2
LONG = ("--context-frames", str(CONTEXT), "--fc", "random18")
EVERYTHING = ("--overlay", "--cutout", "--soft")


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the frames that pass the networks; the run is interrupted at the one whose number is given."""
    counted: list[int] = [0, -1]
    plain = FeatureExtractor.__call__

    def call(
        self: FeatureExtractor, frames: torch.Tensor, types: list[torch.dtype] | None = None
    ) -> torch.Tensor:
        if counted[0] == counted[1]:
            raise KeyboardInterrupt
        counted[0] += 1
        return plain(self, frames, types)

    monkeypatch.setattr(FeatureExtractor, "__call__", call)
    return counted


def _run(output: str, *arguments: object) -> int:
    result = run_propagation(*arguments, "--output", output)
    assert result.exit_code in (0, 130), result.output
    return result.exit_code


def _files(folder: str) -> dict[str, bytes]:
    return {name: content for name, content in files_in(folder).items() if Path(name).name != "run.json"}


def _compare(folder: str, expected: dict[str, bytes]) -> None:
    found = _files(folder)
    assert sorted(found) == sorted(expected)
    different = [name for name in found if found[name] != expected[name]]
    # Compressed archives carry the time of writing.
    assert [name for name in different if not name.endswith((".npz", ".mp4"))] == []
    for name in different:
        if name.endswith(".mp4"):
            _compare_films(found[name], expected[name])


def _compare_films(found: bytes, expected: bytes) -> None:
    """An encoder with several threads may spread its bits in more than one way."""
    (times, pictures), (expected_times, expected_pictures) = _pictures(found), _pictures(expected)
    assert times == expected_times
    assert np.abs(pictures - expected_pictures).mean(axis=(1, 2, 3)).max() < 2


def _pictures(film: bytes) -> tuple[list[float], Any]:
    with av.open(io.BytesIO(film)) as container:
        frames = list(container.decode(video=0))
    return [frame.time for frame in frames], np.stack(
        [frame.to_ndarray(format="rgb24") for frame in frames], dtype=float
    )


def _video() -> list[object]:
    return [write_video(Path("video.mp4"), make_frames()), "--mask", write_mask_of(Path("first.png"), 0)]


def _images() -> list[object]:
    return [write_images(Path("shots"), make_frames()), "--mask", write_mask_of(Path("first.png"), 0)]


def _two_masks() -> list[object]:
    later = write_mask_of(Path("later.png"), 4, 2)
    return [*_images(), "--mask", f"4:{later}"]


def _three_masks() -> list[object]:
    # The second takes the red box from the first, the third all that is left of the first.
    return [
        *_images(),
        *("--mask", f"2:{write_mask_of(Path('second.png'), 2, 1)}"),
        *("--mask", f"5:{write_mask_of(Path('third.png'), 5, 2)}"),
    ]


def _later_first_mask() -> list[object]:
    return [write_images(Path("shots"), make_frames()), "--mask", f"3:{write_mask_of(Path('m.png'), 3)}"]


@pytest.mark.parametrize("stopped_at", [0, 1, 2, 3, 5, FRAMES - 1])
@pytest.mark.parametrize(
    "subject",
    [
        _video,
        pytest.param(_images, marks=pytest.mark.slow),
        pytest.param(_two_masks, marks=pytest.mark.slow),
        _three_masks,
        pytest.param(_later_first_mask, marks=pytest.mark.slow),
    ],
    ids=lambda one: one.__name__,
)
def test_propagate__goes_on_where_it_was_interrupted(
    calls: list[int], subject: Callable[[], list[object]], stopped_at: int
) -> None:
    arguments = [*subject(), *LONG, *EVERYTHING]
    assert _run("whole", *arguments) == 0
    frames = calls[0]
    calls[:] = [0, min(stopped_at, frames - 1)]
    assert _run("out", *arguments) == 130
    kept = [int(path.stem) for path in Path("out/.resume").glob("*/[0-9]*.npz")]
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    # What is done passes the networks again only as context, or where a mask starts.
    anchors = sum(1 for argument in arguments if argument == "--mask")
    assert calls[0] <= min(frames, FRAMES - max(kept, default=-1) - 1 + CONTEXT + anchors)
    _compare("out", _files("whole"))
    assert not Path("out/.resume").exists()


@pytest.mark.parametrize("stopped_at", [0, 2, 4, 7, 9, 12, 14])
def test_propagate__both_ways_go_on(calls: list[int], stopped_at: int) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 2)
    arguments = [*_images(), "--mask", f"{FRAMES - 2}:{last}", "--both-ways", *LONG, *EVERYTHING]
    assert _run("whole", *arguments) == 0
    frames = calls[0]
    assert frames == 2 * FRAMES - 1
    calls[:] = [0, stopped_at]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    assert calls[0] <= frames - stopped_at + CONTEXT + 4
    _compare("out", _files("whole"))


def test_propagate__interrupted_twice(calls: list[int]) -> None:
    arguments = [*_two_masks(), *LONG, *EVERYTHING]
    assert _run("whole", *arguments) == 0
    for stopped_at in (3, 5):
        calls[:] = [0, stopped_at]
        assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))


def test_propagate__the_published_window_goes_on(calls: list[int]) -> None:
    arguments = [*_images(), "--fc", "random18"]
    assert _run("whole", *arguments) == 0
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))


@pytest.mark.parametrize("backend", ["reference", "windowed"])
def test_propagate__every_backend_goes_on(calls: list[int], backend: str) -> None:
    arguments = [*_two_masks(), *LONG, "--backend", backend]
    assert _run("whole", *arguments) == 0
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))


@pytest.mark.parametrize(
    "lost", ["out/shots/00001.png", "out/soft/shots/00000.npz", "out/.resume/shots/rows.csv"]
)
def test_propagate__what_was_lost_in_between_is_made_again(calls: list[int], lost: str) -> None:
    arguments = [*_images(), *LONG, *EVERYTHING]
    assert _run("whole", *arguments) == 0
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    Path(lost).unlink()
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))


def test_propagate__mask_of_an_uncounted_video_was_lost(calls: list[int]) -> None:
    arguments = [*_video(), *LONG]
    assert _run("whole", *arguments) == 0
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    # A killed run may have written masks of frames that it did not finish.
    Path("out/video/00001.png").rename("out/video/00008.png")
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))


def test_propagate__frame_of_a_data_set_was_changed(
    calls: list[int], make_davis: Callable[..., Path]
) -> None:
    data = make_davis({"a": 8})
    arguments = ["--data", data, *LONG]
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    frames = sorted((data / "JPEGImages" / "480p" / "a").iterdir())
    shutil.copy(frames[0], frames[2])
    assert _run("whole", *arguments) == 0
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))


def test_propagate__long_name_beyond_ascii() -> None:
    shots = write_images(Path("日" * 60), make_frames(3))
    assert _run("out", shots, "--mask", write_mask_of(Path("m.png"), 0), *LONG) == 0


def test_propagate__rate_counts_the_frames_of_this_run(calls: list[int]) -> None:
    arguments = [*_images(), *LONG]
    calls[:] = [0, 7]
    assert _run("out", *arguments) == 130
    kept = max(int(path.stem) for path in Path("out/.resume/shots").glob("[0-9]*.npz")) + 1
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    entry = record_in("out")["sequences"]["shots"]
    assert entry["frames"] == FRAMES
    assert entry["frames_per_second"] * entry["seconds"] == pytest.approx(FRAMES - kept, rel=0.05)


@pytest.mark.parametrize("stopped_at", [None, 3, FRAMES])
def test_propagate__both_ways_add_up(calls: list[int], stopped_at: int | None) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 1)
    arguments = [*_images()[:1], "--mask", f"{FRAMES - 1}:{last}", "--both-ways", *LONG]
    if stopped_at is not None:
        calls[:] = [0, stopped_at]
        assert _run("out", *arguments) == 130
        calls[:] = [0, -1]
    result = run_propagation(*arguments, "--output", "out", "--json")
    events = [json.loads(line) for line in result.stdout.splitlines()]
    totals = {event["total"] for event in events if event["event"] in ("plan", "begin")}
    assert totals == {2 * FRAMES}
    assert max(event["done"] for event in events if event["event"] == "advance") == 2 * FRAMES


def test_propagate__more_is_wanted_when_it_goes_on(calls: list[int]) -> None:
    arguments = [*_images(), *LONG]
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("whole", *arguments, *EVERYTHING) == 0
    assert _run("out", *arguments, *EVERYTHING) == 0
    _compare("out", _files("whole"))


def test_propagate__overwrite_starts_over(calls: list[int]) -> None:
    arguments = [*_images(), *LONG]
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments, "--overwrite") == 0
    assert calls[0] == FRAMES


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_propagate__killed_video_goes_on() -> None:
    arguments = [*_two_masks(), *LONG, *EVERYTHING]
    assert _run("whole", *arguments) == 0
    expected = _files("whole")
    program = f"""
import os, signal
from pathlib import Path
import torch
torch.set_num_threads(1)
renames, plain = 0, Path.replace
def replace(self, target):
    global renames
    renames += 1
    if renames == 23:
        os.kill(os.getpid(), signal.SIGKILL)
    return plain(self, target)
Path.replace = replace
from sfc_cli.main import app
app({propagation(*arguments, "--output", "out")!r})
"""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    killed = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    done = len(list(Path("out/shots").glob("[!.]*.png")))
    assert 0 < done < FRAMES
    assert _run("out", *arguments) == 0
    _compare("out", expected)


IMPROVED = ("--protocol", "improved", "--size", "0", "--channels", "24")


@pytest.mark.parametrize("stopped_at", [1, 4, 6])
@pytest.mark.parametrize("subject", [_video, _three_masks], ids=lambda one: one.__name__)
def test_propagate__the_improved_protocol_goes_on(
    calls: list[int], subject: Callable[[], list[object]], stopped_at: int
) -> None:
    arguments = [*subject(), *LONG, *EVERYTHING, *IMPROVED]
    assert _run("whole", *arguments) == 0
    calls[:] = [0, stopped_at]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))
    records = [record_in(folder)["sequences"] for folder in ("whole", "out")]
    kept = [{k: v for k, v in next(iter(r.values())).items() if "second" not in k} for r in records]
    assert kept[0] == kept[1]
    assert kept[0]["least_sure"]["confidence"] < 1


def test_propagate__the_improved_protocol_goes_on_both_ways(calls: list[int]) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 2)
    arguments = [*_images(), "--mask", f"{FRAMES - 2}:{last}", "--both-ways", *LONG, *IMPROVED]
    assert _run("whole", *arguments) == 0
    for stopped_at in (4, 6):
        calls[:] = [0, stopped_at]
        assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))


@pytest.mark.parametrize("harm", [lambda path: path.unlink(), lambda path: path.write_text('["0000')])
def test_propagate__how_sure_finished_frames_were_is_lost(
    calls: list[int], harm: Callable[[Path], object]
) -> None:
    arguments = [*_images(), *LONG]
    assert _run("whole", *arguments) == 0
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    (log,) = Path("out").rglob("certainty.jsonl")
    harm(log)
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    _compare("out", _files("whole"))
    whole, found = (record_in(folder) for folder in ("whole", "out"))
    assert found["sequences"]["shots"]["least_sure"] == whole["sequences"]["shots"]["least_sure"]


def test_propagate__a_long_memory_starts_over_both_ways(calls: list[int]) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 2)
    arguments = [*_images(), "--mask", f"{FRAMES - 2}:{last}", "--both-ways", *LONG, "--long-memory", "1"]
    assert _run("whole", *arguments) == 0
    count = calls[0]
    calls[:] = [0, 6]
    assert _run("out", *arguments) == 130
    calls[:] = [0, -1]
    assert _run("out", *arguments) == 0
    assert calls[0] == count
    _compare("out", _files("whole"))
