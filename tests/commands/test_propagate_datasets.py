"""``sfc propagate`` on data sets as people have them: sparse masks, late objects, lists, two folders."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from sfc_cli.data.masks import read_ids, write_mask
from tests.commands.running import masks_in, refused, run, succeed
from tests.conftest import SHARED

MakeDavis = Callable[..., Path]

RUN = ("--fc", "random18", "--device", "cpu", "--protocol", "published")


def _propagate(*arguments: object) -> str:
    return succeed(run("propagate", *arguments, *RUN)).stderr


def _refuse(*arguments: object) -> str:
    result = run("propagate", *arguments, *RUN)
    assert result.exit_code in (2, 3), result.output
    return refused(result, result.exit_code)


def _flatten(data: Path, root: Path) -> Path:
    """Make the YouTube-VOS layout of a DAVIS data set: the folder 480p becomes a split's."""
    for kind in ("JPEGImages", "Annotations"):
        shutil.copytree(data / kind / "480p", root / "valid" / kind)
    return root


def _let_enter_late(annotations: Path, frame: int, identity: int, *, sparse: bool) -> None:
    """Take an object out of the masks before a frame; keep only the masks that are given."""
    for path in sorted(annotations.glob("*.png")):
        ids, index = read_ids(path).copy(), int(path.stem)
        if sparse and index not in (0, frame):
            path.unlink()
            continue
        if index < frame:
            ids[ids == identity] = 0
        elif sparse:
            # What is given there of known objects must not matter to the others.
            ids[ids != identity] = 0
        write_mask(path, ids)


def test_propagate__youtube_vos_layout_is_the_video_with_its_masks(make_davis: MakeDavis) -> None:
    root = _flatten(make_davis({"first": 8, "second": 8}), Path("ytvos"))
    for name in ("first", "second"):
        _let_enter_late(root / "valid" / "Annotations" / name, 5, 2, sparse=True)
    (root / "valid" / "meta.json").write_text('{"videos": {}}')
    _propagate("--data", root, "-o", "out")
    for name in ("first", "second"):
        given = root / "valid" / "Annotations" / name
        frames = root / "valid" / "JPEGImages" / name
        masks = [word for t in (0, 5) for word in ("--mask", f"{t}:{given / f'{t:05d}.png'}")]
        _propagate(frames, *masks, "--size", 0, "-o", f"clip-{name}")
        assert masks_in(Path("out", name)) == masks_in(Path(f"clip-{name}", name))
        assert [2 in read_ids(Path("out", name, f"{t:05d}.png")) for t in (4, 5, 7)] == [False, True, True]
    succeed(run("evaluate", "youtube-vos", "--data", root, "--results", "out", "--json", "scores.json"))
    assert {"first_2", "second_2"} <= set(json.loads(Path("scores.json").read_text())["per_object"])


def test_propagate__davis_layout_with_a_late_object(make_davis: MakeDavis) -> None:
    data = make_davis({"first": 8})
    _propagate("--data", data, "-o", "before")
    annotations = data / "Annotations" / "480p" / "first"
    _let_enter_late(annotations, 5, 2, sparse=False)
    _propagate("--data", data, "-o", "out")
    assert [2 in read_ids(Path(f"out/first/{t:05d}.png")) for t in (0, 4, 5, 7)] == [False, False, True, True]
    np.testing.assert_array_equal(
        read_ids(Path("out/first/00005.png")) == 2, read_ids(annotations / "00005.png") == 2
    )
    # Truth of objects that are known is not looked at.
    write_mask(annotations / "00006.png", np.zeros((48, 64), np.uint8))
    _propagate("--data", data, "-o", "again")
    assert masks_in("out") == masks_in("again")


def test_propagate__a_late_mask_that_changed_is_propagated_again(make_davis: MakeDavis) -> None:
    data = make_davis({"first": 6})
    annotations = data / "Annotations" / "480p" / "first"
    _let_enter_late(annotations, 3, 2, sparse=False)
    _propagate("--data", data, "-o", "out")
    assert "complete already" in _propagate("--data", data, "-o", "out")
    ids = read_ids(annotations / "00003.png").copy()
    ids[:, ::2][ids[:, ::2] == 2] = 0
    write_mask(annotations / "00003.png", ids)
    _propagate("--data", data, "-o", "out")
    np.testing.assert_array_equal(read_ids(Path("out/first/00003.png")) == 2, ids == 2)


