"""The code blocks of the README, the pages and the help screens, and how their lines are run."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from typer.testing import CliRunner

from sfc_cli.commands.examples import EXAMPLES
from sfc_cli.main import app

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)

# What cannot be run here, by how a line begins, and why.
CANNOT_RUN = {
    "pipx install": "installs from the package index; tests/test_package.py installs the wheel",
    "uv tool install": "installs from the package index; tests/test_package.py installs the wheel",
    "pip install": "installs from the package index; tests/test_package.py installs the wheel",
    "python3 -m venv": "installs; tests/test_package.py does, from the wheel",
    "env/bin/pip install": "installs; PyTorch's own index is not always in reach",
    "docker": "needs a Docker engine; tests/pages/test_project_files.py lints the Dockerfile",
    "sfc COMMAND": "stands for every command",
    "make": "sets up .venv; .ci/run calls the targets themselves",
    "torchrun": "takes several cards; tests/training runs two processes on the CPU",
    "#!/bin/bash": "needs Slurm",
}
# Blocks that show a tree of files, not something to type.
TREES = ("sfc_cli/\n", "main\ncommands", "files → ")
# What makes a training small; everything else is as typed.
SMALL_TRAINING = (
    "--steps 1 --batch-size 2 --crop-size 64 --workers 0 --check-every 0 --device cpu --overwrite"
)


@dataclass(frozen=True)
class Block:
    """A code block: where it is, its language, and its text."""

    page: str
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its commands, without comments and with continued lines joined."""
        joined = self.text.replace("\\\n", " ").splitlines()
        return [line.strip() for line in joined if line.strip() and not re.match(r"\s*#(?!!)", line)]

    @property
    def why_not(self) -> str:
        """Why it cannot be run as a whole; empty if it can."""
        if self.text.startswith(TREES):
            return "shows files"
        reasons = {reason_for(line) for line in self.lines[:1]}
        return reasons.pop() if self.text.startswith("#!") else ""


def reason_for(line: str) -> str:
    """Return why a line cannot be run; empty if it can."""
    return next((reason for start, reason in CANNOT_RUN.items() if line.startswith(start)), "")


def blocks_of(page: Path) -> list[Block]:
    """Return the code blocks of a page."""
    return [Block(page.name, *found) for found in _BLOCK.findall(page.read_text(encoding="utf-8"))]


def examples() -> Iterator[Block]:
    """Yield the examples of each help screen."""
    for name, text in EXAMPLES.items():
        yield Block(f"sfc {name} --help".replace("  ", " "), "bash", text)


def run_line(line: str) -> None:
    """Run a line in the current folder; it must end well."""
    words = shlex.split(line, comments=True)
    assert words[0] == "sfc", f"{line!r} is neither run nor among CANNOT_RUN"
    if words[1] == "studio":
        _open_page(words[1:])
        return
    small = SMALL_TRAINING.split() if words[1] == "pretrain" else []
    if "--resume" in words:
        small.remove("--overwrite")
    result = CliRunner().invoke(app, [*words[1:], *small])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, f"{line}\n{result.stderr}"


def _open_page(arguments: list[str]) -> None:
    """Open the page, fetch it, and end it with Ctrl-C."""
    serving = subprocess.Popen(
        [sys.executable, "-u", "-m", "sfc_cli", *arguments, "--no-browser"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert serving.stdout is not None
        address = next(found[1] for line in serving.stdout if (found := re.match(r"Open (\S+)", line)))
        with urllib.request.urlopen(address, timeout=60) as answer:
            assert b"<html" in answer.read()
    finally:
        serving.send_signal(signal.SIGINT)
        serving.wait(60)
