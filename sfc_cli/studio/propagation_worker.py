"""The process that propagates: the page's server never waits for it, and survives it."""

from __future__ import annotations

import contextlib
import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

from sfc_cli.data.videos import Selection
from sfc_cli.errors import SfcError, UsageError
from sfc_cli.settings.propagation import OutputChoice

Message = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Work:
    """What is to be propagated and written.

    Args:
        sources: The video, see ``open_video``.
        selection: Which of its frames.
        frames_per_second: Of images.
        masks: What was painted: the number of a frame in the video, and the file.
        direction: See ``Project``.
        size: The short side that the networks see; None for the default.
        networks: Fields of ``NetworkChoice``.
        output: The results folder.
        choice: What to write beside the masks.
        coco: Whether to write the masks as a COCO file, too.
        overwrite: Replace results of other settings.
    """

    sources: list[str]
    selection: Selection
    frames_per_second: float | None
    masks: list[tuple[int, Path]]
    direction: str
    size: int | None = None
    networks: dict[str, Any] = field(default_factory=dict)
    output: Path
    choice: OutputChoice
    coco: bool = False
    overwrite: bool = False


class PropagationWorker:
    """Propagates in a process of its own, one piece of work at a time.

    Args:
        tell: Receives messages in another thread: ``kind`` is ``ready``, ``plan``, ``advance``, ``frame``,
            ``say``, ``done`` or ``error``.
    """

    def __init__(self, tell: Callable[[Message], None]) -> None:
        self._tell = tell
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.Lock()
        self._process: Any = None
        self._connection: Connection | None = None
        self._stop: Event = self._context.Event()
        self.is_busy = False

    def start(self) -> None:
        """Start the process, which loads what it needs."""
        ours, theirs = self._context.Pipe()
        self._stop = self._context.Event()
        process = self._context.Process(
            target=_serve, args=(theirs, self._stop), name="sfc-studio-worker", daemon=True
        )
        process.start()
        theirs.close()
        self._process, self._connection = process, ours
        threading.Thread(target=self._listen, args=(ours, process), daemon=True).start()

    def begin(self, work: Work) -> None:
        """Begin a piece of work.

        Raises:
            UsageError: If another is under way.
        """
        with self._lock:
            if self.is_busy:
                raise UsageError("A propagation is under way.", "Stop it first, or wait for it.")
            if self._process is None or not self._process.is_alive():
                self.start()
            self.is_busy = True
            self._stop.clear()
            if self._connection is not None:
                self._connection.send(work)

    def stop(self) -> None:
        """Ask the work to stop; what is finished stays."""
        self._stop.set()

    def close(self) -> None:
        """End the process; what is finished stays."""
        self._stop.set()
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.send(None)
        if self._process is not None:
            self._process.join(5)
            if self._process.is_alive():
                self._process.terminate()
                self._process.join(5)

    def _listen(self, connection: Connection, process: Any) -> None:
        while True:
            try:
                message = connection.recv()
            except (EOFError, OSError):
                break
            if message["kind"] in ("done", "error"):
                self.is_busy = False
            self._tell(message)
        process.join()
        if self.is_busy:
            self.is_busy = False
            text = (
                "The propagation was ended from outside, perhaps for lack of memory. What is finished stays."
            )
            self._tell({"kind": "error", "text": text})


class _StoppedError(Exception):
    """Ends a run between two frames."""


class _Messages:
    """Progress as messages."""

    def __init__(self, connection: Connection, stop: Event) -> None:
        self._connection, self._stop, self._lock = connection, stop, threading.Lock()
        self.lines: list[str] = []

    def send(self, kind: str, **content: Any) -> None:
        with self._lock:
            self._connection.send({"kind": kind, **content})

    def plan(self, total: int | None, unit: str) -> None:
        """See ``Progress``: what counts is the one part."""

    def begin(self, part: str, total: int | None = None, done: int = 0) -> None:  # noqa: ARG002
        """See ``Progress``."""
        self.send("plan", total=total, done=done)

    def advance(self, part: str, count: int = 1, text: str = "", **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        if "frame" in facts:
            self.send("frame", **facts)
        if count:
            self.send("advance", count=count)
            if self._stop.is_set():
                raise _StoppedError

    def finish(self, part: str, text: str, **facts: object) -> None:  # noqa: ARG002
        """See ``Progress``."""
        self.lines.append(text)

    def say(self, text: str, **facts: object) -> None:
        """See ``Progress``; what the command line advises reads otherwise where one can paint at once."""
        if "confidence" in facts:
            sure = f"{facts['confidence']:.2f}"
            text = f"Least sure at frame {facts['frame']} ({sure}): a correction there helps most."
        self.send("say", text=text.replace("`", ""))


def _serve(connection: Connection, stop: Event) -> None:
    """Do one piece of work after the other until the connection ends."""
    import signal

    # Ctrl-C reaches the whole group: the server ends this process in its own time.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    progress = _Messages(connection, stop)
    try:
        import sfc_cli.inference.run  # noqa: F401  what takes seconds to load is loaded beforehand

        progress.send("ready")
        while (work := connection.recv()) is not None:
            _do(work, progress)
    except (EOFError, OSError):
        return


def _do(work: Work, progress: _Messages) -> None:
    try:
        written = run_work(work, progress)
    except _StoppedError:
        progress.send("done", stopped=True, written=[])
    except SfcError as error:
        progress.send("error", text=str(error), is_other_run="other settings" in error.message)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        progress.send("error", text=f"{where}{error.strerror or error}. What is finished stays.")
    except Exception as error:  # a bug, or a card out of memory, must not take the page with it
        text = " ".join(str(error).split())
        progress.send("error", text=f"Unexpected {type(error).__name__}: {text}. What is finished stays.")
    else:
        progress.send("done", stopped=False, written=[str(path) for path in written])


def run_work(work: Work, progress: Any) -> list[Path]:
    """Propagate and write; return what was written.

    Raises:
        SfcError: As ``Run`` does.
    """
    from sfc_cli.data.results import ResultsFolder
    from sfc_cli.inference.given_masks import FrameMask
    from sfc_cli.inference.networks import NetworkChoice
    from sfc_cli.inference.own_video import open_own_video
    from sfc_cli.inference.run import Run
    from sfc_cli.settings.propagation import DEFAULT_SIZE

    checkpoints = work.networks.get("checkpoints")
    folder = {} if checkpoints is None else {"checkpoints": Path(checkpoints)}
    networks = NetworkChoice(**{**work.networks, **folder})
    enlarge = work.size is not None or networks.protocol != "published"
    own = open_own_video(
        work.sources,
        masks=[FrameMask(path=path, frame=str(number)) for number, path in work.masks],
        selection=work.selection,
        both_ways=work.direction == "both",
        backwards=work.direction == "backwards",
        size=DEFAULT_SIZE if work.size is None else work.size or None,
        enlarge=enlarge,
        frames_per_second=work.frames_per_second,
    )
    run = Run.over_video(own, output=work.output, networks=networks)
    run.execute(progress, work.choice, overwrite=work.overwrite, revises=True)
    results, name = ResultsFolder(work.output), own.sequence.name
    written = [*results.written(name, work.choice).values(), results.record]
    if work.coco:
        written.append(_write_coco(results))
    return written


def _write_coco(results: Any) -> Path:
    from sfc_cli.conversion.mask_conversion import convert_masks

    path: Path = results.root / "masks.json"
    convert_masks(results.root, path, to="coco")
    return path
