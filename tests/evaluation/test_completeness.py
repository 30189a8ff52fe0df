from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.errors import InputError
from sfc_cli.evaluation import evaluate_davis, evaluate_folder, evaluate_vip, evaluate_youtube_vos
from sfc_cli.evaluation.completeness import KnownFrames, number_shift, numbered_like

FRAMES = 8


def names(*numbers: int) -> list[str]:
    return [f"{number:05d}" for number in numbers]


@pytest.mark.parametrize(
    ("known", "is_dense", "lacking"),
    [
        (KnownFrames(annotated=names(0, 1, 2, 3), pictured=names(*range(6))), True, names(4, 5)),
        (KnownFrames(annotated=names(1, 2, 3), pictured=names(*range(4))), True, names(0)),
        (KnownFrames(annotated=names(0, 1, 3), pictured=names(*range(4))), True, names(2)),
        (KnownFrames(annotated=names(0, 1), pictured=["a", "b", "c"]), True, []),
        # Half of the frames themselves may be gone: only the truth counts.
        (KnownFrames(annotated=names(0, 1, 2, 3), pictured=names(0, 1)), True, []),
        # Every fifth frame, among all of them or alone.
        (KnownFrames(annotated=names(0, 5, 10), pictured=names(*range(13))), False, []),
        (KnownFrames(annotated=names(0, 5, 15), pictured=names(*range(16))), False, names(10)),
        (KnownFrames(annotated=names(0, 5), pictured=names(*range(0, 20, 5))), False, names(10, 15)),
        (KnownFrames(annotated=names(5, 10), pictured=names(*range(0, 15, 5))), False, names(0)),
        (KnownFrames(annotated=names(0), pictured=names(0, 5, 10)), False, names(5, 10)),
        # Nothing but numbers.
        (KnownFrames(annotated=names(0, 1, 2, 4)), True, names(3)),
        (KnownFrames(annotated=names(0, 5, 15)), False, names(10)),
        (KnownFrames(annotated=["a", "c"]), True, []),
        # The results know of more.
        (KnownFrames(annotated=names(1, 2, 3), results=names(0, 1, 2, 3)), True, names(0)),
        (KnownFrames(annotated=names(0, 1), results=names(0, 1, 2)), True, names(2)),
        (KnownFrames(annotated=names(0, 5), results=names(*range(10))), False, []),
        (KnownFrames(annotated=names(0, 5), results=names(*range(11))), False, names(10)),
        # Shifted results are no sign of missing truth.
        (KnownFrames(annotated=names(0, 1, 2), results=names(1, 2, 3)), True, []),
        (KnownFrames(annotated=names(0, 5), listed=names(0, 5, 10)), False, names(10)),
    ],
)
def test_known_frames__without_truth(known: KnownFrames, is_dense: bool, lacking: list[str]) -> None:
    assert known.without_truth(is_dense=is_dense, trusts_results=True) == lacking


def test_known_frames__orders_by_number() -> None:
    known = KnownFrames(annotated=["2", "10", "0"], pictured=["0", "1", "2", "10"])
    assert known.all == ["0", "1", "2", "10"]


@pytest.mark.parametrize(
    ("results", "shift"),
    [
        (names(1, 2, 3), 1),
        (names(0, 1, 2), None),
        (names(1, 2), None),
        (names(0, 1, 2, 3), None),
        (names(5, 6, 7), 5),
        (["x"], None),
    ],
)
def test_number_shift__only_if_both_ends_moved(results: list[str], shift: int | None) -> None:
    assert number_shift(KnownFrames(annotated=names(0, 1, 2), results=results)) == shift


def test_numbered_like__keeps_the_width() -> None:
    assert numbered_like("frame_00007", 12) == "frame_00012"


@pytest.fixture
def davis(make_davis: Callable[..., Path]) -> Path:
    return make_davis({"first": FRAMES, "second": FRAMES})


