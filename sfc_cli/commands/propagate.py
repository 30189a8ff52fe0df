"""`sfc propagate`."""

from __future__ import annotations


def propagate() -> None:
    """PLACEHOLDER."""
