from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import palette, read_ids, write_mask
from sfc_cli.evaluation import evaluate_davis, evaluate_folder


@pytest.fixture
def davis(make_davis: Callable[..., Path]) -> Path:
    return make_davis({"first": 5, "second": 4})


def write_results(davis: Path, folder: Path, table: list[int]) -> Path:
    """Write the truth with other ids, a pixel to the right."""
    for path in (davis / "Annotations" / "480p").glob("*/*.png"):
        ids = np.roll(np.array(table, np.uint8)[read_ids(path)], 1, axis=1)
        write_mask(folder / path.parent.name / path.name, ids)
    return folder


def test_warnings_about_ids__right_ones_say_nothing(davis: Path, tmp_path: Path) -> None:
    assert evaluate_davis(davis, write_results(davis, tmp_path / "r", [0, 1, 2])).warnings == []


def test_warnings_about_ids__exchanged(davis: Path, tmp_path: Path) -> None:
    results = write_results(davis, tmp_path / "r", [0, 2, 1])
    told = evaluate_davis(davis, results).warnings
    assert len(told) == 1
    assert "exchanged: first (1 is the truth's 2, 2 is the truth's 1), second (" in told[0]
    assert "with the ids of the truth" in told[0]


def test_warnings_about_ids__black_and_white_against_object_1(davis: Path, tmp_path: Path) -> None:
    results = write_results(davis, tmp_path / "r", [0, 255, 255])
    report = evaluate_davis(davis, results)
    assert report["global"]["J-Mean"] == 0
    assert any(
        "255 where the truth has an object" in each and "sfc convert" in each for each in report.warnings
    )


def test_warnings_about_ids__unknown_to_the_truth(davis: Path, tmp_path: Path) -> None:
    results = write_results(davis, tmp_path / "r", [0, 1, 38])
    told = "\n".join(evaluate_folder(davis / "Annotations" / "480p", results).warnings)
    assert "38 is the truth's 2" in told


def test_warnings_about_ids__permuted_palette_with_right_colours(davis: Path, tmp_path: Path) -> None:
    colours = palette().copy()
    colours[[1, 2]] = colours[[2, 1]]
    results = write_results(davis, tmp_path / "r", [0, 2, 1])
    for path in results.glob("*/*.png"):
        image = Image.fromarray(read_ids(path))
        image.putpalette(colours.tobytes())
        image.save(path)
    told = "\n".join(evaluate_davis(davis, results).warnings)
    assert "palette gives ids the colours that other ids have in the truth: first (1 is the truth's 2" in told
    # Colours are never scored.
    assert evaluate_davis(davis, results)["global"]["J-Mean"] < 0.5
