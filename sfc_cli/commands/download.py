"""`sfc download`."""

from __future__ import annotations


def download() -> None:
    """PLACEHOLDER."""
