"""No name may lead out of its folder: those of one's own videos and of their frames."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.names.driving import RUN, needs_odd_files
from tests.surroundings import (
    FILE_NAMES,
    FRAMES,
    RESERVED,
    jpegs,
    mask,
    picture,
    refuse,
    sfc,
    snapshot,
    write,
)


@needs_odd_files
@pytest.mark.parametrize("name", FILE_NAMES)
def test_videos__names_of_frames_that_lead_out(root: Path, name: str) -> None:
    jpegs(Path("shots"))
    write(Path("shots") / f"{name}.jpg", picture(".jpg"))
    write(Path("m.png"), mask())
    for source in ("shots", "shots/*.jpg"):
        refuse(root, "propagate", source, "--mask", "m.png", *RUN)


@needs_odd_files
def test_videos__names_that_lead_out_are_changed(root: Path) -> None:
    jpegs(Path("..\\x"))
    write(Path("m.png"), mask())
    write(root / "deep" / "x" / "00000.png", "stays")
    before = snapshot(root)
    code, said = sfc("propagate", "..\\x", "--mask", "m.png", *RUN)
    assert code == 0, said
    after = snapshot(root)
    assert {path: after[path] for path in before} == before
    assert all(path.startswith("deep/desk/out") for path in after.keys() - before.keys())
    assert len(list(Path("out/_x").glob("*.png"))) == FRAMES


@pytest.mark.parametrize("name", [name for name in RESERVED if name[0] != "."])
def test_videos__named_like_what_a_run_writes(root: Path, name: str) -> None:
    jpegs(Path(name))
    write(Path("m.png"), mask())
    assert "results of another kind" in refuse(root, "propagate", name, "--mask", "m.png", *RUN)
