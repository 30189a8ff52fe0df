"""A folder two deep to work in, and the names and layouts that tests are driven with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.surroundings import LAYOUTS


@pytest.fixture(autouse=True)
def root(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work two folders deep, so that what names lead to is watched, too."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CACHE_HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home))
    for variable in ("SFC_DATA", "SFC_CHECKPOINTS", "SFC_MIRROR"):
        monkeypatch.delenv(variable, raising=False)
    (tmp_path / "deep" / "desk").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "deep" / "desk")
    return tmp_path


@pytest.fixture
def name(request: pytest.FixtureRequest, root: Path) -> str:
    given: str = request.param
    return str(root / given[1:]) if given.startswith("/") else given


@pytest.fixture(params=list(LAYOUTS))
def layout(request: pytest.FixtureRequest) -> str:
    if request.param == "jhmdb":
        pytest.importorskip("scipy", reason="SciPy is not installed")
    given: str = request.param
    return given
