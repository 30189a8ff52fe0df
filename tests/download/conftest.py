from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.download.fetching import Fetcher
from tests.download.loopback import Loopback, checkpoint


@pytest.fixture
def loopback() -> Iterator[Loopback]:
    server = Loopback()
    yield server
    server.close()


@pytest.fixture
def transfer(tmp_path: Path) -> Fetcher:
    return Fetcher(tmp_path)


@pytest.fixture(scope="session")
def weights() -> bytes:
    """A ResNet-18 in torchvision's layout, long enough to be interrupted."""
    return checkpoint(filler=400_000)


@pytest.fixture(autouse=True)
def _no_config_of_the_user(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    empty = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(empty))
    monkeypatch.chdir(empty)
    for name in (
        "SFC_MIRROR",
        "SFC_DATA",
        "SFC_CHECKPOINTS",
        "http_proxy",
        "HTTP_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
