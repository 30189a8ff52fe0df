"""The command line as a whole: help, versions, and how errors end."""

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import sfc_cli
from sfc_cli import errors
from sfc_cli.main import app

COMMANDS = ("download", "pretrain", "propagate", "convert", "evaluate", "studio")


def _commands() -> Iterator[tuple[str, Any]]:
    return iter(typer.main.get_command(app).commands.items())  # type: ignore[attr-defined]


def test_app__commands() -> None:
    assert {name for name, _ in _commands()} == set(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help__exits_with_0(name: str, flag: str) -> None:
    result = CliRunner().invoke(app, [name, flag])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"Usage: sfc {name}")


@pytest.mark.parametrize("name", COMMANDS)
def test_help__says_something_of_every_option(name: str) -> None:
    command = dict(_commands())[name]
    text = CliRunner().invoke(app, [name, "--help"], env={"COLUMNS": "400"}).stdout
    assert command.help
    assert "placeholder" not in command.help.lower()
    options = [parameter for parameter in command.params if parameter.name != "help"]
    assert options
    for parameter in options:
        assert parameter.help, f"{name}: {parameter.name} has no help"
        shown = parameter.metavar if parameter.param_type_name == "argument" else parameter.opts[0]
        assert parameter.param_type_name == "argument" or re.search(
            rf"(^|\s|,){re.escape(shown)}\b", text, re.MULTILINE
        ), f"{name}: {shown} is not shown"


@pytest.mark.parametrize("name", ["propagate"])
def test_help__options_of_the_main_job(name: str) -> None:
    flags = {flag for parameter in dict(_commands())[name].params for flag in parameter.opts}
    assert flags >= {
        *("--data", "--split", "--sequences", "--fc", "--semantic", "--checkpoints", "--output"),
        *("--top-k", "--radius", "--temperature", "--context-frames", "--fusion-weight", "--batchnorm"),
        *("--device", "--backend", "--overwrite", "--overlay", "--verbose", "--debug"),
    }


def test_version__is_the_packages() -> None:
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout == f"sfc {sfc_cli.__version__}\n"


def test_module__runs_as_the_script_does() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sfc_cli", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, f"sfc {sfc_cli.__version__}\n")


@pytest.mark.parametrize("arguments", [["nothing"], ["propagate", "--nothing"], ["convert"]])
def test_usage_errors__exit_with_2(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 2
    assert result.stderr
    assert not result.stdout


def _fail(monkeypatch: pytest.MonkeyPatch, failure: BaseException, *options: str) -> Any:
    def find_data(_: str) -> None:
        raise failure

    monkeypatch.setattr("sfc_cli.settings.locations.find_data", find_data)
    return CliRunner().invoke(app, ["convert", "in", "out", "--data", "x", *options])


@pytest.mark.parametrize(
    ("failure", "code", "line"),
    [
        (errors.UsageError("Bad.", "Do this."), 2, "error: Bad. Do this."),
        (errors.InputError("Bad file."), 3, "error: Bad file."),
        (errors.NetworkError("No reply."), 4, "error: No reply."),
        (PermissionError(13, "Permission denied", "/x"), 3, "error: /x: Permission denied."),
        (KeyboardInterrupt(), 130, "interrupted"),
        (ValueError("two\nlines"), 1, "error: unexpected ValueError: two lines. This is a bug in sfc"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors__become_one_line(
    monkeypatch: pytest.MonkeyPatch, failure: BaseException, code: int, line: str
) -> None:
    result = _fail(monkeypatch, failure)
    assert result.exit_code == code
    assert result.stderr.startswith(line)
    assert result.stderr.count("\n") == 1
    assert not result.stdout


@pytest.mark.parametrize("failure", [errors.InputError("Bad."), OSError(5, "Broken"), ValueError("bug")])
def test_errors__debug_shows_them_whole(monkeypatch: pytest.MonkeyPatch, failure: Exception) -> None:
    assert _fail(monkeypatch, failure, "--debug").exception is failure


def test_sfc_error__message_and_hint() -> None:
    assert str(errors.InputError("Missing.", "Look elsewhere.")) == "Missing. Look elsewhere."
    assert str(errors.InputError("Missing.")) == "Missing."


@pytest.mark.parametrize("library", ["libGL.so.1", "libxcb.so.1", "libgthread-2.0.so.0"])
def test_app__a_library_of_the_system_is_missing(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ImportError(f"{library}: cannot open shared object file: No such file or directory")

    monkeypatch.setattr("sfc_cli.commands.options.set_up_logging", fail)
    result = CliRunner().invoke(app, ["convert", "in", "out"])
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"error: {library} is missing on this system")
    assert "opencv-python-headless" in line
    assert "bug" not in line
