from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.videos import ALL_FRAMES, Selection, parse_moment
from sfc_cli.inference.networks import NetworkChoice
from sfc_cli.inference.own_video import FrameMask, open_own_video
from sfc_cli.inference.run import Run
from sfc_cli.progress import Silent
from sfc_cli.settings.propagation import OutputChoice
from sfc_cli.studio.propagation_worker import Work, run_work
from sfc_cli.studio.reopening import is_results, reopen, take_over_masks
from tests.commands.footage import make_frames, mask_of, write_images
from tests.studio.conftest import Open, api, client_of


class Heard(Silent):
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str, **facts: object) -> None:  # noqa: ARG002
        self.lines.append(text)


def work_of(folder: Path, **given: Any) -> Work:
    clip = folder / "walk"
    if not clip.is_dir():
        write_images(clip, make_frames(5))
    write_mask(folder / "mask.png", mask_of(1))
    return Work(
        **{
            "sources": [str(clip)],
            "selection": ALL_FRAMES,
            "frames_per_second": None,
            "masks": [(1, folder / "mask.png")],
            "direction": "forwards",
            "size": 64,
            "networks": {"device": "cpu"},
            "output": folder / "out",
            "choice": OutputChoice(objects=True),
            **given,
        }
    )


def test_run_work__writes_the_results_folder_of_the_command_line(tmp_path: Path) -> None:
    choice = OutputChoice(overlay="video", cutout=True, objects=True)
    written = run_work(work_of(tmp_path, choice=choice, coco=True), Silent())
    out = tmp_path / "out"
    assert {path.name for path in written} == {"walk", "objects.csv", "run.json", "walk.mp4", "masks.json"}
    assert all(path.exists() for path in written)
    assert len(json.loads((out / "masks.json").read_text())["annotations"]) == 8
    assert len(list((out / "cutout" / "walk").glob("*.png"))) == 4
    # The command line takes the folder for its own: there is nothing left to do.
    own = open_own_video(
        [str(tmp_path / "walk")],
        masks=[FrameMask(path=tmp_path / "mask.png", frame="1")],
        selection=ALL_FRAMES,
        size=64,
    )
    heard = Heard()
    run = Run.over_video(own, output=out, networks=NetworkChoice(device="cpu"))
    run.execute(heard, choice)
    assert "complete already" in heard.lines[0]


def test_reopen__a_run_of_the_command_line(tmp_path: Path, open_bench: Open) -> None:
    selection = Selection(start=parse_moment("1", "start"))
    run_work(work_of(tmp_path, selection=selection), Silent())
    assert is_results(tmp_path / "out")
    assert not is_results(tmp_path / "walk")
    opening = reopen(tmp_path / "out")
    assert opening.start == "1"
    assert opening.sources == [str(tmp_path / "walk")]
    assert opening.networks["fine_grained"] == "mini"
    bench = open_bench(sources=opening.sources, output=opening.output, start="1")
    take_over_masks(bench)
    state = client_of(bench).get(api("state")).json()
    assert state["anchors"] == {"0": [1, 2]}
    assert len(state["frames"]) == 5
    assert np.array_equal(read_ids(bench.project.mask_path(0)), mask_of(1))
    # What was painted there is what the next start goes on with.
    assert reopen(tmp_path / "out").start == "1"


def test_reopen__the_video_is_gone(tmp_path: Path) -> None:
    run_work(work_of(tmp_path), Silent())
    (tmp_path / "walk").rename(tmp_path / "moved")
    with pytest.raises(Exception, match="not at"):
        reopen(tmp_path / "out")
