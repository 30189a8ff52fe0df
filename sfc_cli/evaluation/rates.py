"""The outcome of a benchmark that rates joints or classes instead of objects over time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sfc_cli.evaluation.tables import aligned, counted


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Global numbers and the same numbers for each joint or class.

    Args:
        benchmark: What was scored, in words.
        data: The folder of the truth.
        results: The folder of the results.
        sequences: How many sequences were scored.
        frames: How many frames were scored.
        global_scores: The global numbers by name.
        each: What a row stands for: ``joint`` or ``class``.
        rows: The numbers of each row, by its name.
        warnings: What is odd about the results, a sentence each.
    """

    benchmark: str
    data: Path
    results: Path
    sequences: int
    frames: int
    global_scores: Mapping[str, float]
    each: str
    rows: Mapping[str, Mapping[str, float]]
    warnings: Sequence[str] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the numbers as plain dictionaries; None where there was nothing to rate."""
        rows = {
            name: {key: None if math.isnan(value) else value for key, value in numbers.items()}
            for name, numbers in self.rows.items()
        }
        return {"global": dict(self.global_scores), f"per_{self.each}": rows}

    def __getitem__(self, key: str) -> Any:
        return self.to_json()[key]

    def as_text(self) -> str:
        """Return the numbers as tables for a terminal."""
        counts = f"{counted(self.sequences, 'sequence')}, {counted(self.frames, 'scored frame')}"
        names = list(self.global_scores)
        rows: list[Sequence[str]] = [(self.each.capitalize(), *names)]
        rows += [(name, *(f"{numbers[key]:.4f}" for key in names)) for name, numbers in self.rows.items()]
        return "\n\n".join(
            (
                f"{self.benchmark}: {self.results} against {self.data}; {counts}",
                aligned([names, [f"{value:.6f}" for value in self.global_scores.values()]]),
                aligned(rows),
            )
        )
