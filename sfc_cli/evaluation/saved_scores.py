"""Scores of an earlier evaluation, read from the JSON that it wrote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from sfc_cli.errors import InputError
from sfc_cli.evaluation.report import FrameCurves, protocol_facts

_HINT = "Give a folder of results, or a file that `sfc evaluate` wrote with `json`."


@dataclass(frozen=True, kw_only=True)
class SavedScores:
    """What such a file says, in the words of a ``Report`` or of ``Rates``.

    Args:
        path: The file.
        content: What is in it.
    """

    path: Path
    content: Mapping[str, Any]

    @property
    def results(self) -> Path:
        """The file, which stands for the results in every output."""
        return self.path

    @property
    def global_scores(self) -> dict[str, float]:
        """The global numbers."""
        return dict(self.content["global"])

    @property
    def per_object(self) -> dict[str, dict[str, float]]:
        """Every object's numbers."""
        return dict(self.content.get("per_object", {}))

    @property
    def missing(self) -> list[str]:
        """Sequences without results, scored as zero."""
        return list(self.content.get("missing", []))

    @property
    def sequence_count(self) -> int:
        """How many sequences were scored."""
        return int(self.content.get("counted", {}).get("sequences", 0))

    @cached_property
    def curves(self) -> dict[str, FrameCurves]:
        """The measures of every frame, by object or sequence; empty in files of earlier versions."""
        return {
            name: FrameCurves(
                frames=tuple(each["frames"]),
                values={
                    key: np.array([np.nan if value is None else value for value in values], np.float64)
                    for key, values in each.items()
                    if key != "frames"
                },
            )
            for name, each in self.content.get("per_frame", {}).items()
        }

    @property
    def sequence_counts(self) -> dict[str, Any]:
        """What each sequence adds to the counts of a benchmark that rates joints or classes."""
        counts = self.content.get("sequence_counts", {})
        return {name: np.array(value, np.int64) for name, value in counts.items()}

    @property
    def facts(self) -> tuple[str, ...]:
        """Benchmark, split and scoring protocol, which must be the same in what is compared."""
        return protocol_facts(self.content)


def read_saved_scores(path: Path) -> SavedScores:
    """Read a file of scores.

    Raises:
        InputError: If it cannot be read or is another file.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        saved = SavedScores(path=path, content=content)
        numbers = [saved.global_scores, *saved.per_object.values()]
        is_whole = all(isinstance(value, int | float) for each in numbers for value in each.values())
        # Whatever is wrong with the curves shows now, and not while a page is written.
        is_whole = is_whole and bool(numbers[0]) and saved.curves is not None
    except FileNotFoundError:
        raise InputError(f"{path} is missing.", _HINT) from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a file of scores: {error}.", _HINT) from None
    if not is_whole:
        raise InputError(f"{path} is not a file of scores.", _HINT)
    return saved
