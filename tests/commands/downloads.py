"""`sfc download` in a folder of its own, against a server on loopback."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from sfc_cli.download.connection import Patience
from sfc_cli.main import app
from tests.download.loopback import Answer, Loopback, visible

FILE = "pretrained_fc.pth"


class Command:
    """`sfc` in a folder of its own, whose sfc.yaml points every download at the loopback server."""

    def __init__(self, loopback: Loopback) -> None:
        self.loopback = loopback
        self.folder = Path.cwd()
        self.checkpoints = self.folder / "checkpoints"
        self.target = self.checkpoints / FILE
        self.pauses: list[float] = []
        self.code = 0
        self.out = self.err = ""
        self._config: dict[str, Any] = {"download": {}}

    def source(self, name: str, answer: Answer, **fields: Any) -> str:
        """Let ``answer`` serve a download."""
        address = self.loopback.serve(f"/{name}", answer)
        self._config["download"][name] = {"sources": [address], **fields}
        (self.folder / "sfc.yaml").write_text(yaml.safe_dump(self._config))
        return address

    def __call__(self, *arguments: str, **environment: str) -> str:
        result = CliRunner().invoke(app, ["download", *arguments], env=environment)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        self.code, self.out, self.err = result.exit_code, result.stdout, result.stderr
        return self.out

    def leftovers(self) -> list[str]:
        return visible(self.checkpoints) if self.checkpoints.is_dir() else []


@contextlib.contextmanager
def serve_downloads(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """Give the command in ``folder``, far from the user's own settings, with little patience."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(folder / "home"))
    for name in ("SFC_MIRROR", "SFC_DATA", "SFC_CHECKPOINTS", "http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    loopback = Loopback()
    command = Command(loopback)
    quick = {"sleep": command.pauses.append, "tries": 3, "read_seconds": 0.3, "connect_seconds": 2.0}
    for name, value in quick.items():
        monkeypatch.setitem(Patience.__init__.__kwdefaults__, name, value)
    yield command
    loopback.close()
