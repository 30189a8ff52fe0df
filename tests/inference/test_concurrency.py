import threading
import time
from collections.abc import Iterator
from functools import partial

import pytest
import torch

from sfc_cli.inference.concurrency import (
    InOrder,
    ReadAhead,
    WriteBehind,
    in_threads,
    readers_for,
    writers_for,
)

PATIENCE = 10.0


def _wait_until(holds: object) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def test_read_ahead__all_items_in_order() -> None:
    reader = ReadAhead(range(100), depth=3)
    assert list(reader) == list(range(100))
    reader.close()


def test_read_ahead__reads_ahead_but_not_beyond_its_depth() -> None:
    produced = []

    def items() -> Iterator[int]:
        for number in range(50):
            produced.append(number)
            yield number

    reader = ReadAhead(items(), depth=4)
    _wait_until(lambda: len(produced) >= 5)
    time.sleep(0.2)
    # Four in the queue, and one in hand.
    assert len(produced) == 5
    assert next(iter(reader)) == 0
    reader.close()


def test_read_ahead__error_comes_in_its_place() -> None:
    def items() -> Iterator[int]:
        yield 1
        yield 2
        raise ValueError("third")

    reader, seen = ReadAhead(items(), depth=8), []
    with pytest.raises(ValueError, match="third"):
        seen.extend(iter(reader))
    assert not seen or seen == [1, 2]
    reader.close()


def test_read_ahead__closed_while_full() -> None:
    reader = ReadAhead(iter(int, 1), depth=2)
    reader.close()
    assert not any(thread.name == "sfc-read" for thread in threading.enumerate())


def test_write_behind__finish_waits_for_all() -> None:
    done = []
    writing = WriteBehind(threads=2, depth=4)
    for number in range(20):
        writing.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    writing.finish()
    assert sorted(done) == list(range(20))
    writing.close()


def test_write_behind__first_error_is_raised() -> None:
    def fail() -> None:
        raise OSError("full")

    writing = WriteBehind(threads=1, depth=4)
    writing.submit(fail)
    with pytest.raises(OSError, match="full"):
        writing.finish()
    writing.close()


def test_write_behind__submit_waits_when_much_is_pending() -> None:
    gate, begun = threading.Event(), []

    def task() -> None:
        begun.append(1)
        assert gate.wait(PATIENCE)

    def submit_all() -> None:
        for _ in range(5):
            writing.submit(task)
            submitted.append(1)

    submitted: list[int] = []
    writing = WriteBehind(threads=1, depth=2)
    thread = threading.Thread(target=submit_all)
    thread.start()
    _wait_until(lambda: len(submitted) == 2)
    time.sleep(0.1)
    assert len(submitted) == 2
    gate.set()
    thread.join(PATIENCE)
    writing.finish()
    writing.close()
    assert len(begun) == len(submitted) == 5


def test_write_behind__discard_drops_errors() -> None:
    def fail() -> None:
        raise OSError("full")

    writing = WriteBehind(threads=1, depth=4)
    writing.submit(fail)
    writing.discard()
    writing.finish()
    writing.close()


def test_in_order__whatever_the_order_of_arrival() -> None:
    taken: list[int] = []
    in_order: InOrder[int] = InOrder(taken.append)
    for number in (2, 0, 3, 5, 1, 4):
        in_order.put(number, number)
        # Handed over as soon as nothing before it lacks.
        assert taken == list(range(len(taken)))
    assert taken == list(range(6))


def test_in_order__many_threads() -> None:
    taken: list[int] = []
    busy = threading.Lock()

    def take(number: int) -> None:
        assert busy.acquire(blocking=False), "two threads at once"
        time.sleep(0.0002 * (number % 3))
        taken.append(number)
        busy.release()

    in_order: InOrder[int] = InOrder(take)
    writing = WriteBehind(8, 16)

    def bring(number: int) -> None:
        time.sleep(0.0003 * (number * 7 % 5))
        in_order.put(number, number)

    for number in range(300):
        writing.submit(partial(bring, number))
    writing.finish()
    writing.close()
    assert taken == list(range(300))


def test_in_order__an_error_ends_it() -> None:
    taken: list[int] = []

    def take(number: int) -> None:
        if number == 1:
            raise ValueError("one")
        taken.append(number)

    in_order: InOrder[int] = InOrder(take)
    in_order.put(2, 2)
    in_order.put(0, 0)
    with pytest.raises(ValueError, match="one"):
        in_order.put(1, 1)
    in_order.put(3, 3)
    assert taken == [0]


def test_in_order__stopped() -> None:
    taken: list[int] = []
    in_order: InOrder[int] = InOrder(taken.append)
    in_order.put(1, 1)
    in_order.stop()
    in_order.put(0, 0)
    assert taken == []


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_in_threads__results_in_order(threads: int) -> None:
    def late_if_even(number: int) -> int:
        time.sleep(0.002 * (number % 2 == 0))
        return number * number

    assert list(in_threads(late_if_even, range(30), threads)) == [number * number for number in range(30)]


def test_in_threads__several_at_a_time_and_few_ahead() -> None:
    begun: list[int] = []
    meeting = threading.Barrier(3, timeout=PATIENCE)

    def work(number: int) -> int:
        begun.append(number)
        # Nobody goes on unless three work at a time.
        if number < 3:
            meeting.wait()
        return number

    results = in_threads(work, range(300), 3)
    assert next(results) == 0
    _wait_until(lambda: len(begun) == 7)
    time.sleep(0.05)
    assert len(begun) == 7
    results.close()
    assert not any(thread.name.startswith("sfc-decode") for thread in threading.enumerate())


def test_in_threads__error_comes_in_its_place() -> None:
    def refuse_three(number: int) -> int:
        if number == 3:
            raise ValueError("three")
        return number

    results = in_threads(refuse_three, range(9), 2)
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)


def test_readers_and_writers__more_beside_a_card(monkeypatch: pytest.MonkeyPatch) -> None:
    cpu, card = torch.device("cpu"), torch.device("cuda", 0)
    for cores, readers, writers in [(1, 1, 2), (8, 2, 4), (16, 4, 8), (128, 4, 8)]:
        monkeypatch.setattr(torch, "get_num_threads", lambda cores=cores: cores)
        assert (readers_for(cpu), writers_for(cpu)) == (1, 2)
        assert (readers_for(card), writers_for(card)) == (readers, writers)