@pytest.fixture
def results(davis: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "results"
    for path in masks_of(davis).glob("*/*.png"):
        write_mask(folder / path.parent.name / path.name, np.roll(read_ids(path), 1, axis=1))
    return folder


def masks_of(davis: Path) -> Path:
    return davis / "Annotations" / "480p"


@pytest.mark.parametrize("has_frames", [True, False])
@pytest.mark.parametrize(
    "gone", [names(4, 5, 6, 7), names(0), names(3)], ids=["half unpacked", "first", "middle"]
)
def test_evaluate__truth_that_lacks_frames_is_refused(
    davis: Path, results: Path, gone: list[str], has_frames: bool
) -> None:
    if not has_frames:
        shutil.rmtree(davis / "JPEGImages")
    for name in gone:
        (masks_of(davis) / "first" / f"{name}.png").unlink()
    with pytest.raises(InputError, match=rf"No annotation for frames? {', '.join(gone)} of sequence first"):
        evaluate_davis(davis, results)
    report = evaluate_davis(davis, results, allow_missing=True, workers=1)
    assert report.lacking_truth == {"first": gone}
    # The ends of the sequence are those of its frames, not those of what is left of the truth.
    if has_frames:
        kept = [name for name in names(*range(1, FRAMES - 1)) if name not in gone]
        assert report.objects[0].frames == tuple(kept)
    videos = davis.parent / "ytvos" / "valid"
    shutil.copytree(masks_of(davis), videos / "Annotations")
    if has_frames:
        shutil.copytree(davis / "JPEGImages" / "480p", videos / "JPEGImages")
    with pytest.raises(InputError, match=rf"No annotation for frames? {', '.join(gone)} of sequence first"):
        evaluate_youtube_vos(videos.parent, results)


def test_evaluate__annotations_of_another_suffix_are_named(davis: Path, results: Path) -> None:
    path = masks_of(davis) / "first" / "00003.png"
    path.rename(path.with_suffix(".PNG"))
    with pytest.raises(InputError, match=r"00003 of sequence first.*and 00003\.PNG, whose name must end in"):
        evaluate_davis(davis, results)
    with pytest.raises(InputError, match=r"1 of the images .* not named \.png .*00003\.PNG"):
        evaluate_folder(masks_of(davis), results)


def test_evaluate_folder__truth_of_jpegs_does_not_vanish(davis: Path, results: Path) -> None:
    shutil.copytree(davis / "JPEGImages" / "480p" / "first", masks_of(davis) / "third")
    with pytest.raises(InputError, match=r"8 of the images .* would not count"):
        evaluate_folder(masks_of(davis), results)


def test_evaluate_youtube_vos__meta_knows_which_frames_are_annotated(davis: Path, results: Path) -> None:
    root = davis.parent / "ytvos"
    shutil.copytree(masks_of(davis), root / "valid" / "Annotations")
    frames = ", ".join(f'"{name}"' for name in names(*range(9)))
    (root / "valid" / "meta.json").write_text(
        f'{{"videos": {{"first": {{"objects": {{"1": {{"frames": [{frames}]}}}}}}}}}}'
    )
    with pytest.raises(InputError, match="No annotation for frame 00008 of sequence first"):
        evaluate_youtube_vos(root, results)
    (root / "valid" / "meta.json").write_text('{"videos": [1]}')
    assert evaluate_youtube_vos(root, results).frame_count == 2 * FRAMES


def test_evaluate_youtube_vos__videos_without_annotations_are_refused(davis: Path, results: Path) -> None:
    root = davis.parent / "ytvos" / "valid"
    shutil.copytree(masks_of(davis) / "first", root / "Annotations" / "first")
    shutil.copytree(davis / "JPEGImages" / "480p", root / "JPEGImages")
    with pytest.raises(InputError, match=r"No annotations for 1 of the videos .*second"):
        evaluate_youtube_vos(root.parent, results)
    assert evaluate_youtube_vos(root.parent, results, sequences=["first"]).frame_count == FRAMES


def test_evaluate_vip__truth_that_lacks_frames_is_refused(davis: Path, results: Path) -> None:
    root = davis.parent / "vip"
    shutil.copytree(masks_of(davis), root / "Annotations" / "Category_ids")
    shutil.copytree(davis / "JPEGImages" / "480p", root / "Images")
    (root / "Annotations" / "Category_ids" / "second" / "00004.png").unlink()
    with pytest.raises(InputError, match="No annotation for frame 00004 of sequence second"):
        evaluate_vip(root, results)


def test_evaluate__extra_frames_and_sequences_warn(davis: Path, results: Path) -> None:
    shutil.copy(results / "first" / "00007.png", results / "first" / "00008.png")
    shutil.copytree(results / "second", results / "third")
    (results / "overlay" / "first").mkdir(parents=True)
    told = "\n".join(evaluate_davis(davis, results).warnings)
    assert "the truth does not have, which are not scored: first/00008." in told
    assert "Not scored, because the split does not have them: third." in told
    told = "\n".join(evaluate_folder(masks_of(davis), results).warnings)
    assert "first/00008" in told
    assert "third" in told
    # What was not chosen is not too much.
    assert not any(
        "split" in each for each in evaluate_davis(davis, results, sequences=["second"]).warnings[1:]
    )


def test_evaluate__masks_numbered_from_one(davis: Path, results: Path) -> None:
    for path in sorted((results / "first").iterdir(), reverse=True):
        path.rename(path.with_name(f"{int(path.stem) + 1:05d}.png"))
    told = [each for each in evaluate_davis(davis, results).warnings if "numbered from 00001" in each]
    assert len(told) == 1
    assert "rename them: 00001.png to 00000.png, and so on (by -1)" in told[0]
    with pytest.raises(InputError, match=r"rename them: 00001\.png to 00000\.png"):
        evaluate_folder(masks_of(davis), results)


def test_evaluate_folder__natural_order(tmp_path: Path) -> None:
    mask = np.ones((8, 8), np.uint8)
    for name in ("2", "10", "1", "0"):
        write_mask(tmp_path / "truth" / f"{name}.png", mask)
    report = evaluate_folder(tmp_path / "truth", tmp_path / "truth", allow_missing=True)
    assert report.objects[0].frames == ("0", "1", "2", "10")


def test_evaluate__unpadded_names_in_natural_order(davis: Path, results: Path) -> None:
    for folder in (masks_of(davis) / "first", results / "first", davis / "JPEGImages" / "480p" / "first"):
        for path in folder.iterdir():
            path.rename(path.with_stem(str(3 * int(path.stem))))
    expected = ("3", "6", "9", "12", "15", "18")
    assert evaluate_davis(davis, results, workers=1).objects[0].frames == expected
    videos = davis.parent / "ytvos" / "Annotations"
    shutil.copytree(masks_of(davis), videos)
    report = evaluate_youtube_vos(videos.parent, results, sequences=["first"], workers=1)
    assert report.objects[0].frames == ("0", *expected, "21")


def test_evaluate_davis__lists_of_2016_know_the_frames(davis: Path, results: Path) -> None:
    shutil.rmtree(davis / "JPEGImages")
    for name in ("00006", "00007"):
        (masks_of(davis) / "first" / f"{name}.png").unlink()
        (results / "first" / f"{name}.png").unlink()
    lines = [
        f"/JPEGImages/480p/{name}/{t:05d}.jpg /Annotations/480p/{name}/{t:05d}.png"
        for name in ("first", "second")
        for t in range(FRAMES)
    ]
    (davis / "ImageSets" / "480p").mkdir()
    (davis / "ImageSets" / "480p" / "val.txt").write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"No annotation for frames 00006, 00007 of sequence first"):
        evaluate_davis(davis, results, year="2016")
