"""Collects what a conversion decided for the user, each kind once and with its count."""

from __future__ import annotations

import threading
from collections import Counter


class Remarks:
    """Sentences for the user in the order in which they first came; threads may add to it."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()
        self._lock = threading.Lock()

    def add(self, sentence: str) -> None:
        """Note a sentence; said again, it is counted."""
        with self._lock:
            self._counts[sentence] += 1

    def lines(self) -> tuple[str, ...]:
        """Return each sentence once, with how often it was said if that is more than once."""
        return tuple(
            sentence if count == 1 else f"{sentence} ({count:,} times)"
            for sentence, count in self._counts.items()
        )


def listed(names: list[str], most: int = 5) -> str:
    """Join names with commas, the first few of many."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
