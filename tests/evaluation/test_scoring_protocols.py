from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import write_mask
from sfc_cli.errors import UsageError
from sfc_cli.evaluation import Report, evaluate_davis, evaluate_folder, evaluate_youtube_vos
from sfc_cli.evaluation.scoring_protocols import SCORING_PROTOCOLS, ScoringChoice

FRAMES = tuple(f"{t:05d}" for t in range(5))
ALL = (0, 1, 2, 3, 4)


def draw(*objects: int) -> np.ndarray:
    mask = np.zeros((20, 40), np.uint8)
    for identity in objects:
        mask[2:8, identity * 6 : identity * 6 + 4] = identity
    return mask


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Object 1 throughout, 2 from frame 2 on, 3 in the last frame alone; the results see 2 a frame early."""
    truth = [(1,), (1,), (1, 2), (1, 2), (1, 2, 3)]
    results = [(1,), (1, 2), (1, 2), (1,), (1, 2, 3)]
    for name, masks in (("truth", truth), ("results", results)):
        for frame, objects in zip(FRAMES, masks, strict=True):
            write_mask(tmp_path / name / "a" / f"{frame}.png", draw(*objects))
    return tmp_path / "truth", tmp_path / "results"


def scored(report: Report) -> dict[str, tuple[tuple[int, ...], float]]:
    """Return each object's frames and its mean J."""
    return {
        scores.name: (tuple(map(int, scores.frames)), scores.statistics["J-Mean"])
        for scores in report.objects
    }


@pytest.mark.parametrize(
    ("protocol", "expected"),
    [
        ("every-frame", {"a_1": (ALL, 1), "a_2": (ALL, 3 / 5), "a_3": (ALL, 1)}),
        ("from-appearance", {"a_1": (ALL, 1), "a_2": ((2, 3, 4), 2 / 3), "a_3": ((4,), 1)}),
        # An object of the last frame alone is none where that frame does not count.
        ("vos-benchmark", {"a_1": ((1, 2, 3), 1), "a_2": ((1, 2, 3), 1 / 3)}),
        ("vos-benchmark-d", {"a_1": (ALL, 1), "a_2": ((1, 2, 3, 4), 1 / 2), "a_3": ((4,), 1)}),
        ("davis-2017", {"a_1": ((1, 2, 3), 1)}),
        ("mose", {"a_1": ((1, 2, 3), 1), "a_2": ((1, 2, 3), 1 / 3), "a_3": ((1, 2, 3), 1)}),
    ],
)  # fmt: skip
def test_scoring_protocols__frames_and_objects(
    folders: tuple[Path, Path], protocol: str, expected: dict[str, tuple[tuple[int, ...], float]]
) -> None:
    report = evaluate_folder(*folders, scoring=ScoringChoice(scoring_protocol=protocol))
    found = scored(report)
    assert {name: frames for name, (frames, _) in found.items()} == {
        name: frames for name, (frames, _) in expected.items()
    }
    for name, (_, mean) in expected.items():
        assert found[name][1] == pytest.approx(mean), name
    assert report.protocol.to_json()["name"] == protocol
    assert protocol in report.protocol.described()


@pytest.mark.parametrize(
    ("skip", "frames"),
    [
        (("first", "last"), {"a_1": (1, 2, 3), "a_2": (1, 2, 3), "a_3": (1, 2, 3)}),
        (("first",), {"a_1": (1, 2, 3, 4), "a_2": (1, 2, 3, 4), "a_3": (1, 2, 3, 4)}),
        (("given",), {"a_1": (1, 2, 3, 4), "a_2": (0, 1, 3, 4), "a_3": (0, 1, 2, 3)}),
        (("none",), dict.fromkeys(("a_1", "a_2", "a_3"), (0, 1, 2, 3, 4))),
    ],
)
def test_skip__in_a_folder(
    folders: tuple[Path, Path], skip: tuple[str, ...], frames: dict[str, tuple[int, ...]]
) -> None:
    report = evaluate_folder(*folders, scoring=ScoringChoice(skip=skip))
    assert {name: counted for name, (counted, _) in scored(report).items()} == frames


def test_skip__objects_without_a_frame_are_named(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    folders[0].rename(tmp_path / "videos" / "Annotations")
    report = evaluate_youtube_vos(
        tmp_path / "videos", folders[1], scoring=ScoringChoice(skip=("given",)), allow_missing=True
    )
    assert scored(report).keys() == {"a_1", "a_2"}
    assert "Not scored, because no frame that counts is left: a_3." in report.warnings


def test_scoring_choice__refuses_what_it_does_not_know(folders: tuple[Path, Path]) -> None:
    with pytest.raises(UsageError, match="Choose one of: every-frame, from-appearance, vos-benchmark"):
        ScoringChoice(scoring_protocol="davos")
    with pytest.raises(UsageError, match="`skip` 'middle'"):
        ScoringChoice(skip=("middle",))
    with pytest.raises(UsageError, match="none beside"):
        ScoringChoice(skip=("none", "first"))
    for bound in ("0", "-1", "nan", "inf", "wide"):
        with pytest.raises(UsageError, match="`boundary`"):
            ScoringChoice(boundary=bound)
    with pytest.raises(UsageError, match="fixes the frames"):
        evaluate_davis(*folders, scoring=ScoringChoice(skip=("first",)))


def test_boundary__changes_f_alone_and_is_told(folders: tuple[Path, Path]) -> None:
    for path in (folders[1] / "a").iterdir():
        write_mask(path, np.roll(draw(1, 2, 3), 2, axis=0))
    default = evaluate_folder(*folders)
    wide = evaluate_folder(*folders, scoring=ScoringChoice(boundary="2"))
    assert wide["global"]["J-Mean"] == default["global"]["J-Mean"]
    assert wide["global"]["F-Mean"] > default["global"]["F-Mean"]
    assert "F within 2 pixels" in wide.protocol.described()
    assert wide.protocol.to_json()["boundary"] == 2


def test_scoring_protocols__names_are_keys() -> None:
    assert [protocol.name for protocol in SCORING_PROTOCOLS.values()] == list(SCORING_PROTOCOLS)
