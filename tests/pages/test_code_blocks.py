"""Every code block of README, pages and help screens runs as it stands; only the network is faked."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml

from tests.commands.downloads import serve_downloads
from tests.pages.blocks import CANNOT_RUN, PAGES, Block, blocks_of, examples, reason_for, run_line
from tests.pages.world import picture, serve_catalogue, write_world

ALL = [block for page in PAGES for block in blocks_of(page)]


@pytest.fixture(scope="session")
def whole_world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("world")
    write_world(root)
    return root


@pytest.fixture
def world(whole_world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a folder with everything, and a server in place of the network."""
    here = tmp_path / "here"
    # Weights are large, and nothing writes into them.
    shutil.copytree(whole_world, here, copy_function=_link_or_copy)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with serve_downloads(here, monkeypatch) as server:
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
        serve_catalogue(server.loopback, whole_world, tmp_path / "home")
        yield here


def _link_or_copy(source: str, target: str) -> None:
    if Path(source).stat().st_size > 1_000_000:
        Path(target).hardlink_to(source)
    else:
        shutil.copy2(source, target)


def test_blocks__are_found() -> None:
    assert len(ALL) > 30
    assert {block.language for block in ALL} <= {"", "bash", "python", "yaml"}


@pytest.mark.parametrize("start", CANNOT_RUN)
def test_cannot_run__names_only_what_the_pages_have(start: str) -> None:
    assert any(line.startswith(start) for block in (*ALL, *examples()) for line in block.lines), start


def _commands(blocks: list[Block]) -> list[str]:
    shells = [block for block in blocks if block.language in ("", "bash") and not block.why_not]
    return [line for block in shells for line in block.lines if not reason_for(line)]


# README and benchmark begin in an empty folder.
FROM_NOTHING = ("README.md", "benchmark.md")
_PAGES = {page.name: _commands(blocks_of(page)) for page in PAGES}


@pytest.mark.slow
@pytest.mark.parametrize("page", [name for name, lines in _PAGES.items() if lines])
def test_pages__commands_run_as_they_stand(page: str, world: Path) -> None:
    if page in FROM_NOTHING:
        for folder in ("checkpoints", "data/davis"):
            shutil.rmtree(world / folder)
    prepare = {
        "conversion.md": ["sfc convert RESULTS labels --to yolo"],
        "datasets.md": [],
        "evaluation.md": [
            "sfc propagate --fc crw -o results/davis/crw",
            "sfc evaluate davis --results A --json c.json",
        ],
        "networks.md": ["sfc pretrain --data frames -o runs/mine"],
        "studio.md": ["sfc propagate clip.mp4 --mask mask.png --protocol published -o results/clip/studio"],
    }
    for line in (*prepare.get(page, ()), *_PAGES[page]):
        run_line(line)


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("block", list(examples()), ids=lambda block: block.page)
def test_help__examples_run_as_they_stand(block: Block) -> None:
    for line in {
        "sfc convert --help": [
            "sfc propagate clip.mp4 --mask mask.png -o out",
            "sfc convert RESULTS masks.json --to coco",
            "sfc propagate --data davis",
        ],
        "sfc evaluate --help": ["sfc propagate --data davis --fc crw"],
        "sfc studio --help": ["sfc propagate clip.mp4 --mask mask.png -o results/clip/studio"],
    }.get(block.page, []):
        run_line(line)
    for line in block.lines:
        if not reason_for(line):
            run_line(line)


@pytest.mark.parametrize("block", [b for b in ALL if b.language == "yaml"], ids=lambda block: block.page)
def test_yaml__is_read(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from sfc_cli.core.network_table import find_spec
    from sfc_cli.download.catalogue import read_catalogue
    from sfc_cli.settings.locations import read_config

    monkeypatch.chdir(tmp_path)
    (tmp_path / "sfc.yaml").write_text(block.text)
    content = yaml.safe_load(block.text)
    assert set(read_config()) >= set(content)
    assert set(read_catalogue().entries) >= set(content.get("download", ()))
    for name in content.get("networks", ()):
        spec = find_spec(name)
        assert spec is not None
        assert spec.source == "timm"


PYTHON = [page for page in PAGES if any(block.language == "python" for block in blocks_of(page))]


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("page", PYTHON, ids=lambda page: page.name)
def test_python__runs(page: Path) -> None:
    if page.name == "evaluation.md":
        run_line("sfc propagate --fc crw -o results/davis/crw")
    names: dict[str, object] = {"mask": picture(1)[1], "truth": picture(0)[1], "np": np}
    for block in blocks_of(page):
        if block.language == "python":
            exec(compile(block.text, page.name, "exec"), names)
