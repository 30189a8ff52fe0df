"""Plays kill -9 in the middle of propagation runs; a program of its own, because it forks.

Arguments: the data set, the folder for results. Prints, as JSON, for each place at which a run was killed how
it ended, the files that it left, and how the same command ended afterwards.
"""

import contextlib
import io
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch

from sfc_cli.core.encoders import load_encoder
from sfc_cli.inference import networks
from sfc_cli.main import app

# The data set has two sequences of 4 and 3 frames: run.json, four masks, run.json, three masks, run.json.
KILLED_BEFORE = (0, 3, 5, 8)
KILLED_AFTER = (0, 4, 9)


def in_a_process(work: Callable[[], None]) -> int:
    """Run something in a fork and return how it ended."""
    process = os.fork()
    if process == 0:
        code = 1
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                work()
            code = 0
        except SystemExit as end:
            code = int(end.code or 0)
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def run(data: str, output: Path) -> None:
    app(["propagate", "--data", data, "--fc", "random18", "--device", "cpu", "--output", str(output)])


def killed_run(data: str, output: Path, number: int, *, after: bool) -> None:
    """Run, and die just before or after the given file gets its name."""
    renames = 0

    def replace(self: Path, target: Path) -> Path:
        nonlocal renames
        mine, renames = renames, renames + 1
        if mine == number and not after:
            os.kill(os.getpid(), signal.SIGKILL)
        result = plain(self, target)
        if mine == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    plain = Path.replace
    Path.replace = replace  # type: ignore[method-assign]
    run(data, output)


def main() -> None:
    data, results = sys.argv[1], Path(sys.argv[2])
    # One thread, so that no pool is lost in the forks; the network is built once for all of them.
    torch.set_num_threads(1)
    trunk = load_encoder("random18")
    networks.load_encoder = lambda *_, **__: trunk
    outcomes = [{"place": "none", "resumed": in_a_process(lambda: run(data, results / "whole"))}]
    for number, after in [(n, False) for n in KILLED_BEFORE] + [(n, True) for n in KILLED_AFTER]:
        output = results / f"{'after' if after else 'before'}-{number}"
        ended = in_a_process(lambda: killed_run(data, output, number, after=after))  # noqa: B023
        left = sorted(path.relative_to(output).as_posix() for path in output.rglob("*") if path.is_file())
        shutil.copytree(output, results / f"{output.name}-left")
        resumed = in_a_process(lambda: run(data, output))  # noqa: B023
        outcomes.append({"place": output.name, "ended": ended, "left": left, "resumed": resumed})
    json.dump(outcomes, sys.stdout)


if __name__ == "__main__":
    main()
