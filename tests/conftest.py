"""What all tests share: where the golden data lies, and a small data set in the DAVIS layout."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def golden() -> Path:
    folder = SHARED / "golden"
    if not folder.is_dir():
        pytest.skip("the golden data (../shared/golden) is not here")
    return folder


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
