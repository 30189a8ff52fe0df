"""Frames on their way to a card, whose copies here run as late as its streams and events allow."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from torch import Tensor

from sfc_cli.data.frames import Frame
from sfc_cli.inference.upload import FrameUpload


class LateStream:
    """A stream whose work is done only when somebody waits for it."""

    def __init__(self, *_: object) -> None:
        self.work: list[Callable[[], None]] = []
        self.done = 0

    def add(self, work: Callable[[], None]) -> None:
        self.work.append(work)

    def run(self, until: int | None = None) -> None:
        while self.done < (len(self.work) if until is None else until):
            self.done += 1
            self.work[self.done - 1]()

    def wait_event(self, event: LateEvent) -> None:
        self.add(event.synchronize)


class LateEvent:
    """Stands for the work that a stream had when it was recorded."""

    def __init__(self) -> None:
        self.stream, self.until = LateStream(), 0

    def record(self) -> None:
        self.stream = Card.current
        self.until = len(self.stream.work)

    def synchronize(self) -> None:
        self.stream.run(self.until)


class Card:
    """What of a card ``FrameUpload`` touches."""

    current: LateStream

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.pinned: list[int] = []
        self.recorded: list[LateStream] = []
        Card.current = self.compute = LateStream()
        allocate = torch.empty

        def empty(
            shape: object, *, dtype: torch.dtype, device: object = None, pin_memory: bool = False
        ) -> Tensor:
            tensor: Tensor = allocate(shape, dtype=dtype)  # type: ignore[call-overload]
            if pin_memory:
                self.pinned.append(len(tensor))
            else:
                assert device == torch.device("cuda")
            # What is never copied must show.
            return tensor.fill_(77)

        def copy(target: Tensor, source: Tensor, *, non_blocking: bool) -> None:
            assert non_blocking

            def work() -> None:
                target.numpy()[...] = source.numpy()

            Card.current.add(work)

        @contextlib.contextmanager
        def stream(chosen: LateStream) -> Iterator[None]:
            before, Card.current = Card.current, chosen
            yield
            Card.current = before

        patch.setattr(torch, "empty", empty)
        patch.setattr(Tensor, "copy_", copy)
        patch.setattr(Tensor, "record_stream", lambda _, used: self.recorded.append(used))
        patch.setattr(torch.cuda, "Stream", LateStream)
        patch.setattr(torch.cuda, "Event", LateEvent)
        patch.setattr(torch.cuda, "stream", stream)
        patch.setattr(torch.cuda, "current_stream", lambda _: Card.current)


def batches(*lengths: int, size: tuple[int, int] = (5, 7)) -> list[list[Frame]]:
    random = np.random.default_rng(0)
    return [list(random.integers(0, 256, (length, *size, 3), np.uint8)) for length in lengths]


def test_frame_upload__on_a_cpu_frames_stay_as_they_are() -> None:
    (frames,) = batches(3)
    np.testing.assert_array_equal(FrameUpload(torch.device("cpu"))(frames).numpy(), np.stack(frames))


@pytest.mark.parametrize("lengths", [(4, 4, 4, 4, 4), (1, 4, 4, 2), (1, 2, 3, 4, 5)])
def test_frame_upload__late_copies_bring_the_right_frames(
    monkeypatch: pytest.MonkeyPatch, lengths: tuple[int, ...]
) -> None:
    given, arrived = batches(*lengths), []
    with monkeypatch.context() as patch:
        card = Card(patch)
        upload = FrameUpload(torch.device("cuda"))
        for frames in given:
            batch = upload(frames)
            # The networks, which begin long after the call.
            card.compute.add(lambda batch=batch: arrived.append(batch.numpy().copy()))
            assert card.recorded[-1] is card.compute
        card.compute.run()
    for frames, found in zip(given, arrived, strict=True):
        np.testing.assert_array_equal(found, np.stack(frames))


def test_frame_upload__waits_only_for_the_copy_before_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        Card(patch)
        upload = FrameUpload(torch.device("cuda"))
        stream = upload._stream
        assert isinstance(stream, LateStream)
        done = []
        for frames in batches(4, 4, 4, 4):
            upload(frames)
            done.append(stream.done)
    assert done == [0, 0, 1, 2]


def test_frame_upload__pinned_memory_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        card = Card(patch)
        upload = FrameUpload(torch.device("cuda"))
        for frames in batches(1, 4, 4, 4, 4, 1):
            upload(frames)
    # The second buffer is there from the first whole batch on, the first grows once.
    assert card.pinned == [105, 420, 420]
