"""The benchmarks by name and the outputs of their numbers: any of them runs in one way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sfc_cli.errors import UsageError
from sfc_cli.evaluation import export, tables
from sfc_cli.evaluation.comparison import Comparison, published_for
from sfc_cli.evaluation.davis_benchmark import evaluate_davis
from sfc_cli.evaluation.folder_benchmarks import evaluate_folder, evaluate_youtube_vos
from sfc_cli.evaluation.joint_benchmark import evaluate_jhmdb
from sfc_cli.evaluation.part_benchmark import evaluate_vip
from sfc_cli.evaluation.report import Rates, Report
from sfc_cli.evaluation.scoring_protocols import ScoringChoice
from sfc_cli.files import is_same_or_below
from sfc_cli.progress import Progress

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
        annotations: For DAVIS, see ``evaluate_davis``.
        scoring: Another scoring protocol, frames to leave out, and what to measure besides.
        allow_missing: Score sequences without results as zero, and leave out frames without truth.
        workers: How many processes; None for one a core.

    Raises:
        UsageError: If the name is not known, or an argument belongs to another benchmark.
    """

    name: str
    data: Path
    split: str | None = None
    sequences: Sequence[str] | None = None
    year: str | None = None
    task: str | None = None
    annotations: str | None = None
    scoring: ScoringChoice = field(default_factory=ScoringChoice)
    allow_missing: bool = False
    workers: int | None = None

    def __post_init__(self) -> None:
        require_benchmark(self.name)
        for name in ("year", "task", "annotations"):
            if self.name != "davis" and getattr(self, name):
                raise UsageError(f"`{name}` belongs to davis, not to {self.name}.", "Leave it out.")
        if self.name in RATED:
            wrong = ["allow_missing"] if self.allow_missing else self.scoring.chosen
            if wrong:
                raise UsageError(f"`{wrong[0]}` does not go with {self.name}.", "Leave it out.")
        if self.name == "folder" and self.split:
            raise UsageError("`split` does not go with folder: it scores all masks.", "Leave it out.")

    @property
    def scored_split(self) -> str:
        """The split, or the benchmark's own default."""
        return self.split or DEFAULT_SPLITS[self.name]

    def rate(self, results: Path, progress: Progress | None = None) -> Rates:
        """Score results of a benchmark that rates joints or classes."""
        chosen = (self.data, results, self.scored_split, self.sequences)
        if self.name == "jhmdb":
            return evaluate_jhmdb(*chosen)
        return evaluate_vip(*chosen, self.workers, progress=progress)

    def score(self, results: Path, progress: Progress | None = None) -> Report:
        """Score results of a benchmark that measures masks by J and F."""
        if self.name == "folder":
            return evaluate_folder(
                self.data,
                results,
                self.sequences,
                self.workers,
                scoring=self.scoring,
                allow_missing=self.allow_missing,
                progress=progress,
            )
        chosen = (self.data, results, self.scored_split, self.sequences, self.workers)
        if self.name == "youtube-vos":
            return evaluate_youtube_vos(
                *chosen, scoring=self.scoring, allow_missing=self.allow_missing, progress=progress
            )
        return evaluate_davis(
            *chosen,
            year=self.year or "2017",
            task=self.task or "semi-supervised",
            annotations=self.annotations,
            scoring=self.scoring,
            allow_missing=self.allow_missing,
            progress=progress,
        )


def require_benchmark(name: str) -> None:
    """Make sure that a benchmark of this name exists.

    Raises:
        UsageError: If not; the message lists them.
    """
    if name not in DEFAULT_SPLITS:
        raise UsageError(f"No benchmark {name!r}.", f"Choose one of: {', '.join(DEFAULT_SPLITS)}.")


@dataclass(frozen=True, kw_only=True)
class Summary:
    """What to tell a user.

    Args:
        text: Tables for a terminal.
        warnings: What is odd about the results, a sentence each.
        frames: How many frames were scored.
        written: The files written.
    """

    text: str
    warnings: Sequence[str]
    frames: int
    written: Sequence[Path]


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The outputs that were asked for; None for those that were not.

    Args:
        json: A file for all numbers.
        csv: A folder for the official tool's tables.
        per_frame: A file for J and F of each frame.
        report: A file for the HTML page.
        compare: Other results to set beside these.
        published: Whether to show the published row.
    """

    json: Path | None = None
    csv: Path | None = None
    per_frame: Path | None = None
    report: Path | None = None
    compare: Path | None = None
    published: bool = False

    def run(self, benchmark: Benchmark, results: Path, progress: Progress | None = None) -> Summary:
        """Score results and make every output.

        Raises:
            InputError: If the input has problems, or a file cannot be written.
            UsageError: If an output does not go with the benchmark, would be in the data set, or would
                replace a file that is read.
        """
        if benchmark.name in RATED:
            self._require_json_only(benchmark)
        self._prepare(benchmark, results)
        if benchmark.name in RATED:
            return self._run_rates(benchmark, results, progress)
        return self._run_masks(benchmark, results, progress)

    def _require_json_only(self, benchmark: Benchmark) -> None:
        for name in ("csv", "per_frame", "report", "compare", "published"):
            if getattr(self, name):
                raise UsageError(f"`{name}` does not go with {benchmark.name}.", "Only `json` does.")

    def _prepare(self, benchmark: Benchmark, results: Path) -> None:
        files = [path for path in (self.json, self.per_frame, self.report) if path is not None]
        for path in files if self.csv is None else (*files, self.csv):
            # A link in the data set is in it wherever it leads.
            in_data = any(is_same_or_below(each, benchmark.data) for each in (path, path.parent))
            if in_data and benchmark.name != "folder":
                raise UsageError(f"{path} lies in the data set {benchmark.data}.", "Write it somewhere else.")
        inputs = (
            [benchmark.data, results] if self.compare is None else [benchmark.data, results, self.compare]
        )
        export.prepare_outputs(files, self.csv, benchmark.scored_split, inputs)

    def _run_rates(self, benchmark: Benchmark, results: Path, progress: Progress | None) -> Summary:
        rates = benchmark.rate(results, progress)
        if self.json is not None:
            export.write_json(rates, self.json)
        return Summary(
            text=tables.rates_tables(rates),
            warnings=rates.warnings,
            frames=rates.frames,
            written=[] if self.json is None else [self.json],
        )

    def _run_masks(self, benchmark: Benchmark, results: Path, progress: Progress | None) -> Summary:
        report = benchmark.score(results, progress)
        other = None if self.compare is None else benchmark.score(self.compare, progress)
        comparison = None if other is None else Comparison(first=report, second=other)
        published = published_for(report) if self.published else None
        parts = [tables.heading(report), tables.global_table(report), tables.object_table(report)]
        if comparison is not None:
            parts.append(tables.comparison_tables(comparison))
        if published is not None:
            parts.append(tables.published_table(report, published))
        elif self.published:
            parts.append(tables.no_published_note())
        written: list[Path] = []
        if self.json is not None:
            export.write_json(report, self.json, comparison)
            written.append(self.json)
        if self.csv is not None:
            written += export.write_tables(report, self.csv)
        if self.per_frame is not None:
            export.write_frames(report, self.per_frame)
            written.append(self.per_frame)
        if self.report is not None:
            from sfc_cli.evaluation.page import write_page

            write_page(report, self.report, comparison, published)
            written.append(self.report)
        others = () if other is None else other.warnings
        return Summary(
            text="\n\n".join(parts),
            warnings=[*report.warnings, *(f"{self.compare}: {warning}" for warning in others)],
            frames=report.frame_count,
            written=written,
        )
