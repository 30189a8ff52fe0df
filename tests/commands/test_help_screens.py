"""Help screens: panels, metavars, examples, and how they fit a terminal."""

import os
import re
import subprocess
import sys

import pytest
from typer.main import get_command

from sfc_cli.commands.examples import EXAMPLES
from sfc_cli.commands.help_screens import PANELS
from sfc_cli.main import app
from tests.commands.running import refused, run

COMMANDS = get_command(app).commands  # type: ignore[attr-defined]


def _help(name: str) -> str:
    # In 80 columns, whatever the environment says.
    return run(name, "--help").stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_help__panels_in_their_order(name: str) -> None:
    headings = re.findall(r"^([A-Z][\w ]*):$", _help(name), re.MULTILINE)
    *panels, others, examples = headings
    assert (others, examples) == ("Other options", "Examples")
    assert panels == [panel for panel in PANELS if panel in panels]
    assert len(panels) >= 2


def test_help__of_propagate_has_every_panel() -> None:
    text = _help("propagate")
    positions = [text.index(f"\n{panel}:\n") for panel in PANELS]
    assert positions == sorted(positions)
    networks = text[text.index("\nNetworks:") : text.index("\nProcedure:")]
    assert "--fc NETWORK" in networks
    assert "--top-k" not in networks


@pytest.mark.parametrize("name", COMMANDS)
def test_help__every_option_but_the_last_ones_has_a_panel(name: str) -> None:
    others = {
        param.opts[0] for param in COMMANDS[name].params if getattr(param, "rich_help_panel", None) is None
    }
    assert others <= {"--debug", "--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_help__metavars_are_words_or_choices(name: str) -> None:
    # Typer's own are Python types.
    assert not re.findall(r"<(?:int|float|str|path|list)\b[^>]*>", _help(name))


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("name", COMMANDS)
def test_help__fits_the_terminal(name: str, columns: int) -> None:
    lines = subprocess.run(
        [sys.executable, "-m", "sfc_cli", name, "--help"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "COLUMNS": str(columns)},
    ).stdout.splitlines()
    assert max(map(len, lines)) <= columns
    # A wide terminal is used.
    assert columns == 80 or max(map(len, lines)) > 80


@pytest.mark.parametrize("name", COMMANDS)
def test_help__examples_are_shown_as_they_are_typed(name: str) -> None:
    text = _help(name)
    for line in EXAMPLES[name].split("\n"):
        if line.strip():
            assert f"\n  {line.strip()}\n" in text
            assert line.strip().split()[0] in ("sfc", "torchrun")


def test_help__of_sfc_itself_has_examples() -> None:
    text = run("--help").stdout
    assert "\nExamples:\n  sfc propagate --data sample" in text
    assert list(COMMANDS) == re.findall(r"^  (\w+)  +[A-Z]", text.split("\nCommands:\n")[1], re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--help"], ["propagate", "--help"], ["pretrain", "-h"]])
def test_help__loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; sys.argv = ['sfc', *sys.argv[1:]]\n"
        "from sfc_cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(sorted({'torch', 'cv2', 'numpy', 'rich', 'requests'} & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.startswith("Usage: sfc")
    assert done.stderr.strip() == "[]"


def test_overlay__mistyped_is_no_video() -> None:
    result = run("propagate", "clip.mp4", "--mask", "mask.png", "--overlay", "vide")
    line = refused(result, 2, "error: --overlay vide is not known. Did you mean video?")
    assert result.stderr.startswith(line), "nothing is said before"
