"""The benchmarks by name and the outputs of their numbers: any of them runs in one way."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from string import ascii_uppercase

from sfc_cli.errors import UsageError
from sfc_cli.evaluation import export, tables
from sfc_cli.evaluation.comparison import Comparison, Published, RatesComparison, published_for
from sfc_cli.evaluation.davis_benchmark import evaluate_davis
from sfc_cli.evaluation.folder_benchmarks import evaluate_folder, evaluate_youtube_vos
from sfc_cli.evaluation.joint_benchmark import evaluate_jhmdb
from sfc_cli.evaluation.latex import latex_tables
from sfc_cli.evaluation.part_benchmark import evaluate_vip
from sfc_cli.evaluation.report import Rates, Report
from sfc_cli.evaluation.saved_scores import SavedScores, read_saved_scores
from sfc_cli.evaluation.scoring_protocols import ScoringChoice
from sfc_cli.files import is_same_or_below, refuse_overwriting, write_text
from sfc_cli.progress import Progress
from sfc_cli.wording import did_you_mean

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
        raise UsageError(
            f"No benchmark {name!r}.",
            f"{did_you_mean(name, DEFAULT_SPLITS)}Choose one of: {', '.join(DEFAULT_SPLITS)}.",
        )


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
        csv: A folder for tables, those of the official tool where there are such.
        per_frame: A file for the measures of each frame.
        latex: A file for LaTeX tables.
        report: A file for the HTML page.
        compare: Other results to set beside these: folders, or files that ``json`` wrote.
        published: Whether to show the published row.
    """

    json: Path | None = None
    csv: Path | None = None
    per_frame: Path | None = None
    latex: Path | None = None
    report: Path | None = None
    compare: Sequence[Path] = ()
    published: bool = False

    def run(self, benchmark: Benchmark, results: Path, progress: Progress | None = None) -> Summary:
        """Score results and make every output.

        Raises:
            InputError: If the input has problems, or a file cannot be written.
            UsageError: If an output does not go with the benchmark, would be in the data set, or would
                replace a file that is read.
        """
        if benchmark.name in RATED and self.published:
            raise UsageError(f"`published` does not go with {benchmark.name}.", "Leave it out.")
        self._prepare(benchmark, results)
        # Before anything is scored: a mistyped file must not cost the scoring.
        saved = {path: read_saved_scores(path) for path in self.compare if not path.is_dir()}
        if benchmark.name in RATED:
            return self._run_rates(benchmark, results, saved, progress)
        return self._run_masks(benchmark, results, saved, progress)

    def _prepare(self, benchmark: Benchmark, results: Path) -> None:
        files = [path for path in (self.json, self.per_frame, self.latex, self.report) if path is not None]
        for path in files if self.csv is None else (*files, self.csv):
            # A link in the data set is in it wherever it leads.
            in_data = any(is_same_or_below(each, benchmark.data) for each in (path, path.parent))
            if in_data and benchmark.name != "folder":
                raise UsageError(f"{path} lies in the data set {benchmark.data}.", "Write it somewhere else.")
        refuse_replacing_saved(files, [path for path in self.compare if path.is_file()])
        folders = [benchmark.data, results, *(path for path in self.compare if path.is_dir())]
        export.prepare_outputs(files, self.csv, benchmark.scored_split, folders)

    def _run_rates(
        self,
        benchmark: Benchmark,
        results: Path,
        saved: Mapping[Path, SavedScores],
        progress: Progress | None,
    ) -> Summary:
        rates = benchmark.rate(results, progress)
        others = [saved.get(path) or benchmark.rate(path, progress) for path in self.compare]
        comparisons = [
            RatesComparison(first=rates, second=other, label=label)
            for other, label in zip(others, run_labels(len(others)), strict=True)
        ]
        written: list[Path] = []
        if self.json is not None:
            export.write_json(rates, self.json, comparisons)
            written.append(self.json)
        if self.csv is not None:
            written += export.write_rates_tables(rates, self.csv)
        if self.per_frame is not None:
            export.write_rates_frames(rates, self.per_frame)
            written.append(self.per_frame)
        if self.latex is not None:
            write_text(self.latex, latex_tables(rates, comparisons))
            written.append(self.latex)
        if self.report is not None:
            from sfc_cli.evaluation.page import write_rates_page

            write_rates_page(rates, self.report, comparisons, benchmark.workers)
            written.append(self.report)
        return Summary(
            text="\n\n".join([tables.rates_tables(rates), *map(tables.rates_comparison_tables, comparisons)]),
            warnings=_all_warnings([rates, *others]),
            frames=rates.frames,
            written=written,
        )

    def _run_masks(
        self,
        benchmark: Benchmark,
        results: Path,
        saved: Mapping[Path, SavedScores],
        progress: Progress | None,
    ) -> Summary:
        report = benchmark.score(results, progress)
        others = [saved.get(path) or benchmark.score(path, progress) for path in self.compare]
        comparisons = [
            Comparison(first=report, second=other, label=label)
            for other, label in zip(others, run_labels(len(others)), strict=True)
        ]
        published = published_for(report) if self.published else None
        parts = [tables.heading(report), tables.global_table(report), tables.object_table(report)]
        parts += map(tables.comparison_tables, comparisons)
        if published is not None:
            parts.append(tables.published_table(report, published))
        elif self.published:
            parts.append(tables.no_published_note())
        return Summary(
            text="\n\n".join(parts),
            warnings=_all_warnings([report, *others]),
            frames=report.frame_count,
            written=self._write_masks(report, comparisons, published, benchmark.workers),
        )

    def _write_masks(
        self,
        report: Report,
        comparisons: Sequence[Comparison],
        published: Published | None,
        workers: int | None,
    ) -> list[Path]:
        written: list[Path] = []
        if self.json is not None:
            export.write_json(report, self.json, comparisons)
            written.append(self.json)
        if self.csv is not None:
            written += export.write_tables(report, self.csv)
        if self.per_frame is not None:
            export.write_frames(report, self.per_frame)
            written.append(self.per_frame)
        if self.latex is not None:
            write_text(self.latex, latex_tables(report, comparisons))
            written.append(self.latex)
        if self.report is not None:
            from sfc_cli.evaluation.page import write_page

            write_page(report, self.report, comparisons, published, workers)
            written.append(self.report)
        return written


def run_labels(count: int) -> list[str]:
    """Return the letters of other runs: B, C and so on, and numbers where these end."""
    letters = ascii_uppercase[1:]
    return [letters[index] if index < len(letters) else f"R{index + 1}" for index in range(count)]


def refuse_replacing_saved(files: Sequence[Path], saved: Sequence[Path]) -> None:
    """Make sure that no output replaces scores that are compared.

    Raises:
        UsageError: If one does.
    """
    for path in files:
        refuse_overwriting(path, saved)


def _all_warnings(results: Sequence[Report | Rates | SavedScores]) -> list[str]:
    """Return the first one's warnings, and those of the others with their folder."""
    first, *others = results
    own = [] if isinstance(first, SavedScores) else list(first.warnings)
    return own + [
        f"{other.results}: {warning}"
        for other in others
        if not isinstance(other, SavedScores)
        for warning in other.warnings
    ]
