from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.data.frame_folders import FrameIndex, index_frames
from sfc_cli.errors import UsageError
from sfc_cli.training.plan import FrameRequest, Plan


def paths(requests: list[FrameRequest]) -> list[Path]:
    return [request.path for request in requests]


def test_plan__draws_without_replacement_and_at_most_clips(make_frames: Callable, small: Callable) -> None:
    index = index_frames(make_frames({"long": 20, "short": 3}))
    plan = Plan(index, small(clips_per_video=5))
    assert plan.steps_per_epoch == 4
    epoch = [path for step in range(4) for path in paths(plan.batch(step, 0, 0))]
    assert len(set(epoch)) == len(epoch) == 8
    assert sum(path.parent.name == "long" for path in epoch) == 5


def test_plan__shuffles_each_epoch_anew_over_all_videos(make_frames: Callable, small: Callable) -> None:
    index = index_frames(make_frames({"a": 8, "b": 8}))
    plan = Plan(index, small())
    epochs = [
        [path for step in range(8) for path in paths(plan.batch(8 * epoch + step, 0, 0))] for epoch in (0, 1)
    ]
    assert sorted(epochs[0]) == sorted(epochs[1])
    assert epochs[0] != epochs[1]
    assert len({path.parent.name for path in epochs[0][:8]}) == 2


def test_plan__gives_ranks_disjoint_shares_of_the_larger_batch(
    make_frames: Callable, small: Callable
) -> None:
    index = index_frames(make_frames({"a": 20}))
    two = Plan(index, small(batch_size=3), world=2)
    one = Plan(index, small(batch_size=6))
    accumulating = Plan(index, small(batch_size=3, accumulate=2))
    assert two.total_steps == one.total_steps == accumulating.total_steps
    for step in range(two.total_steps):
        shares = [two.batch(step, 0, rank) for rank in (0, 1)]
        assert not set(paths(shares[0])) & set(paths(shares[1]))
        assert shares[0] + shares[1] == one.batch(step, 0, 0)
        assert shares == [accumulating.batch(step, part, 0) for part in (0, 1)]


def test_plan__finds_a_step_again_from_its_number_alone(index: FrameIndex, small: Callable) -> None:
    whole = list(Plan(index, small()).batches(0, 0, 8))
    assert list(Plan(index, small()).batches(0, 5, 8)) == whole[5:]
    assert list(Plan(index, small(seed=1)).batches(0, 0, 8)) != whole
    assert len({request.entropy for batch in whole for request in batch}) == 16


def test_plan__refuses_data_smaller_than_a_step(index: FrameIndex, small: Callable) -> None:
    with pytest.raises(
        UsageError, match=r"9 frames, fewer than the 12 of one step .*--batch-size 6.* 2 processes"
    ):
        Plan(index, small(batch_size=6), world=2)
