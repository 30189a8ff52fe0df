"""What becomes of an evaluation: text for a terminal, and the files that were asked for."""

from __future__ import annotations

import json as json_format
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation import export, tables
from sfc_cli.evaluation.benchmarks import RATED, Benchmark
from sfc_cli.evaluation.comparison import Comparison
from sfc_cli.evaluation.plan import Progress
from sfc_cli.evaluation.published import published_for
from sfc_cli.files import write_text


@dataclass(frozen=True, kw_only=True)
class Outcome:
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
        page: A file for the HTML page.
        compare: Other results to set beside these.
        published: Whether to show the published row.
    """

    json: Path | None = None
    csv: Path | None = None
    per_frame: Path | None = None
    page: Path | None = None
    compare: Path | None = None
    published: bool = False

    def run(self, benchmark: Benchmark, results: Path, on_progress: Progress | None = None) -> Outcome:
        """Score results and make every output.

        Raises:
            InputError: If the input has problems, or a file cannot be written.
            UsageError: If an output does not go with the benchmark, or would land in the data set.
        """
        self._make_places(benchmark)
        if benchmark.name in RATED:
            return self._run_rates(benchmark, results, on_progress)
        return self._run_masks(benchmark, results, on_progress)

    def _make_places(self, benchmark: Benchmark) -> None:
        """Make the folders that files go to, so that no scoring is lost to a mistyped one."""
        data = benchmark.data.resolve()
        for path in (self.json, self.csv, self.per_frame, self.page):
            if path is None:
                continue
            if benchmark.name != "folder" and data in (path.resolve(), *path.resolve().parents):
                raise UsageError(f"{path} lies in the data set {benchmark.data}.", "Write it somewhere else.")
            if path is not self.csv and path.is_dir():
                raise InputError(f"{path} is a folder.", "Give the name of a file.")
            folder = path if path is self.csv else path.parent
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"Cannot write to {folder}: {error.strerror or error}.", "Choose another place."
                ) from None

    def _run_rates(self, benchmark: Benchmark, results: Path, on_progress: Progress | None) -> Outcome:
        for option, value in (
            ("--csv", self.csv),
            ("--per-frame", self.per_frame),
            ("--report", self.page),
            ("--compare", self.compare),
            ("--published", self.published),
        ):
            if value:
                raise UsageError(f"{option} does not go with {benchmark.name}.", "It takes --json FILE.")
        rates = benchmark.rate(results, on_progress)
        if self.json is not None:
            write_text(self.json, json_format.dumps(rates.to_json(), indent=1) + "\n")
        return Outcome(
            text=rates.as_text(),
            warnings=rates.warnings,
            frames=rates.frames,
            written=[] if self.json is None else [self.json],
        )

    def _run_masks(self, benchmark: Benchmark, results: Path, on_progress: Progress | None) -> Outcome:
        report = benchmark.score(results, on_progress)
        other = None if self.compare is None else benchmark.score(self.compare, on_progress)
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
        if self.page is not None:
            from sfc_cli.evaluation.page import write_page

            write_page(report, self.page, comparison, published)
            written.append(self.page)
        warnings = [
            *report.warnings,
            *(f"{self.compare}: {each}" for each in (other.warnings if other else ())),
        ]
        return Outcome(text="\n\n".join(parts), warnings=warnings, frames=report.frame_count, written=written)
