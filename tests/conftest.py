"""What all tests share: the golden data, and a small data set in the DAVIS layout."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

# Before torch is imported: small tensors gain nothing from threads, which wait for each other.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"
BUNDLED = Path(__file__).resolve().parent / "golden" / "data"
# Too large for the repository, see tests/golden/data/README.md.
NOT_BUNDLED = (
    "pretrain/initial_state_fp16.pth",
    "videos/crw",
    "videos/fc/expected/soapbox",
    "videos/mocov1",
    "weights/moco_v1_200ep_pretrain.pth.tar",
)


class Golden:
    """A folder of golden data, whose paths are written ``golden / "videos/fc"``.

    A test that asks for what a folder lacks is skipped and names it. What the repository bundles must be
    there: only what it leaves out on purpose may be missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __truediv__(self, name: str) -> Path:
        path = self._folder / name
        if path.exists():
            return path
        if self._folder == BUNDLED and name not in NOT_BUNDLED:
            pytest.fail(f"tests/golden/data lacks {name}: it is part of the repository")
        source = "tests/golden/data" if self._folder == BUNDLED else "../shared/golden"
        return pytest.skip(f"{source} has no {name}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole videos of the whole golden data take minutes; those of the bundled one are always seen."""
    for item in items:
        if item.path.name == "test_videos.py" and "[shared" in item.name:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(
    scope="session",
    params=[pytest.param(name, marks=pytest.mark.golden) for name in ("bundled", "shared")],
)
def golden(request: pytest.FixtureRequest) -> Golden:
    """Run a test on the bundled golden data, and again on the whole of it where it is."""
    if request.param == "bundled":
        return Golden(BUNDLED)
    if not (SHARED / "golden").is_dir():
        pytest.skip("the whole golden data (../shared/golden) is not here")
    return Golden(SHARED / "golden")


@pytest.fixture(scope="session")
def shared_davis() -> Path:
    folder = SHARED / "davis"
    if not folder.is_dir():
        pytest.skip("the DAVIS sequences (../shared/davis) are not here")
    return folder


@pytest.fixture
def make_davis(tmp_path: Path) -> Callable[..., Path]:
    """Make a small DAVIS-layout data set of moving rectangles over noise; every frame is annotated."""
    import cv2

    from sfc_cli.data.masks import write_mask

    def make(
        sequences: dict[str, int] | None = None,
        size: tuple[int, int] = (48, 64),
        ids: tuple[int, ...] = (1, 2),
    ) -> Path:
        root = tmp_path / "davis"
        height, width = size
        names = sequences or {"first": 4, "second": 3}
        for number, (name, frames) in enumerate(names.items()):
            rng = np.random.default_rng(number)
            background = rng.integers(0, 256, (height // 4, width // 4, 3), dtype=np.uint8)
            background = cv2.resize(background, (width, height), interpolation=cv2.INTER_CUBIC)
            for t in range(frames):
                frame, mask = background.copy(), np.zeros(size, np.uint8)
                for order, identity in enumerate(ids):
                    top, left = 4 + 20 * order, 4 + 3 * t + 8 * order
                    mask[top : top + 16, left : left + 20] = identity
                    frame[mask == identity] = (200 - 90 * order, 60 + 80 * order, 40 + 50 * order)
                path = root / "JPEGImages" / "480p" / name / f"{t:05d}.jpg"
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), frame)
                write_mask(root / "Annotations" / "480p" / name / f"{t:05d}.png", mask)
        split = root / "ImageSets" / "2017" / "val.txt"
        split.parent.mkdir(parents=True, exist_ok=True)
        split.write_text("\n".join(names) + "\n")
        return root

    return make
