"""Words that messages of all rooms share: numbers with their nouns, and what a mistyped name meant."""

from __future__ import annotations

from collections.abc import Iterable


def counted(number: int, word: str) -> str:
    """Return a number with its noun: ``1 frame``, ``2,000 frames``, ``2 processes``."""
    ending = "" if number == 1 else "es" if word.endswith("s") else "s"
    return f"{number:,} {word}{ending}"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return a question that names the known name nearest to a mistyped one, with a space behind it.

    Args:
        name: What was typed.
        known: What could have been meant.

    Returns:
        Such as "Did you mean davis? "; nothing if no name is near.
    """
    import difflib

    spelled = {other.lower(): other for other in known}
    near = difflib.get_close_matches(name.lower(), spelled, n=1, cutoff=0.7)
    return f"Did you mean {spelled[near[0]]}? " if near else ""
