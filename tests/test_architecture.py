"""The house rules that a reader cannot see at a glance, kept by reading the source."""

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import sfc_cli

PACKAGE = Path(sfc_cli.__file__).parent
SOURCES = sorted(PACKAGE.rglob("*.py"))
HEAVY = ("torch", "torchvision", "cv2", "numpy", "rich", "requests", "PIL", "starlette", "uvicorn", "yaml")

# What each room may import, besides itself. Every file of the package is in one of these rooms.
BELOW = {
    "main": {"commands", "errors", "version"},
    "library": {"evaluation", "inference", "core", "settings", "errors"},
    "__main__": {"main"},
    "commands": {"studio", "training", "evaluation", "download", "inference", "conversion", "data", "core"}
    | {"settings", "errors", "files", "progress", "version", "wording"},
    "studio": {"inference", "conversion", "data"}
    | {"settings", "errors", "files", "progress", "version", "wording"},
    "training": {"inference", "evaluation", "core", "data"}
    | {"settings", "errors", "files", "progress", "version", "wording"},
    "evaluation": {"core", "data", "settings", "errors", "files", "progress", "version", "wording"},
    "download": {"core", "data", "settings", "errors", "files", "progress", "version", "wording"},
    "inference": {"core", "data", "settings", "errors", "files", "progress", "version", "wording"},
    "conversion": {"core", "data", "settings", "errors", "files", "progress", "version", "wording"},
    "core": {"settings", "errors", "files", "progress", "version", "wording"},
    "data": {"settings", "errors", "files", "progress", "version", "wording"},
    "settings": {"errors", "wording"},
    "files": {"errors"},
    "progress": set(),
    "errors": {"wording"},
    "wording": set(),
    "version": set(),
    # The public face stands above everything that it offers.
    "sfc_cli": {"library", "version"},
}


def _room(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "sfc_cli"


def _module(path: Path) -> str:
    parts = ("sfc_cli", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    """Yield every import of the package's own modules, those within functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            module = node.module or ""
            # `from sfc_cli import errors` imports a module, `from sfc_cli import __version__` does not.
            below = [f"{module}.{alias.name}" for alias in node.names]
            names = [name if _is_module(name) else module for name in below]
        else:
            continue
        yield from ((node.lineno, name) for name in names if name.split(".")[0] == "sfc_cli")


def _is_module(name: str) -> bool:
    path = PACKAGE.joinpath(*name.split(".")[1:])
    return name.startswith("sfc_cli.") and (path.is_dir() or path.with_suffix(".py").is_file())


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_imports__point_downwards(path: Path) -> None:
    room = _room(_module(path))
    allowed = BELOW[room] | {room}
    upwards = [f"line {line}: {name}" for line, name in _imports(path) if _room(name) not in allowed]
    assert not upwards, f"{path.relative_to(PACKAGE)} ({room}) imports {upwards}"


def test_imports__are_seen_by_this_test() -> None:
    # Both kinds: at the top, and within a function.
    seen = {name for _, name in _imports(PACKAGE / "commands" / "propagate.py")}
    assert "sfc_cli.settings.propagation" in seen
    assert "sfc_cli.inference.run" in seen


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_sources__never_print(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        called = node.func if isinstance(node, ast.Call) else None
        assert not (isinstance(called, ast.Name) and called.id == "print"), f"{path}:{node.lineno}"


LIBRARY = [path for path in SOURCES if _room(_module(path)) not in ("commands", "main", "__main__")]


@pytest.mark.parametrize("path", LIBRARY, ids=_module)
def test_library__leaves_the_terminal_to_the_commands(path: Path) -> None:
    content = path.read_text(encoding="utf-8")
    for node in ast.walk(ast.parse(content)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        assert not {"rich", "typer"} & {name.split(".")[0] for name in names}, f"{path}:{node.lineno}"


# The page shows a command to type, whose options are spelled there and nowhere else.
SPELLED_OUT = "sfc_cli.studio.command_line"


@pytest.mark.parametrize("path", [path for path in LIBRARY if _module(path) != SPELLED_OUT], ids=_module)
def test_library__names_fields_and_not_options(path: Path) -> None:
    for line, text in _texts(ast.parse(path.read_text(encoding="utf-8"))):
        # What stands between backticks is a whole command for a user to type.
        rest = re.sub(r"`[^`]*`", "", text)
        assert not re.search(r"(?<![\w-])--[a-z]", rest), f"{path}:{line}: {text}"


def _texts(node: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield every string; of one with values between its parts, the parts as one."""
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(str(getattr(part, "value", "")) for part in node.values)
    elif isinstance(node, ast.Constant):
        if isinstance(node.value, str):
            yield node.lineno, node.value
    else:
        for child in ast.iter_child_nodes(node):
            yield from _texts(child)


def test_sources__have_names_of_their_own() -> None:
    names = [path.name for path in SOURCES if path.name != "__init__.py"]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_sources__assert_only_what_types_cannot_say(path: Path) -> None:
    # Bad input raises an error of ours; an assert may only tell the type checker what is certain.
    allowed = ("is not None", "isinstance(")
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Assert):
            text = ast.unparse(node.test)
            assert any(part in text for part in allowed), f"{path}:{node.lineno}: assert {text}"


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_sources__say_why_they_exist(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))), path


@pytest.mark.parametrize("path", SOURCES, ids=_module)
def test_sources__are_not_long(path: Path) -> None:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    assert lines <= 420, f"{path}: {lines} lines"


@pytest.mark.parametrize("statement", ["import sfc_cli.main", "import runpy, sys; _help()"])
def test_start__loads_nothing_heavy(statement: str) -> None:
    program = f"""
import sys
def _help():
    sys.argv = ["sfc", "--help"]
    from sfc_cli.main import main
    try:
        main()
    except SystemExit as end:
        assert not end.code
{statement}
loaded = [name for name in {HEAVY!r} if name in sys.modules]
sys.exit(f"loaded: {{loaded}}" if loaded else 0)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


BENCHMARKS = sorted((PACKAGE.parent / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("path", BENCHMARKS, ids=lambda path: path.stem)
def test_benchmarks__import_what_there_is(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "sfc_cli":
            module = importlib.import_module(str(node.module))
            for alias in node.names:
                is_there = hasattr(module, alias.name) or _is_module(f"{node.module}.{alias.name}")
                assert is_there, f"{path.name}:{node.lineno}: {node.module}.{alias.name}"
