"""``sfc propagate CLIP --mask FILE``: which masks there may be, of which kinds and for which frames."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import write_mask
from tests.commands.footage import (
    FRAMES,
    GREEN,
    HEIGHT,
    RED,
    WIDTH,
    make_frame,
    make_frames,
    mask_of,
    overlap,
    write_images,
    write_mask_of,
)
from tests.commands.running import ids_in, propagate_clip, record_in, refused, run_propagation


def test_clip__an_object_that_enters_later(shots: Path) -> None:
    a, b = write_mask_of(Path("a.png"), 0, 1), write_mask_of(Path("b.png"), 4, 2)
    propagate_clip(shots, "--mask", f"0:{a}", "--mask", f"4:{b}")
    masks = ids_in("out/shots")
    assert [set(np.unique(mask)) - {0} for mask in masks.values()] == [{1}] * 4 + [{1, 2}] * 5
    np.testing.assert_array_equal(masks["00004"] == 2, mask_of(4) == 2)
    assert overlap(masks["00008"], mask_of(8)) > 0.6


def test_clip__a_correction_in_the_middle(shots: Path) -> None:
    wrong = np.zeros((HEIGHT, WIDTH), np.uint8)
    wrong[40:60, 4:24] = 1
    write_mask(Path("wrong.png"), wrong)
    propagate_clip(shots, "--mask", "wrong.png", "--mask", f"00003:{write_mask_of(Path('right.png'), 3)}")
    masks = ids_in("out/shots")
    np.testing.assert_array_equal(masks["00000"], wrong)
    np.testing.assert_array_equal(masks["00003"], mask_of(3))
    assert overlap(masks["00008"], mask_of(8)) > 0.6


def test_clip__a_mask_on_a_later_frame(shots: Path) -> None:
    late = write_mask_of(Path("late.png"), 5)
    result = propagate_clip(shots, "--mask", f"5:{late}")
    assert list(ids_in("out/shots")) == [f"{number:05d}" for number in range(5, FRAMES)]
    assert "5 frames before the first mask get none" in result.stderr
    forwards = ids_in("out/shots")
    result = run_propagation(shots, "--mask", f"5:{late}", "--both-ways", "--output", "out")
    refused(result, 2, "both ways no → yes")
    propagate_clip(shots, "--mask", f"5:{late}", "--both-ways", "--overwrite")
    both = ids_in("out/shots")
    assert len(both) == FRAMES
    np.testing.assert_array_equal(both["00005"], mask_of(5))
    for stem, mask in forwards.items():
        np.testing.assert_array_equal(both[stem], mask)
    assert overlap(both["00000"], mask_of(0)) > 0.6


def test_clip__backwards_is_forwards_through_the_reversed_clip(shots: Path) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 1)
    propagate_clip(shots, "--mask", f"{FRAMES - 1}:{last}", "--both-ways")
    backwards = list(ids_in("out/shots").values())
    write_images(Path("reversed"), make_frames()[::-1])
    propagate_clip("reversed", "--mask", last, "--overwrite")
    for found, expected in zip(reversed(backwards), ids_in("out/reversed").values(), strict=True):
        # Labels wait on disk as float16, which may tip a pixel on an edge.
        assert (found != expected).sum() <= 2


def test_clip__both_ways_join_at_the_masks(shots: Path, first: Path) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 1)
    propagate_clip(shots, "--mask", first, "--mask", f"{FRAMES - 1}:{last}", "--both-ways")
    masks = ids_in("out/shots")
    np.testing.assert_array_equal(masks["00000"], mask_of(0))
    np.testing.assert_array_equal(masks["00008"], mask_of(8))
    joined = overlap(masks["00004"], mask_of(4))
    propagate_clip(shots, "--mask", first, "--overwrite")
    assert joined > 0.6
    assert not np.array_equal(masks["00007"], ids_in("out/shots")["00007"]), "the later mask counts"


def test_clip__colours_become_objects_with_a_legend(shots: Path) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[mask_of(0) == 1], picture[mask_of(0) == 2] = RED, GREEN
    Image.fromarray(picture).save("painted.png")
    result = propagate_clip(shots, "--mask", "painted.png", "--end", "2")
    # The larger area comes first.
    assert "object 1 #dc281e" in result.stderr
    assert record_in("out")["legend"] == {"1": list(RED), "2": list(GREEN)}
    np.testing.assert_array_equal(ids_in("out/shots")["00000"], mask_of(0))


def test_clip__a_mask_of_another_size(shots: Path) -> None:
    write_mask(Path("small.png"), np.ones((32, 48), np.uint8))
    refused(run_propagation(shots, "--mask", "small.png", "--strict-size"), 3, "small.png", "48×32", "96×64")
    result = propagate_clip(shots, "--mask", "small.png")
    assert "48×32 pixels and was brought to the size of the frames" in result.stderr
    write_mask(Path("narrow.png"), np.ones((64, 64), np.uint8))
    refused(run_propagation(shots, "--mask", "narrow.png"), 3, "narrow.png", "64×64", "96×64")


def test_clip__a_folder_of_masks_is_a_mask_for_each_frame_of_its_name(shots: Path) -> None:
    for number, name in ((0, "00000.png"), (4, "frame_4.png")):
        write_mask_of(Path("given") / name, number)
    result = propagate_clip(shots, "--mask", "given")
    assert "given/00000.png (indexed): object 1" in result.stderr
    np.testing.assert_array_equal(ids_in("out/shots")["00004"], mask_of(4))
    refused(run_propagation(shots, "--mask", "3:given"), 2, "3:given", "is a folder")
    (Path("given") / "frame_4.png").rename(Path("given") / "99.png")
    (Path("given") / "00000.png").rename(Path("given") / "other.png")
    refused(run_propagation(shots, "--mask", "given"), 3, "No frame of", "99")
    Path("empty").mkdir()
    refused(run_propagation(shots, "--mask", "empty"), 3, "No masks in empty")


def test_clip__a_mask_from_annotations_and_its_names(shots: Path) -> None:
    points = [[8, 12], [30, 12], [30, 34], [8, 34]]
    shape = {"label": "car", "group_id": None, "shape_type": "polygon", "points": points}
    content = {"shapes": [shape], "imageHeight": 64, "imageWidth": 96, "imagePath": "a.jpg"}
    Path("m.json").write_text(json.dumps(content))
    result = propagate_clip(shots, "--mask", "m.json")
    assert "m.json (annotations): object 1 car" in result.stderr
    assert record_in("out")["legend"] == {"1": "car"}
    np.testing.assert_array_equal(ids_in("out/shots")["00000"], mask_of(0, 1))
    Path("m.json").write_text(json.dumps(content | {"imageHeight": 48, "imageWidth": 96}))
    refused(run_propagation(shots, "--mask", "m.json"), 3, "96×48", "96×64")


def test_clip__a_mask_painted_on_the_frame() -> None:
    noise = np.random.default_rng(1).integers(-12, 13, (FRAMES, 64, 96, 3))
    frames = [np.clip(make_frame(n)[0] + noise[n], 0, 255).astype(np.uint8) for n in range(FRAMES)]
    write_images(Path("noisy"), frames)
    painted = frames[3].copy()
    painted[20:50, 40:60] = (255, 0, 255)
    cv2.imwrite("painted.png", painted[..., ::-1])
    result = propagate_clip("noisy", "--mask", "3:painted.png")
    assert "It is the frame with paint on it" in result.stderr
    found = ids_in("out/noisy")["00003"]
    assert found[20:50, 40:60].all()
    assert (found > 0).sum() == 600


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("C:\\masks\\m.png", "as Windows writes them"),
        ("0:D:/m.png", "as Windows writes them"),
        ("https://example.org/m.png", "is an address"),
        ("masks/*.png", "is a pattern"),
        ("3:m?.png", "is a pattern"),
    ],
)
def test_clip__what_is_no_mask(shots: Path, typed: str, said: str) -> None:
    refused(run_propagation(shots, "--mask", typed), 2, f"--mask {typed!r}", said)


def test_clip__a_time_means_the_frame_shown_then(shots: Path, first: Path) -> None:
    early = ("--mask", f"1s:{first}", "--fps", "2")
    refused(run_propagation(shots, *early, "--start", "2s"), 3, "not propagated", "The nearest is frame 4")
    refused(run_propagation(shots, *early, "--every", "4"), 3, "not propagated")
    propagate_clip(shots, *early)
    assert next(iter(ids_in("out/shots"))) == "00002"


def test_clip__mixed_kinds_of_masks_are_told_apart(shots: Path) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[mask_of(0) == 1] = RED
    Image.fromarray(picture).save("painted.png")
    indexed = write_mask_of(Path("indexed.png"), 3, 1)
    result = propagate_clip(shots, "--mask", "painted.png", "--mask", f"3:{indexed}")
    assert "share no object" in result.stderr
