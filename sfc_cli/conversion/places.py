"""Refuses outputs that would harm their input, the data set, or the next conversion."""

from __future__ import annotations

from pathlib import Path

from sfc_cli.data.davis import DavisDataset
from sfc_cli.errors import UsageError

# What is written as one file, and the file's suffix.
_FILES = {"coco": ".json", "zip": ".zip"}


def require_place(source: Path, output: Path, to: str, dataset: DavisDataset | None) -> None:
    """Make sure that a conversion's output is of the right kind and lies where it harms nothing.

    Args:
        source: What is read.
        output: The folder or file to write.
        to: ``davis``, ``overlay``, ``coco`` or ``zip``.
        dataset: The data set that gives names.

    Raises:
        UsageError: If it is not.
    """
    if output.resolve() == source.resolve():
        raise UsageError(f"{output} is both input and output.", f"Choose another {_kind(to)} for the output.")
    if dataset is not None and output.resolve().is_relative_to(dataset.root.resolve()):
        raise UsageError(f"{output} lies inside the data set {dataset.root}.", f"Choose another {_kind(to)}.")
    if to in _FILES:
        _require_file(output, to)
        return
    if output.resolve().is_relative_to(source.resolve()):
        # The next conversion would take this one's masks for further sequences.
        raise UsageError(f"{output} lies inside {source}.", "Choose another folder for the output.")
    for name, suffix in _FILES.items():
        if output.suffix.lower() == suffix and not output.is_dir():
            raise UsageError(
                f"--to {to} writes a folder, and {output} looks like a file.", f"Did you mean --to {name}?"
            )


def _require_file(output: Path, to: str) -> None:
    suffix = _FILES[to]
    if output.is_dir():
        raise UsageError(
            f"--to {to} writes a file, and {output} is a folder.", f"Try {output / f'masks{suffix}'}."
        )
    if output.suffix.lower() != suffix:
        raise UsageError(
            f"--to {to} writes a {suffix} file, and {output} is named otherwise.",
            f"Try {output.with_name(output.name + suffix)}.",
        )


def _kind(to: str) -> str:
    return "file" if to in _FILES else "folder"