def test_propagate__frames_and_masks_in_natural_order(make_davis: MakeDavis) -> None:
    data = make_davis({"first": 12})
    _propagate("--data", data, "-o", "padded")
    for path in [*data.rglob("*.jpg"), *data.rglob("*.png")]:
        path.rename(path.with_stem(str(int(path.stem))))
    _propagate("--data", data, "-o", "out")
    found = masks_in("out/first")
    assert {f"{int(Path(name).stem):05d}.png": content for name, content in found.items()} == masks_in(
        Path("padded/first")
    )


def test_propagate__two_folders_and_a_list_of_folders(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate("--data", data, "-o", "out")
    frames, masks = data / "JPEGImages" / "480p", data / "Annotations" / "480p"
    _propagate("--data", frames, "--annotations", masks, "-o", "two")
    assert masks_in("two") == masks_in("out")
    Path("list.txt").write_text("".join(f"{frames / n} {masks / n}\n" for n in ("second", "first")))
    said = _propagate("--filelist", "list.txt", "-o", "list")
    assert "on list: 2 sequences" in said
    assert masks_in("list") == masks_in("out")
    assert "complete already" in _propagate("--filelist", "list.txt", "-o", "list")


def test_propagate__writes_into_no_folder_that_is_read(make_davis: MakeDavis) -> None:
    data = make_davis()
    frames, masks = data / "JPEGImages" / "480p", data / "Annotations" / "480p"
    Path("list.txt").write_text(f"{frames / 'first'} {masks / 'first'}\n")
    assert "lies inside" in _refuse("--filelist", "list.txt", "-o", masks / "first" / "out")
    assert "lies inside" in _refuse("--filelist", "list.txt", "-o", frames / "first")
    assert "is read" in _refuse("--filelist", "list.txt", "-o", masks)
    assert "is read" in _refuse("--data", frames, "--annotations", masks, "-o", masks)


def test_propagate__resolution(make_davis: MakeDavis) -> None:
    data = make_davis()
    _propagate("--data", data, "-o", "out")
    for kind in ("JPEGImages", "Annotations"):
        (data / kind / "480p").rename(data / kind / "1080p")
    _propagate("--data", data, "-o", "other")
    assert masks_in("other") == masks_in("out")
    shutil.copytree(data / "JPEGImages" / "1080p", data / "JPEGImages" / "480p")
    shutil.copytree(data / "Annotations" / "1080p", data / "Annotations" / "480p")
    _propagate("--data", data, "--resolution", "1080p", "-o", "chosen")
    assert "resolution 1080p → none" in _refuse("--data", data, "-o", "chosen")
    assert "Resolutions there: 1080p, 480p." in _refuse("--data", data, "--resolution", "4k", "-o", "none")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--filelist", "list.txt", "--data", "davis"), "--data davis beside --filelist"),
        (("--filelist", "list.txt", "--split", "val"), "--split val beside --filelist"),
        (("--data", "x", "--annotations", "y", "--split", "val"), "--split val beside --annotations"),
        (("clip.mp4", "--mask", "m.png", "--filelist", "list.txt"), "--filelist list.txt beside the video"),
        (("--filelist", "none.txt"), "none.txt"),
        (("--data", "mose"), "https://mose.video"),
        (("--data", "youtube-vos"), "https://youtube-vos.org"),
    ],
)
def test_propagate__choices_that_exclude_each_other(options: tuple[str, ...], said: str) -> None:
    assert said in _refuse(*options)


def test_propagate__half_unpacked(make_davis: MakeDavis, caplog: pytest.LogCaptureFixture) -> None:
    root = _flatten(make_davis(), Path("ytvos"))
    (root / "valid" / "Annotations" / "first" / "00000.png").unlink()
    shutil.rmtree(root / "valid" / "JPEGImages" / "second")
    assert "second is missing" in _refuse("--data", root, "-o", "out")
    _propagate("--data", root, "--sequences", "first", "-o", "out")
    assert "without an object in the first frame (first)" in caplog.text
    assert "first/00000.png" not in masks_in("out")


