"""Masks that are changed and propagated again equal those of a run in one piece, and little is computed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.data.videos import ALL_FRAMES
from sfc_cli.errors import UsageError
from sfc_cli.inference.networks import NetworkChoice
from sfc_cli.inference.own_video import FrameMask, open_own_video
from sfc_cli.inference.run import Run
from sfc_cli.progress import Silent
from sfc_cli.settings.propagation import OutputChoice, SettingsChoice
from tests.commands.footage import make_frames, mask_of, write_images

FRAMES = 12
Masks = dict[int, Sequence[int]]


class Listener(Silent):
    """Notes which frames were computed, and can stop the run at one of them."""

    def __init__(self, stop_at: int | None = None) -> None:
        self.frames: list[int] = []
        self.stop_at = stop_at

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:  # noqa: ARG002
        if isinstance(frame := facts.get("frame"), int):
            self.frames.append(frame)
        if count and self.stop_at is not None and len(self.frames) >= self.stop_at:
            raise KeyboardInterrupt


class Studio:
    """Revises one results folder, and compares it with runs in one piece."""

    def __init__(self, folder: Path, protocol: Any) -> None:
        self.folder = folder
        self.clip = write_images(folder / "walk", make_frames(FRAMES))
        self.choice = NetworkChoice(
            protocol=protocol, settings=SettingsChoice(context_frames=3), device="cpu"
        )

    def run(self, masks: Masks, output: Path, **options: bool) -> Run:
        files = []
        for index, objects in masks.items():
            path = self.folder / f"mask-{index}-{'-'.join(map(str, objects))}.png"
            # Not quite the truth, so that a correction matters.
            write_mask(path, np.roll(mask_of(index, *objects), 2, axis=0))
            files.append(FrameMask(path=path, frame=str(index)))
        own = open_own_video(
            [str(self.clip)], masks=files, selection=ALL_FRAMES, size=64, enlarge=False, **options
        )
        return Run.over_video(own, output=output, networks=self.choice)

    def revise(self, masks: Masks, listener: Listener | None = None, **options: bool) -> list[int]:
        listener = listener or Listener()
        self.run(masks, self.folder / "out", **options).execute(listener, revises=True)
        return listener.frames

    def is_like_one_run(self, masks: Masks, **options: bool) -> bool:
        output = self.folder / "whole"
        self.run(masks, output, **options).execute(Silent(), OutputChoice(objects=True), overwrite=True)
        for name in ("objects.csv",):
            assert (self.folder / "out" / name).read_text() == (output / name).read_text()
        expected = {path.name: read_ids(path) for path in (output / "walk").glob("*.png")}
        found = {path.name: read_ids(path) for path in (self.folder / "out" / "walk").glob("*.png")}
        assert found.keys() == expected.keys()
        return all(np.array_equal(found[name], expected[name]) for name in expected)


@pytest.fixture
def studio(tmp_path: Path) -> Studio:
    return Studio(tmp_path, "improved")


def test_revise__computes_only_what_a_correction_changes(studio: Studio) -> None:
    assert studio.revise({0: (1, 2)}) == list(range(FRAMES))
    assert studio.revise({0: (1, 2)}) == []
    # One object is corrected: the other goes on from the first frame, whose labels were kept.
    assert studio.revise({0: (1, 2), 9: (1,)}) == list(range(9, FRAMES))
    assert studio.is_like_one_run({0: (1, 2), 9: (1,)})
    # What comes after the next mask of the same object stays; what arrives there is shared again.
    assert studio.revise({0: (1, 2), 4: (1,), 9: (1,)}) == list(range(4, 10))
    assert studio.is_like_one_run({0: (1, 2), 4: (1,), 9: (1,)})
    # A mask is taken back.
    assert studio.revise({0: (1, 2), 9: (1,)}) == list(range(4, 10))
    assert studio.is_like_one_run({0: (1, 2), 9: (1,)})


def test_revise__an_object_that_enters_later(tmp_path: Path) -> None:
    studio = Studio(tmp_path, "published")
    studio.revise({0: (1,)})
    assert studio.revise({0: (1,), 6: (2,)}) == list(range(6, FRAMES))
    assert studio.is_like_one_run({0: (1,), 6: (2,)})


def test_revise__stopped_and_taken_up_again(studio: Studio) -> None:
    stopped = Listener(stop_at=5)
    with pytest.raises(KeyboardInterrupt):
        studio.revise({0: (1, 2)}, stopped)
    done = stopped.frames
    assert 5 <= len(done) < FRAMES
    assert studio.revise({0: (1, 2)}) == list(range(len(done), FRAMES))
    assert studio.is_like_one_run({0: (1, 2)})


def test_revise__both_ways_and_backwards(studio: Studio) -> None:
    studio.revise({5: (1, 2)}, both_ways=True)
    assert studio.is_like_one_run({5: (1, 2)}, both_ways=True)
    studio.revise({5: (1, 2), 10: (1, 2)}, both_ways=True)
    assert studio.is_like_one_run({5: (1, 2), 10: (1, 2)}, both_ways=True)
    assert studio.revise({5: (1, 2), 10: (1, 2), 7: (1,)}, both_ways=True) == list(range(5, 11))
    assert studio.is_like_one_run({5: (1, 2), 7: (1,), 10: (1, 2)}, both_ways=True)
    studio.revise({5: (1, 2)}, backwards=True)
    assert studio.is_like_one_run({5: (1, 2)}, backwards=True)
    assert len(list((studio.folder / "out" / "walk").glob("*.png"))) == 6
    studio.revise({5: (1, 2)})
    assert studio.is_like_one_run({5: (1, 2)})


def test_revise__other_settings_are_refused(studio: Studio) -> None:
    studio.revise({0: (1, 2)})
    studio.choice = NetworkChoice(settings=SettingsChoice(context_frames=4), device="cpu")
    with pytest.raises(UsageError, match="other settings"):
        studio.revise({0: (1, 2), 3: (1,)})
