"""``sfc studio`` as it is typed; the page itself is tested in tests/studio."""

from __future__ import annotations

import importlib.util
import json
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.commands.footage import make_frames, write_images
from tests.commands.running import run

pytest.importorskip("starlette", reason="starlette is not installed")
pytest.importorskip("uvicorn", reason="uvicorn is not installed")


def studio(*arguments: object) -> Result:
    return run("studio", "--no-browser", *arguments)


def test_studio__a_video_that_is_not_there(tmp_path: Path) -> None:
    result = studio(tmp_path / "gone.mp4")
    assert result.exit_code == 3
    assert "gone.mp4" in result.stderr
    assert "missing" in result.stderr


def test_studio__a_port_that_is_taken(tmp_path: Path) -> None:
    clip = write_images(tmp_path / "walk", make_frames(2))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        result = studio(clip, "-o", tmp_path / "out", "--port", taken.getsockname()[1])
    assert result.exit_code == 2
    assert "--port" in result.stderr
    assert not (tmp_path / "out").exists()


def test_studio__a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    clip = write_images(tmp_path / "walk", make_frames(2))
    (tmp_path / "file").write_text("")
    result = studio(clip, "-o", tmp_path / "file" / "out")
    assert result.exit_code == 3
    assert "Cannot write" in result.stderr


def test_studio__what_is_no_run_over_a_video(tmp_path: Path, make_davis: Callable[..., Path]) -> None:
    record = {"settings": {}, "checkpoints": {}, "sequences": {}, "data": str(make_davis())}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "run.json").write_text(json.dumps(record))
    result = studio(tmp_path / "out")
    assert result.exit_code == 3
    assert "not the record of a run over a video" in result.stderr
    result = studio(tmp_path / "out", "-o", tmp_path / "elsewhere")
    assert result.exit_code == 2
    assert "corrected where it lies" in result.stderr


def test_studio__without_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "uvicorn" else found(name))
    result = studio("clip.mp4")
    assert result.exit_code == 2
    assert "sfc-cli[studio]" in result.stderr
