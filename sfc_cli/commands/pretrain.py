"""`sfc pretrain`."""

from __future__ import annotations


def pretrain() -> None:
    """PLACEHOLDER."""
