"""A small folder of frames and small settings, so that a step takes a fraction of a second."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data.frame_index import FrameIndex, index_frames
from sfc_cli.settings.pretraining import PretrainingSettings


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def make_frames(tmp_path: Path) -> Callable[..., Path]:
    """Write folders of small photographs-like JPEGs; returns their root."""

    def make(
        videos: dict[str, int] | None = None, size: tuple[int, int] = (48, 64), root: str = "frames"
    ) -> Path:
        folder = tmp_path / root
        for number, (name, count) in enumerate((videos or {"a": 5, "b": 4}).items()):
            rng = np.random.default_rng(number)
            for t in range(count):
                coarse = rng.integers(0, 256, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
                path = folder / name / f"{t:05d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC))
        return folder

    return make


@pytest.fixture
def index(make_frames: Callable[..., Path]) -> FrameIndex:
    return index_frames(make_frames())


@pytest.fixture
def small() -> Callable[..., PretrainingSettings]:
    def make(**changes: object) -> PretrainingSettings:
        fields: dict[str, object] = {
            "epochs": 2,
            "batch_size": 2,
            "crop_size": 32,
            "last_layer": "layer3",
            "hidden_channels": 8,
            "out_channels": 4,
            "workers": 0,
            "check_every": 0,
            "precision": "fp32",
        }
        return PretrainingSettings(**{**fields, **changes})  # type: ignore[arg-type]

    return make
