"""A small video, opened for the page, and a client that speaks to it as the page does."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("httpx", reason="httpx is not installed")

from starlette.testclient import TestClient

from sfc_cli.studio.command_line import Opening
from sfc_cli.studio.events import Events
from sfc_cli.studio.guard import Guard
from sfc_cli.studio.routes import make_app
from sfc_cli.studio.workbench import Workbench
from tests.commands.footage import make_frames, write_images

TOKEN = "secret-token"
HOST = "127.0.0.1:8123"
Open = Callable[..., Workbench]


class IdleWorker:
    """Stands in for the process that propagates."""

    def __init__(self) -> None:
        self.is_busy = False
        self.begun: list[Any] = []

    def begin(self, work: Any) -> None:
        self.begun.append(work)

    def stop(self) -> None: ...

    def close(self) -> None: ...


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    return write_images(tmp_path / "walk", make_frames(6))


@pytest.fixture
def open_bench(clip: Path, tmp_path: Path) -> Iterator[Open]:
    opened: list[Workbench] = []

    def open_it(**given: Any) -> Workbench:
        bench = Workbench(Opening(**{"sources": [str(clip)], "output": tmp_path / "out", **given}), Events())
        bench.worker = IdleWorker()  # type: ignore[assignment]
        bench.frames.start()
        deadline = time.monotonic() + 20
        while not bench.frames.is_read and time.monotonic() < deadline:
            time.sleep(0.01)
        opened.append(bench)
        return bench

    yield open_it
    for bench in opened:
        bench.close()


@pytest.fixture
def bench(open_bench: Open) -> Workbench:
    return open_bench()


def client_of(bench: Workbench) -> TestClient:
    app = Guard(make_app(bench), TOKEN, {HOST})
    return TestClient(app, base_url=f"http://{HOST}", raise_server_exceptions=False)


@pytest.fixture
def client(bench: Workbench) -> TestClient:
    return client_of(bench)


def api(path: str) -> str:
    return f"/{TOKEN}/api/{path}"
