"""Collects what a conversion decided for the user, each kind once and with its count."""

from __future__ import annotations

import re
import threading

# What differs between two remarks of a kind: numbers, and colours of three.
_DETAIL = re.compile(r"\(\d+, \d+, \d+\)|\d[\d,]*")


class Remarks:
    """Sentences for the user, one of each kind; threads may add to it."""

    def __init__(self) -> None:
        self._sentences: list[str] = []
        self._of_masks: dict[str, list[tuple[str, str]]] = {}
        self._lock = threading.Lock()

    def add(self, sentence: str) -> None:
        """Note a sentence; said again, it is not repeated."""
        with self._lock:
            if sentence not in self._sentences:
                self._sentences.append(sentence)

    def add_of_mask(self, mask: str, sentence: str) -> None:
        """Note what was decided for a mask; of all that differ in numbers alone, one is shown."""
        with self._lock:
            self._of_masks.setdefault(_DETAIL.sub("#", sentence), []).append((mask, sentence))

    def lines(self) -> tuple[str, ...]:
        """Return the sentences in their order, and then one of each kind about masks."""
        return (*self._sentences, *(_shown(found) for found in self._of_masks.values()))


def _shown(found: list[tuple[str, str]]) -> str:
    mask, sentence = min(found)
    more = len({name for name, _ in found}) - 1
    return f"{mask}: {sentence}" + (f" (And so for {more:,} more.)" if more else "")


def listed(names: list[str], most: int = 5) -> str:
    """Join names with commas, the first few of many."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")
