from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.data.frame_index import FrameIndex, index_frames
from sfc_cli.errors import InputError, UsageError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.batches import Batch, FrameRequest, Plan, load_batches, worker_count

CPU = torch.device("cpu")


def paths(requests: list[FrameRequest]) -> list[Path]:
    return [request.path for request in requests]


def test_plan__draws_without_replacement_up_to_frames_per_video(
    make_frames: Callable, small: Callable
) -> None:
    index = index_frames(make_frames({"long": 20, "short": 3}))
    plan = Plan(index, small(frames_per_video=5))
    assert plan.steps_per_epoch == 4
    epoch = [path for step in range(4) for path in paths(plan.batch(step, 0, 0))]
    assert len(set(epoch)) == len(epoch) == 8
    assert sum(path.parent.name == "long" for path in epoch) == 5


def test_plan__shuffles_each_epoch_again_over_all_videos(make_frames: Callable, small: Callable) -> None:
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
        UsageError, match=r"9 frames, fewer than the 12 of one step .*`batch_size` 6.* 2 processes"
    ):
        Plan(index, small(batch_size=6), world=2)


def load(
    index: FrameIndex, settings: PretrainingSettings, steps: tuple[int, int] = (0, 4), workers: int = 0
) -> list[Batch]:
    return list(
        load_batches(Plan(index, settings), settings, rank=0, steps=steps, device=CPU, workers=workers)
    )


def test_load_batches__is_the_same_for_any_number_of_workers(index: FrameIndex, small: Callable) -> None:
    alone, helped = load(index, small()), load(index, small(), workers=2)
    assert len(alone) == 4
    for one, other in zip(alone, helped, strict=True):
        assert one.paths == other.paths
        assert torch.equal(one.views, other.views)
        assert torch.equal(one.boxes, other.boxes)


def test_load_batches__continues_where_it_was_told(index: FrameIndex, small: Callable) -> None:
    rest, whole = load(index, small(), (3, 6)), load(index, small(), (0, 6))
    assert [batch.paths for batch in rest] == [batch.paths for batch in whole[3:]]
    assert all(torch.equal(a.views, b.views) for a, b in zip(rest, whole[3:], strict=True))


def test_load_batches__joins_pairs(index: FrameIndex, small: Callable) -> None:
    (batch,) = load(index, small(batch_size=3), (0, 1))
    assert batch.views.shape == (3, 2, 32, 32, 3)
    assert batch.boxes.shape == (3, 2, 4)
    assert len(set(batch.paths)) == 3
    assert not batch.unreadable


def test_load_batches__replaces_an_unreadable_frame_and_names_it(index: FrameIndex, small: Callable) -> None:
    bad = Path(load(index, small(), (0, 1))[0].paths[0])
    bad.write_bytes(b"damaged since it was indexed")
    (batch,) = load(index, small(), (0, 1))
    assert list(batch.unreadable) == [str(bad)]
    assert str(bad) not in batch.paths
    assert len(batch.views) == 2


def test_load_batches__gives_up_when_spares_are_unreadable_too(
    make_frames: Callable, small: Callable
) -> None:
    root = make_frames({"a": 8})
    index = index_frames(root)
    for path in root.rglob("*.jpg"):
        path.write_bytes(b"gone")
    with pytest.raises(InputError, match="frames in a row cannot be read"):
        load(index, small(), (0, 1))


def test_load_batches__makes_the_same_views_on_the_device(index: FrameIndex, small: Callable) -> None:
    expected, found = load(index, small()), load(index, small(decode="nvjpeg"))
    for one, other in zip(expected, found, strict=True):
        assert one.paths == other.paths
        assert torch.equal(one.views, other.views)


def test_worker_count__shares_the_cores_among_local_processes(
    small: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(12)), raising=False)
    cuda = torch.device("cuda", 0)
    assert worker_count(small(workers=None), cuda, 4) == 3
    assert worker_count(small(workers=None), CPU) == 1
    assert worker_count(small(workers=0), cuda) == 0
