"""Bounded threads around the computation: frames are read ahead of it, masks are written behind it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")


class _End:
    """Marks the end of the items, with the error that caused it."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class ReadAhead(Generic[T]):
    """Iterate in the calling thread over items that another thread produces up to ``depth`` ahead.

    An error of the producer is raised here, in its place among the items.
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
