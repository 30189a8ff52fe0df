from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.errors import InputError, UsageError
from sfc_cli.evaluation import boundary_accuracy, evaluate_davis, region_similarity
from sfc_cli.evaluation.proposals import best_pairing, score_proposals

MakeDavis = Callable[..., Path]


@pytest.fixture
def davis(make_davis: MakeDavis) -> Path:
    return make_davis({"first": 5, "second": 4}, ids=(1, 2))


@pytest.fixture
def results(davis: Path, tmp_path: Path) -> Path:
    """The truth under other ids (object 1 is proposal 5, object 2 proposal 3), with a useless proposal 1."""
    folder = tmp_path / "results"
    for path in (davis / "Annotations" / "480p").glob("*/*.png"):
        ids = read_ids(path)
        write_mask(folder / path.parent.name / path.name, np.array([0, 5, 3], np.uint8)[ids])
        first = read_ids(folder / path.parent.name / path.name).copy()
        first[-3:] = 1
        write_mask(folder / path.parent.name / path.name, first)
    return folder


def test_evaluate_davis__unsupervised_finds_the_proposals(davis: Path, results: Path) -> None:
    report = evaluate_davis(davis, results, task="unsupervised", annotations="Annotations", workers=1)
    assert report["global"]["J&F-Mean"] == 1
    assert {scores.name: scores.matched for scores in report.objects} == {
        "first_1": 5, "first_2": 3, "second_1": 5, "second_2": 3,
    }  # fmt: skip
    assert not report.warnings


def test_evaluate_davis__unsupervised_scores_all_frames(davis: Path, results: Path) -> None:
    path = results / "first" / "00000.png"
    write_mask(path, np.zeros_like(read_ids(path)))
    report = evaluate_davis(davis, results, task="unsupervised", annotations="Annotations")
    assert report.objects[0].frames == ("00000", "00001", "00002", "00003", "00004")
    assert report["per_object"]["first_1"]["J-Mean"] == pytest.approx(4 / 5)


def test_evaluate_davis__unsupervised_leaves_void_out(davis: Path, results: Path) -> None:
    for path in (davis / "Annotations" / "480p").glob("first/*.png"):
        ids = read_ids(path).copy()
        ids[:2] = 255
        write_mask(path, ids)
    for path in results.glob("first/*.png"):
        ids = read_ids(path).copy()
        ids[:2] = 5
        write_mask(path, ids)
    assert (
        evaluate_davis(davis, results, task="unsupervised", annotations="Annotations")["per_object"][
            "first_1"
        ]["J-Mean"]
        == 1
    )


def test_evaluate_davis__unsupervised_fewer_proposals_than_objects(davis: Path, results: Path) -> None:
    for path in results.glob("*/*.png"):
        ids = read_ids(path)
        write_mask(path, (ids == 3).astype(np.uint8))
    report = evaluate_davis(davis, results, task="unsupervised", annotations="Annotations")
    assert [scores.matched for scores in report.objects[:2]] == [None, 1]
    assert report["per_object"]["first_1"]["J-Mean"] == 0
    assert report["per_object"]["first_2"]["J-Mean"] == 1


def test_evaluate_davis__unsupervised_takes_its_own_annotations(davis: Path, results: Path) -> None:
    for path in (davis / "Annotations" / "480p").glob("*/*.png"):
        own = davis / "Annotations_unsupervised" / "480p" / path.parent.name / path.name
        write_mask(own, (read_ids(path) == 1).astype(np.uint8))
    report = evaluate_davis(davis, results, task="unsupervised")
    assert list(report.per_object) == ["first_1", "second_1"]


def test_evaluate_davis__unsupervised_refuses_other_annotations_unless_named(
    davis: Path, results: Path
) -> None:
    with pytest.raises(InputError, match=r"No Annotations_unsupervised in .*`annotations` Annotations"):
        evaluate_davis(davis, results, task="unsupervised")


def test_evaluate_davis__unsupervised_too_many_proposals(davis: Path, results: Path) -> None:
    path = results / "first" / "00001.png"
    write_mask(path, np.full_like(read_ids(path), 21))
    with pytest.raises(InputError, match="contains id 21, but at most 20 proposals"):
        evaluate_davis(davis, results, task="unsupervised", annotations="Annotations")


def test_evaluate_davis__unsupervised_needs_scipy(
    davis: Path, results: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(UsageError, match=r"sfc-cli\[unsupervised\]"):
        evaluate_davis(davis, results, task="unsupervised", annotations="Annotations")


@pytest.mark.parametrize("options", [{"task": "unsupervised", "year": "2016"}, {"task": "interactive"}])
def test_evaluate_davis__unknown_task(davis: Path, results: Path, options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match="`task`"):
        evaluate_davis(davis, results, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("seed", range(6))
def test_score_proposals__equals_each_pair_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    small = rng.choice(np.array([0, 0, 1, 2, 255], np.uint8), (6, 8))
    truth = np.kron(small, np.ones((5, 5), np.uint8))
    result = np.kron(rng.integers(0, 4, (6, 8), dtype=np.uint8), np.ones((5, 5), np.uint8))
    scores = score_proposals(result, truth, (1, 2))
    assert scores.region.shape == (20, 2)
    for proposal, (column, identity) in itertools.product((1, 2, 3, 4), enumerate((1, 2))):
        pair = (result == proposal, truth == identity)
        void = truth == 255
        assert scores.region[proposal - 1, column] == pytest.approx(region_similarity(*pair, void=void))
        expected = boundary_accuracy(*pair, void=void)
        assert scores.boundary[proposal - 1, column] == pytest.approx(expected)


def test_best_pairing__beats_every_other_pairing() -> None:
    rng = np.random.default_rng(0)
    region, boundary = rng.random((4, 6, 3)), rng.random((4, 6, 3))
    rows = best_pairing(region, boundary, 6)
    worth = (region.mean(axis=0) + boundary.mean(axis=0)) / 2
    best = max(
        sum(worth[row, k] for k, row in enumerate(pick)) for pick in itertools.permutations(range(6), 3)
    )
    assert sum(worth[row, k] for k, row in enumerate(rows)) == pytest.approx(best)
    assert len(set(rows)) == 3
