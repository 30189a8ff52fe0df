"""What commands load before they answer: a first line at once, and torch only where it is needed."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

# Tells when torch begins to load, on the stream that progress goes to.
_WATCHED = """
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name in ("torch", "torchvision"):
            sys.stderr.write(f"loading {name}\\n")
            sys.stderr.flush()
sys.meta_path.insert(0, Watch())
from sfc_cli.main import main
main()
"""


def _lines(folder: Path, *arguments: object) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, "-c", _WATCHED, *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stderr.splitlines()


def test_propagate__first_line_comes_before_torch_and_torchvision_never(
    make_davis: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_davis({"only": 2})
    code, lines = _lines(
        tmp_path, "propagate", "--data", data, "--fc", "random18", "--device", "cpu", "-o", "out"
    )
    assert code == 0, lines
    assert lines[0] == f"Opening {data} …"
    assert "loading torch" in lines
    assert "loading torchvision" not in lines


@pytest.mark.parametrize("command", ["convert", "evaluate", "list", "verify"])
def test_commands__without_networks_load_no_torch(
    make_davis: Callable[..., Path], tmp_path: Path, command: str
) -> None:
    data = make_davis({"only": 4})
    masks = data / "Annotations" / "480p"
    arguments = {
        "convert": ("convert", masks, "out"),
        "evaluate": ("evaluate", "folder", "--data", masks, "--results", masks),
        "list": ("download", "--list"),
        "verify": ("download", "--verify"),
    }[command]
    code, lines = _lines(tmp_path, *arguments)
    assert code == 0, lines
    assert not [line for line in lines if line.startswith("loading")]
