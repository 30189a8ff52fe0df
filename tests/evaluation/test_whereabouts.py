from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sfc_cli.errors import InputError
from sfc_cli.evaluation import evaluate_davis, evaluate_folder, evaluate_vip, evaluate_youtube_vos
from sfc_cli.evaluation.whereabouts import find_near


@pytest.fixture
def davis(make_davis: Callable[..., Path]) -> Path:
    return make_davis({"first": 4})


@pytest.fixture
def results(davis: Path, tmp_path: Path) -> Path:
    return shutil.copytree(davis / "Annotations" / "480p", tmp_path / "runs" / "mine")


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_did_you_mean__results_nested_too_deep(davis: Path, results: Path, depth: int) -> None:
    inner = results.joinpath(*"abc"[:depth])
    inner.mkdir(parents=True)
    (results / "first").rename(inner / "first")
    with pytest.raises(InputError) as caught:
        evaluate_davis(davis, results)
    assert f"Did you mean `results` {inner}?" in str(caught.value)


def test_did_you_mean__results_one_level_too_low(davis: Path, results: Path) -> None:
    with pytest.raises(InputError) as caught:
        evaluate_davis(davis, results / "first")
    assert f"Did you mean `results` {results}?" in str(caught.value)


def test_did_you_mean__flat_results_of_a_folder(davis: Path, results: Path) -> None:
    with pytest.raises(InputError) as caught:
        evaluate_folder(davis / "Annotations" / "480p" / "first", results)
    assert f"Did you mean `results` {results / 'first'}?" in str(caught.value)


@pytest.mark.parametrize("levels", [1, 2, 3])
def test_did_you_mean__data_set_above_and_below(davis: Path, results: Path, levels: int) -> None:
    below = (davis / "Annotations" / "480p" / "first").parents[3 - levels - 1] if levels < 3 else None
    below = below or davis / "Annotations" / "480p" / "first"
    with pytest.raises(InputError) as caught:
        evaluate_davis(below, results)
    assert f"Did you mean `data` {davis}?" in str(caught.value)
    with pytest.raises(InputError) as caught:
        evaluate_davis(davis.parent, results)
    assert f"Did you mean `data` {davis}?" in str(caught.value)


def test_did_you_mean__other_layouts(davis: Path, results: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"is in the DAVIS layout.*sfc evaluate davis"):
        evaluate_youtube_vos(davis, results)
    root = tmp_path / "videos" / "ytvos"
    shutil.copytree(davis / "Annotations" / "480p", root / "valid" / "Annotations")
    with pytest.raises(InputError, match=rf"Did you mean `data` {root}\?"):
        evaluate_youtube_vos(root.parent, results)
    vip = tmp_path / "parts" / "vip"
    shutil.copytree(davis / "Annotations" / "480p", vip / "Annotations" / "Category_ids")
    with pytest.raises(InputError, match=rf"Did you mean `data` {vip}\?"):
        evaluate_vip(vip.parent, results)


def test_check_results_folder__a_zip(davis: Path, tmp_path: Path) -> None:
    path = tmp_path / "masks.zip"
    path.write_bytes(b"PK")
    with pytest.raises(InputError, match=r"are a zip, not a folder. `sfc convert .*masks\.zip masks` makes"):
        evaluate_davis(davis, path)


def test_set_missing_aside__names_in_capitals(davis: Path, results: Path) -> None:
    for path in (results / "first").iterdir():
        path.rename(path.with_suffix(".PNG"))
    with pytest.raises(InputError, match=r"has 00000\.PNG: a mask's name must end in \.png"):
        evaluate_davis(davis, results)
    for name in ("00000", "00001", "00003"):
        shutil.copy(results / "first" / f"{name}.PNG", results / "first" / f"{name}.png")
    with pytest.raises(InputError, match=r"00002\.png is missing, and 00002\.PNG, whose name"):
        evaluate_folder(davis / "Annotations" / "480p", results, sequences=["first"])


def test_find_near__nothing(tmp_path: Path) -> None:
    assert find_near(tmp_path, lambda folder: folder.name == "nowhere") is None
    assert find_near(tmp_path / "missing", lambda folder: folder.name == "nowhere") is None
