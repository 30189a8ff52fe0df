"""Reports of a running training: to the caller, a file, and TensorBoard and W&B if asked for."""

from __future__ import annotations

import dataclasses
import json
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol

from sfc_cli.errors import InputError, UsageError
from sfc_cli.files import unwritable, write_text
from sfc_cli.progress import Progress

METRICS_NAME = "metrics.jsonl"
_PART = "training"
_RECENT_STEPS = 50


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step of the optimizer.

    Args:
        step: Steps taken, this one included.
        total_steps: Steps of the whole training.
        epoch: From 1.
        epochs: In all.
        loss: Mean over all processes.
        momentum: Of the target.
        images_per_second: Frames, each with two views, over all processes.
        data_seconds: How long the step waited for its frames.
        step_seconds: How long the rest of the step took.
        memory_bytes: The peak so far: of the card, or of this process on a CPU.
    """

    step: int
    total_steps: int
    epoch: int
    epochs: int
    loss: float
    momentum: float
    images_per_second: float
    data_seconds: float
    step_seconds: float
    memory_bytes: int

    @property
    def seconds(self) -> float:
        """How long the step took in all; never 0."""
        return max(self.data_seconds + self.step_seconds, 1e-9)


@dataclass(frozen=True, kw_only=True)
class ValidationRecord:
    """How well the network propagated the masks of a data set.

    Args:
        after_step: Steps taken before.
        score: J&F, the mean over all objects, from 0 to 1.
        objects: J&F of each object, ``<sequence>_<object>``.
        is_best: Whether no validation of this training was better.
    """

    after_step: int
    score: float
    objects: Mapping[str, float]
    is_best: bool

    def __str__(self) -> str:
        best = ", the best so far" if self.is_best else ""
        return f"validation after step {self.after_step:,}: J&F {self.score:.4f}{best}"


class Watcher(Protocol):
    """Anyone who wants to know how a training goes."""

    def on_step(self, record: StepRecord) -> None:
        """Take note of a step."""

    def on_validation(self, record: ValidationRecord) -> None:
        """Take note of a validation."""

    def on_note(self, text: str) -> None:
        """Take note of something worth a line: a skipped file, a quick check."""

    def close(self) -> None:
        """Finish; called once."""


class ProgressWatcher:
    """Tells the caller, with speeds averaged over the last steps.

    Args:
        progress: Receives every step.
        first_step: Steps taken before this run.
        stop_step: The step to stop before.
    """

    def __init__(self, progress: Progress, first_step: int, stop_step: int) -> None:
        self._progress = progress
        self._recent: deque[StepRecord] = deque(maxlen=_RECENT_STEPS)
        if first_step < stop_step:
            progress.plan(stop_step - first_step, "steps")
            progress.begin(_PART, stop_step, first_step)

    def on_step(self, record: StepRecord) -> None:
        """Take note of a step."""
        self._recent.append(record)
        self._progress.advance(_PART, 1, self._line(record), **dataclasses.asdict(record))

    def on_validation(self, record: ValidationRecord) -> None:
        """Take note of a validation."""
        self._progress.say(str(record), **dataclasses.asdict(record))

    def on_note(self, text: str) -> None:
        """Take note of something worth a line."""
        self._progress.say(text)

    def close(self) -> None:
        """Say where it ended."""
        if self._recent:
            last = self._recent[-1]
            self._progress.finish(_PART, self._line(last), **dataclasses.asdict(last))

    def _line(self, record: StepRecord) -> str:
        seconds = sum(one.seconds for one in self._recent)
        waited = sum(one.data_seconds for one in self._recent) / seconds
        # A step's images are its speed times its seconds, and every step has as many.
        images = record.images_per_second * record.seconds * len(self._recent) / seconds
        return (
            f"step {record.step:,}/{record.total_steps:,} epoch {record.epoch}/{record.epochs} "
            f"loss {record.loss:.4f} {images:.1f} images/s data {100 * waited:.0f} % "
            f"memory {record.memory_bytes / 2**30:.1f} GiB"
        )


class MetricsFile:
    """Writes each step and note as a line of JSON.

    The file is replaced as a whole when the first line is written, and appended to from then on: whenever a
    kill comes, it has the lines of this run or those of the one before.

    Args:
        folder: The training's output folder.
        first_step: Steps taken before this run; lines of later steps, lost with a crash, are dropped.

    Raises:
        InputError: If the file cannot be written.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        self._path = folder / METRICS_NAME
        self._file: IO[str] | None = None
        try:
            self._kept = "".join(_lines_up_to(self._path, first_step)) if first_step else ""
        except OSError as error:
            raise unwritable(self._path, error) from None
        if not folder.is_dir():
            raise InputError(f"Cannot write {self._path}: {folder} is missing or not a folder.")

    def on_step(self, record: StepRecord) -> None:
        """Take note of a step."""
        self._write(dataclasses.asdict(record))

    def on_validation(self, record: ValidationRecord) -> None:
        """Take note of a validation."""
        self._write({"validation": dataclasses.asdict(record)})

    def on_note(self, text: str) -> None:
        """Take note of something worth a line."""
        self._write({"note": text})

    def close(self) -> None:
        """Finish."""
        if self._file is not None:
            self._file.close()

    def _write(self, content: Mapping[str, Any]) -> None:
        line = json.dumps(content) + "\n"
        try:
            if self._file is None:
                # A link of this name may lead to a file of somebody else: it is replaced, not followed.
                write_text(self._path, self._kept + line)
                self._file = self._path.open("a", encoding="utf-8")
            else:
                self._file.write(line)
                self._file.flush()
        except OSError as error:
            raise unwritable(self._path, error) from None


