"""Commands that run in this process, what must be said of them, and what they left in folders."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from typer.testing import CliRunner, Result

from sfc_cli.data.masks import Ids, read_ids
from sfc_cli.main import app
from tests.commands.footage import propagation


def run(*arguments: object) -> Result:
    """Run a command, however it ends."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "Traceback" not in result.output
    return result


def succeed(result: Result) -> Result:
    """Make sure that a command did its work."""
    assert result.exit_code == 0, result.output
    return result


def refused(result: Result, code: int, *said: object) -> str:
    """Make sure that a command ended in one line on standard error that says what was wrong.

    What is to be done may be said before.

    Returns:
        The line.
    """
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    errors = [line for line in result.output.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1, result.output
    assert errors == result.output.splitlines()[-1:] == result.stderr.splitlines()[-1:], result.output
    for text in said:
        assert str(text) in errors[0], errors[0]
    return errors[0]


def run_propagation(*arguments: object) -> Result:
    """Run `sfc propagate`, by the published protocol unless another one is named."""
    return run(*propagation(*arguments))


def propagate_data(data: object, output: object, *options: object) -> Result:
    """Propagate a data set with a small network."""
    arguments = ("--data", data, "--fc", "random18", "--device", "cpu", "--output", output, *options)
    return succeed(run_propagation(*arguments))


def propagate_clip(*arguments: object) -> Result:
    """Propagate a clip into the folder `out`."""
    return succeed(run_propagation(*arguments, "--output", "out"))


def files_in(folder: str | Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, by their paths in it."""
    folder = Path(folder)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def stamped_files_in(folder: str | Path) -> dict[str, tuple[bytes, int]]:
    """Return these contents with the times of writing, which tell what was written again."""
    folder = Path(folder)
    return {name: (content, (folder / name).stat().st_mtime_ns) for name, content in files_in(folder).items()}


def masks_in(folder: str | Path) -> dict[str, bytes]:
    """Return the contents of all PNG files below a folder, by their paths in it."""
    return {name: content for name, content in files_in(folder).items() if name.endswith(".png")}


def ids_in(folder: str | Path) -> dict[str, Ids]:
    """Return the masks of a folder by the names of their frames."""
    return {path.stem: read_ids(path) for path in sorted(Path(folder).glob("*.png"))}


def record_in(folder: str | Path = "out") -> dict[str, Any]:
    """Return the record of the run that wrote a folder."""
    record: dict[str, Any] = json.loads(Path(folder, "run.json").read_text())
    return record
