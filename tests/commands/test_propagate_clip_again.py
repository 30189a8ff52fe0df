"""``sfc propagate CLIP`` typed again: what is done already, what is another run, what must stay."""

import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests.commands.footage import (
    FRAMES,
    GREEN,
    HEIGHT,
    RED,
    WIDTH,
    make_frames,
    mask_of,
    read_video,
    write_images,
    write_mask_of,
    write_video,
)
from tests.commands.running import ids_in, propagate_clip, record_in, refused, run_propagation


def test_clip__retyped_with_more_wishes_does_only_what_lacks(shots: Path, first: Path) -> None:
    propagate_clip(shots, "--mask", first)
    before = {path: path.stat().st_mtime_ns for path in Path("out/shots").iterdir()}
    result = propagate_clip(shots, "--mask", first, "--overlay", "frames", "--cutout")
    assert f"shots: done, {FRAMES} frames in " in result.stderr
    assert len(list(Path("out/overlay/shots").glob("*.jpg"))) == FRAMES
    assert len(list(Path("out/cutout/shots").glob("*.png"))) == FRAMES
    assert {path: path.stat().st_mtime_ns for path in Path("out/shots").iterdir()} == before
    assert "complete already" in propagate_clip(shots, "--mask", first, "--cutout").stderr
    said = propagate_clip(shots, "--mask", first, "--json").stdout
    assert "(--overwrite does it all again)" in said, "the command line's own words, for programs too"
    assert not [path for path in Path("out").rglob("*") if path.name.endswith(".part")]


def test_clip__unfinished_results_are_done_again(shots: Path, first: Path) -> None:
    propagate_clip(shots, "--mask", first)
    Path("out/shots/00004.png").unlink()
    propagate_clip(shots, "--mask", first)
    assert len(ids_in("out/shots")) == FRAMES


def test_clip__other_masks_are_another_run(shots: Path, first: Path) -> None:
    propagate_clip(shots, "--mask", first)
    other = write_mask_of(Path("other.png"), 0, 2)
    refused(run_propagation(shots, "--mask", other, "--output", "out"), 2, "other settings", "--overwrite")
    propagate_clip(shots, "--mask", other, "--overwrite")
    assert set(np.unique(ids_in("out/shots")["00003"])) <= {0, 2}


def test_clip__results_never_lie_over_what_is_read(first: Path) -> None:
    write_images(Path("work/take"), make_frames(3))
    before = [path.read_bytes() for path in sorted(Path("work/take").iterdir())]
    refused(run_propagation("work/take", "--mask", first, "-o", "work", "--overwrite"), 2, "would lie over")
    assert [path.read_bytes() for path in sorted(Path("work/take").iterdir())] == before
    Path("ok/overlay").mkdir(parents=True)
    film = write_video(Path("ok/overlay/v.mp4"), make_frames(4))
    refused(run_propagation(film, "--mask", first, "-o", "ok", "--overwrite"), 2, "would lie over")
    assert len(read_video(film)) == 4


def test_clip__a_result_as_mask_must_be_copied_first(shots: Path, first: Path) -> None:
    propagate_clip(shots, "--mask", first)
    edited = Path("out/shots/00003.png").read_bytes()
    again = ("--output", "out", "--overwrite")
    refused(run_propagation(shots, "--mask", first, "--mask", "3:out/shots/00003.png", *again), 2, "Copy it")
    assert Path("out/shots/00003.png").read_bytes() == edited
    shutil.copy("out/shots/00003.png", "fix.png")
    propagate_clip(shots, "--mask", first, "--mask", "3:fix.png", "--overwrite")


def test_clip__a_start_beyond_the_end_destroys_nothing(first: Path) -> None:
    video = write_video(Path("clip.mp4"), make_frames(4))
    propagate_clip(video, "--mask", first)
    before = Path("out/run.json").read_bytes()
    result = run_propagation(video, "--mask", first, "--start", "99", "--output", "out", "--overwrite")
    refused(result, 3, "--start")
    assert Path("out/run.json").read_bytes() == before
    assert len(ids_in("out/clip")) == 4


def test_clip__another_rate_is_another_run(shots: Path, first: Path) -> None:
    propagate_clip(shots, "--mask", first, "--fps", "2")
    refused(run_propagation(shots, "--mask", first, "--fps", "4", "--output", "out"), 2, "frames_per_second")


def test_clip__masks_in_any_order_are_the_same_run(shots: Path) -> None:
    for number, identity, colour in ((0, 1, RED), (3, 2, GREEN)):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[mask_of(number) == identity] = colour
        Image.fromarray(picture).save(f"{number}.png")
    propagate_clip(shots, "--mask", "0.png", "--mask", "3:3.png")
    before = record_in("out")["legend"]
    result = propagate_clip(shots, "--mask", "3:3.png", "--mask", "0:0.png")
    assert "complete already" in result.stderr
    assert record_in("out")["legend"] == before == {"1": list(RED), "2": list(GREEN)}


def test_clip__overwriting_leaves_nothing_of_the_old_run(shots: Path, first: Path) -> None:
    propagate_clip(shots, "--mask", first)
    Path("out/run.json").unlink()
    propagate_clip(shots, "--mask", first, "--end", "3", "--overwrite")
    assert list(ids_in("out/shots")) == ["00000", "00001", "00002"]
    assert "complete already" in propagate_clip(shots, "--mask", first, "--end", "3").stderr
