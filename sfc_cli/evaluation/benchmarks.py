"""The benchmarks by name, so that a command can run any of them in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.errors import UsageError
from sfc_cli.evaluation.davis import evaluate_davis
from sfc_cli.evaluation.folder import evaluate_folder
from sfc_cli.evaluation.jhmdb import evaluate_jhmdb
from sfc_cli.evaluation.plan import Progress
from sfc_cli.evaluation.rates import Rates
from sfc_cli.evaluation.report import Report
from sfc_cli.evaluation.vip import evaluate_vip
from sfc_cli.evaluation.youtube_vos import evaluate_youtube_vos

# Each benchmark with the split that is scored if none is named.
DEFAULT_SPLITS = {"davis": "val", "youtube-vos": "valid", "folder": "all", "jhmdb": "1", "vip": "val"}
RATED = frozenset({"jhmdb", "vip"})


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """What to score, apart from the results.

    Args:
        name: One of the benchmarks.
        data: The folder of the truth.
        split: The split; None for the benchmark's own default.
        sequences: Score only these.
        year: For DAVIS, see ``evaluate_davis``.
        task: For DAVIS, see ``evaluate_davis``.
        allow_missing: Score sequences without results as zero.
        workers: How many processes; None for one a core.

    Raises:
        UsageError: If the name is not known, or an option belongs to another benchmark.
    """

    name: str
    data: Path
    split: str | None = None
    sequences: Sequence[str] | None = None
    year: str | None = None
    task: str | None = None
    allow_missing: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        require_benchmark(self.name)
        if self.name != "davis" and (self.year or self.task):
            option = "--year" if self.year else "--task"
            raise UsageError(f"{option} belongs to davis, not to {self.name}.", "Leave it out.")
        if self.name in RATED and self.allow_missing:
            raise UsageError(f"--allow-missing does not go with {self.name}.", "Leave it out.")
        if self.name == "folder" and self.split:
            raise UsageError("--split does not go with folder: it scores all masks.", "Leave it out.")

    def rate(self, results: Path, on_progress: Progress | None = None) -> Rates:
        """Score results of a benchmark that rates joints or classes."""
        split = self.split or DEFAULT_SPLITS[self.name]
        if self.name == "jhmdb":
            return evaluate_jhmdb(self.data, results, split, self.sequences)
        return evaluate_vip(self.data, results, split, self.sequences, self.workers, on_progress=on_progress)

    def score(self, results: Path, on_progress: Progress | None = None) -> Report:
        """Score results of a benchmark that measures masks by J and F."""
        split = self.split or DEFAULT_SPLITS[self.name]
        if self.name == "folder":
            return evaluate_folder(
                self.data,
                results,
                self.sequences,
                self.workers,
                allow_missing=self.allow_missing,
                on_progress=on_progress,
            )
        if self.name == "youtube-vos":
            return evaluate_youtube_vos(
                self.data,
                results,
                split,
                self.sequences,
                self.workers,
                allow_missing=self.allow_missing,
                on_progress=on_progress,
            )
        return evaluate_davis(
            self.data,
            results,
            split,
            self.sequences,
            self.workers,
            year=self.year or "2017",
            task=self.task or "semi-supervised",
            allow_missing=self.allow_missing,
            on_progress=on_progress,
        )


def require_benchmark(name: str) -> None:
    """Make sure that a benchmark of this name exists.

    Raises:
        UsageError: If not; the message lists them.
    """
    if name not in DEFAULT_SPLITS:
        raise UsageError(f"No benchmark {name!r}.", f"Choose one of: {', '.join(DEFAULT_SPLITS)}.")
