"""Where a sequence's results lie, which of them are there, and their removal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sfc_cli.settings.outputs import OutputChoice


def missing_outputs(output: Path, name: str, stems: Sequence[str], choice: OutputChoice) -> OutputChoice:
    """Return those of the chosen extras that a sequence does not have for all its frames.

    Args:
        output: The results folder.
        name: The sequence.
        stems: The names of its frames.
        choice: What it should have.
    """
    raise NotImplementedError


def remove_extras(output: Path, name: str) -> None:
    """Remove what a sequence has beside its masks; for a sequence whose masks are made anew."""
    raise NotImplementedError


def remove_results(output: Path, name: str) -> None:
    """Remove all that a sequence has: masks, joints and extras."""
    raise NotImplementedError
