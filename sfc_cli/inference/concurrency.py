"""Bounded threads around the computation: frames are read ahead of it, masks are written behind it."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

import torch

S = TypeVar("S")
T = TypeVar("T")

_MOST_READERS = 4
_MOST_WRITERS = 8


def readers_for(device: torch.device) -> int:
    """Return how many threads decode frames: where the CPU computes too, its cores are wanted elsewhere."""
    return 1 if device.type == "cpu" else max(1, min(_MOST_READERS, torch.get_num_threads() // 4))


def writers_for(device: torch.device) -> int:
    """Return how many threads make masks of labels and write them; see ``readers_for``."""
    return 2 if device.type == "cpu" else max(2, min(_MOST_WRITERS, torch.get_num_threads() // 2))


def in_threads(function: Callable[[S], T], items: Iterable[S], threads: int) -> Iterator[T]:
    """Apply a function to items, several at a time; give the results in the items' order.

    An error is raised where its result would have come. At most twice as many items as threads are ahead.
    """
    if threads == 1:
        yield from map(function, items)
        return
    ahead: deque[Future[T]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="sfc-decode") as pool:
        try:
            for item in items:
                ahead.append(pool.submit(function, item))
                if len(ahead) > 2 * threads:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()


class _End:
    """Marks the end of the items, with the error that caused it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class ReadAhead(Generic[T]):
    """Iterate in the calling thread over items that another thread produces up to ``depth`` ahead.

    An error of the producer is raised here, where it happened among the items.
    """

    def __init__(self, items: Iterable[T], depth: int) -> None:
        self._queue: queue.Queue[T | _End] = queue.Queue(max(1, depth))
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._produce, args=(items,), daemon=True, name="sfc-read")
        self._thread.start()

    def _produce(self, items: Iterable[T]) -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not self._put(item):
                    return
        except BaseException as caught:  # handed to the consumer
            error = caught
        self._put(_End(error))

    def _put(self, item: T | _End) -> bool:
        while not self._stopped.is_set():
            try:
                self._queue.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        while True:
            item = self._queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def close(self) -> None:
        """Stop the producer; items not taken are dropped."""
        self._stopped.set()
        self._thread.join()


class WriteBehind:
    """Run tasks in threads while the caller goes on, with at most ``depth`` waiting.

    The first error of a task is raised by the next ``submit`` or ``finish``.
    """

    def __init__(self, threads: int, depth: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="sfc-write")
        self._depth = depth
        self._pending: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()

    def submit(self, task: Callable[[], None]) -> None:
        """Add a task; wait while too many are pending."""
        while self._pending.qsize() >= self._depth:
            self._pending.get().result()
        self._pending.put(self._pool.submit(task))

    def finish(self) -> None:
        """Wait for all tasks."""
        while not self._pending.empty():
            self._pending.get().result()

    def discard(self) -> None:
        """Wait for all tasks and drop their errors, after an error that matters more."""
        while not self._pending.empty():
            self._pending.get().exception()

    def close(self) -> None:
        """Drop the tasks not yet begun, wait for the others and end the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)


class InOrder(Generic[T]):
    """Hand items that threads bring in any order to one function, in the order of their numbers.

    The thread that brings the next item hands over, and goes on with those that wait behind it: no thread
    waits for another. How many items wait is bounded by whoever bounds the numbers on their way.

    Args:
        take: Gets the items, one at a time.
    """

    def __init__(self, take: Callable[[T], None]) -> None:
        self._take = take
        self._lock = threading.Lock()
        self._waiting: dict[int, T] = {}
        self._next = 0
        self._is_busy = self._is_stopped = False

    def put(self, number: int, item: T) -> None:
        """Bring the item of a number, counted from 0; after an error of ``take`` it is dropped."""
        with self._lock:
            if self._is_stopped:
                return
            self._waiting[number] = item
            if self._is_busy:
                return
            self._is_busy = True
        self._hand_over()

    def stop(self) -> None:
        """Drop the items that wait, and all to come."""
        with self._lock:
            self._is_stopped = True
            self._waiting.clear()

    def _hand_over(self) -> None:
        while True:
            with self._lock:
                if self._is_stopped or self._next not in self._waiting:
                    self._is_busy = False
                    return
                item = self._waiting.pop(self._next)
                self._next += 1
            try:
                self._take(item)
            except BaseException:
                self.stop()
                raise
