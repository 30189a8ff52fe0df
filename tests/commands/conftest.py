"""What all tests of commands share: an empty folder, and no settings from outside."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.downloads import Command, serve_downloads
from tests.commands.footage import make_frames, write_images, write_mask_of
from tests.download.loopback import checkpoint

# What they compare is told when they fail, as in the tests themselves.
pytest.register_assert_rewrite("tests.commands.running", "tests.commands.conversions")

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder, without settings from outside; programs started there run this checkout."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("SFC_DATA", "SFC_CHECKPOINTS", "SFC_MIRROR", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY), prepend=os.pathsep)
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def cached_load_source() -> Callable[..., object]:
    from sfc_cli.core.encoders import load_source

    return functools.lru_cache(load_source)


@pytest.fixture
def networks_built_once(monkeypatch: pytest.MonkeyPatch, cached_load_source: Callable[..., object]) -> None:
    """Build each network once for all tests of a module."""
    from sfc_cli.inference import networks

    monkeypatch.setattr(networks, "load_source", cached_load_source)


@pytest.fixture
def shots() -> Path:
    """Write the frames of the clip into the current folder."""
    return write_images(Path("shots"), make_frames())


@pytest.fixture
def first() -> Path:
    """Write the true mask of its first frame there."""
    return write_mask_of(Path("first.png"), 0)


@pytest.fixture
def sfc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Give `sfc download`, against a server on loopback."""
    with serve_downloads(tmp_path, monkeypatch) as command:
        yield command


@pytest.fixture(scope="session")
def right() -> bytes:
    """The checkpoint that a download should bring."""
    return checkpoint(layout="sfc", filler=300_000)
