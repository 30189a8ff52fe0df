from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from sfc_cli.data.frame_folders import FrameIndex, index_frames
from sfc_cli.errors import InputError
from sfc_cli.settings.pretraining import PretrainingSettings
from sfc_cli.training.loading import Batch, load_batches, worker_count
from sfc_cli.training.plan import Plan

CPU = torch.device("cpu")


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