def test_propagate__three_sequences_of_davis_with_a_late_object(tmp_path: Path) -> None:
    davis = SHARED / "davis"
    if not davis.is_dir():
        pytest.skip("the DAVIS sequences (../shared/davis) are not here")
    base, names = tmp_path / "set" / "valid", ("blackswan", "car-shadow", "cows")
    for name in names:
        for t in range(8):
            frame = cv2.imread(str(davis / "JPEGImages" / "480p" / name / f"{t:05d}.jpg"))
            path = base / "JPEGImages" / name / f"{t:05d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), cv2.resize(frame, (214, 120), interpolation=cv2.INTER_AREA))
        for t in (0, 5):
            ids = read_ids(davis / "Annotations" / "480p" / name / f"{t:05d}.png")[::4, ::4][
                :120, :214
            ].copy()
            middle = int(np.flatnonzero(ids.any(0)).mean())
            # One half is given at the start, the other enters at frame 5.
            ids = np.where(np.arange(214) < middle, ids, 0 if t == 0 else 2 * ids)
            write_mask(base / "Annotations" / name / f"{t:05d}.png", ids if t == 0 else ids * (ids == 2))
    _propagate("--data", tmp_path / "set", "-o", "out")
    for name in names:
        masks = [word for t in (0, 5) for word in ("--mask", f"{t}:{base}/Annotations/{name}/{t:05d}.png")]
        _propagate(base / "JPEGImages" / name, *masks, "--size", 0, "-o", f"clip/{name}")
        assert masks_in(Path("out", name)) == masks_in(Path("clip", name, name))
    succeed(run("evaluate", "youtube-vos", "--data", tmp_path / "set", "--results", "out"))


def test_propagate__long_memory_at_named_frames(make_davis: MakeDavis) -> None:
    data, options = make_davis({"first": 9}), ("--context-frames", 1, "--top-k", 3)
    _propagate("--data", data, "-o", "plain", *options)
    _propagate("--data", data, "-o", "named", *options, "--long-memory", "0,2")
    assert json.loads(Path("named/run.json").read_text())["settings"]["long_memory"] == [0, 2]
    assert "complete already" in _propagate("--data", data, "-o", "named", *options, "--long-memory", "0,2")
    assert "long_memory [0, 2] → 2" in _refuse("--data", data, "-o", "named", *options, "--long-memory", 2)
    assert "--long-memory 2,5 lacks 0" in _refuse("--data", data, "-o", "x", "--long-memory", "2,5")
    # Frame 0 is the long memory that there always is.
    _propagate("--data", data, "-o", "zero", *options, "--long-memory", "0")
    assert masks_in("zero") == masks_in("plain")


def test_propagate__without_a_window(make_davis: MakeDavis) -> None:
    data = make_davis({"first": 5})
    _propagate("--data", data, "-o", "out", "--context-frames", 0, "--top-k", 3)
    # Each frame follows from the first alone, whatever lies between.
    for kind, suffix in (("JPEGImages", "jpg"), ("Annotations", "png")):
        for t in (1, 2):
            (data / kind / "480p" / "first" / f"{t:05d}.{suffix}").unlink()
    _propagate("--data", data, "-o", "fewer", "--context-frames", 0, "--top-k", 3)
    fewer, whole = masks_in("fewer"), masks_in("out")
    assert len(fewer) == 3
    assert fewer.items() <= whole.items()


CASES = SHARED / "cases" / "datasets"


@pytest.mark.skipif(not CASES.is_dir(), reason="the cases (../shared/cases) are not here")
def test_propagate__cases() -> None:
    late = CASES / "youtube-vos-late-objects"
    _propagate("--data", late, "--size", 64, "-o", "late")
    for name in ("blackswan", "car-shadow"):
        base = late / "valid"
        masks = [word for t in (0, 5) for word in ("--mask", f"{t}:{base}/Annotations/{name}/{t:05d}.png")]
        _propagate(base / "JPEGImages" / name, *masks, "--size", 64, "-o", f"clip/{name}")
        assert masks_in(Path("late", name)) == masks_in(Path("clip", name, name))
        assert len(masks_in(Path("late", name))) == 12
    _propagate("--data", CASES / "davis-2016-lists", "-o", "pairs")
    assert {name.split("/")[0] for name in masks_in("pairs")} == {"aa", "bb"}
    assert len(masks_in("pairs")) == 16
    assert "'..', which leads out" in _refuse("--data", CASES / "vip-name-leads-out", "-o", "out")
    assert "Did you mean" in _refuse("--data", CASES, "-o", "out")