def read_metrics(folder: Path, last_step: int) -> Iterator[dict[str, Any]]:
    """Yield what a training noted up to a step, in order."""
    return map(json.loads, _lines_up_to(folder / METRICS_NAME, last_step))


def _lines_up_to(path: Path, step: int) -> list[str]:
    if not path.is_file():
        return []
    kept = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            content = json.loads(line)
        # A crash may have cut the last line short.
        except ValueError:
            break
        taken = content.get("step", 0) if isinstance(content, dict) else None
        if not isinstance(taken, (int, float)) or taken > step:
            break
        kept.append(line + "\n")
    return kept


class TensorBoardFile:
    """Writes TensorBoard event files.

    Args:
        folder: The training's output folder.
        first_step: Steps taken before this run; later events of an earlier run are hidden.
    """

    def __init__(self, folder: Path, first_step: int) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=first_step + 1 if first_step else None)

    def on_step(self, record: StepRecord) -> None:
        """Take note of a step."""
        for name in ("loss", "momentum", "images_per_second"):
            self._writer.add_scalar(name, getattr(record, name), record.step)
        self._writer.add_scalar("data_share", record.data_seconds / record.seconds, record.step)

    def on_validation(self, record: ValidationRecord) -> None:
        """Take note of a validation."""
        self._writer.add_scalar("validation_jf", record.score, record.after_step)

    def on_note(self, text: str) -> None:
        """Take note of something worth a line."""
        self._writer.add_text("note", text)

    def close(self) -> None:
        """Finish."""
        self._writer.close()


class WandbRun:
    """Sends each step to Weights & Biases.

    Args:
        folder: The training's output folder.
        settings: Shown as the run's configuration.

    Raises:
        UsageError: If the package is missing.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        try:
            import wandb
        except ImportError:
            raise UsageError(
                "`wandb` needs the package wandb, which is missing.", "Type `pip install wandb`."
            ) from None
        self._run: Any = wandb.init(project="sfc", dir=str(folder), config=dict(settings), resume="allow")

    def on_step(self, record: StepRecord) -> None:
        """Take note of a step."""
        self._run.log(dataclasses.asdict(record), step=record.step)

    def on_validation(self, record: ValidationRecord) -> None:
        """Take note of a validation."""
        self._run.log({"validation_jf": record.score}, step=record.after_step)

    def on_note(self, text: str) -> None:
        """Take note of something worth a line."""
        self._run.log({"note": text})

    def close(self) -> None:
        """Finish."""
        self._run.finish()


def has_tensorboard() -> bool:
    """Return whether event files can be written."""
    from importlib.util import find_spec

    return find_spec("tensorboard") is not None
