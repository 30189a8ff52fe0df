"""``sfc propagate CLIP --mask FILE`` from the outside: anybody's footage in, masks and pictures out."""

import csv
import shutil
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data.masks import read_ids
from tests.commands.footage import (
    FRAMES,
    HEIGHT,
    WIDTH,
    make_frames,
    mask_of,
    overlap,
    read_video,
    write_images,
    write_mask_of,
    write_video,
)
from tests.commands.running import ids_in, propagate_clip, record_in, refused, run_propagation


def test_clip__video_and_folder_of_its_decoded_frames_give_the_same_masks(first: Path) -> None:
    video = write_video(Path("phone clip é.mp4"), make_frames())
    write_images(Path("decoded"), read_video(video))
    propagate_clip(video, "--mask", first)
    from_video = ids_in("out/phone clip é")
    shutil.rmtree("out")
    result = propagate_clip("decoded", "--mask", first)
    assert result.stdout == "Masks: out/decoded\nTable of objects: out/objects.csv\n"
    from_folder = ids_in("out/decoded")
    assert list(from_video) == list(from_folder) == [f"{number:05d}" for number in range(FRAMES)]
    for stem, mask in from_video.items():
        np.testing.assert_array_equal(mask, from_folder[stem])
    np.testing.assert_array_equal(from_video["00000"], mask_of(0))
    # The masks follow what moves: a mask that stood still would overlap by less than a third.
    assert overlap(from_video["00008"], mask_of(8)) > 0.6


def test_clip__masks_of_a_data_set_run_are_the_same(shots: Path, first: Path) -> None:
    for folder, name in (("JPEGImages", "clip"), ("Annotations", "clip")):
        (Path("data") / folder / "480p").mkdir(parents=True)
        shutil.copytree(shots, Path("data") / folder / "480p" / name)
    shutil.rmtree("data/Annotations/480p/clip")
    Path("data/Annotations/480p/clip").mkdir()
    shutil.copy(first, "data/Annotations/480p/clip/00000.png")
    assert run_propagation("--data", "data", "--split", "all", "--output", "set").exit_code == 0
    propagate_clip(shots, "--mask", first)
    masks = ids_in("out/shots")
    assert len(masks) == FRAMES
    for stem, mask in masks.items():
        np.testing.assert_array_equal(mask, read_ids(Path(f"set/clip/{stem}.png")))


def test_clip__names_without_numbers_and_an_expanded_pattern(first: Path) -> None:
    folder = Path("named")
    write_images(folder, make_frames(4))
    for path, name in zip(sorted(folder.iterdir()), ("autumn", "b side", "city", "dusk"), strict=True):
        path.rename(folder / f"{name}.png")
    propagate_clip("named/*.png", "--mask", first)
    assert list(ids_in("out/named")) == ["autumn", "b side", "city", "dusk"]
    again = propagate_clip(*sorted(folder.iterdir()), "--mask", first)
    assert "complete already" in again.stderr, "the same frames, however they are named"


def test_clip__the_record_tells_what_was_done(shots: Path, first: Path) -> None:
    result = propagate_clip(shots, "--mask", first, "--end", "3")
    record = record_in("out")
    clip = record["clip"]
    assert isinstance(clip, dict)
    assert clip["end"] == "frame 3"
    assert record["sequences"]["shots"]["frames"] == 3
    assert "3 frames of 96×64" in result.stderr


def test_clip__start_end_and_every() -> None:
    video = write_video(Path("clip.mp4"), make_frames(), rate=10)
    start = write_mask_of(Path("start.png"), 2)
    propagate_clip(video, "--mask", start, "--start", "0.2s", "--end", "8", "--every", "2")
    assert list(ids_in("out/clip")) == ["00002", "00004", "00006"]
    np.testing.assert_array_equal(ids_in("out/clip")["00002"], mask_of(2))
    propagate_clip(
        video, "--mask", f"0.4s:{write_mask_of(Path('m.png'), 4)}", "--every", "0.2s", "--overwrite"
    )
    assert list(ids_in("out/clip")) == ["00004", "00006", "00008"]


def test_clip__size_changes_what_networks_see_not_the_masks(shots: Path, first: Path) -> None:
    result = propagate_clip(shots, "--mask", first, "--size", "48")
    assert "seen at 72×48" in result.stderr
    assert record_in("out")["settings"]["input_size"] == [48, 72]
    masks = ids_in("out/shots")
    assert {mask.shape for mask in masks.values()} == {(HEIGHT, WIDTH)}
    np.testing.assert_array_equal(masks["00000"], mask_of(0))
    assert overlap(masks["00008"], mask_of(8)) > 0.5


def test_clip__everything_beside_the_masks(shots: Path, first: Path) -> None:
    propagate_clip(shots, "--mask", first, "--overlay", "--cutout", "--soft", "--fps", "6")
    assert len(read_video(Path("out/overlay/shots.mp4"))) == FRAMES
    with Image.open("out/cutout/shots/00004.png") as image:
        np.testing.assert_array_equal(np.asarray(image)[..., 3] == 255, ids_in("out/shots")["00004"] > 0)
    with np.load("out/soft/shots/00000.npz") as soft:
        assert soft["labels"].shape == (3, HEIGHT // 8, WIDTH // 8)
    rows = list(csv.DictReader(Path("out/objects.csv").read_text().splitlines()))
    assert len(rows) == 2 * FRAMES
    assert (rows[2]["frame"], rows[2]["seconds"], rows[2]["object"]) == ("00001", "0.167", "1")
    assert int(rows[-1]["area"]) == (ids_in("out/shots")["00008"] == 2).sum()
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--mask", "first.png"), 2, "--mask needs a video"),
        (("--start", "3"), 2, "--start needs a video"),
        (("shots",), 2, "no mask to start from"),
        (("shots", "--mask", "first.png", "--data", "davis"), 2, "--data davis beside the video"),
        (("shots", "--mask", "none.png"), 3, "none.png"),
        (("nothing.mp4", "--mask", "first.png"), 3, "nothing.mp4"),
        (("shots", "--mask", "57:first.png"), 3, "the 9 frames from 0 to 8"),
        (("shots", "--mask", "9s:first.png"), 3, "for a frame that is not propagated"),
        (("shots", "--mask", "3:first.png", "--every", "2"), 3, "The nearest is frame"),
        (("shots", "--mask", "dawn:first.png"), 3, "names no frame"),
        (("shots", "--mask", "first.png", "--mask", "0:first.png"), 2, "both for frame 0"),
        (("shots", "--mask", "first.png", "--start", "half"), 2, "--start 'half'"),
        (("shots", "--mask", "first.png", "--start", "5", "--end", "5"), 2, "not before"),
        (("shots", "--mask", "first.png", "--start", "50"), 3, "shots"),
        (("shots", "--mask", "first.png", "--fps", "0"), 2, "rate of 0"),
        (("shots", "--mask", "first.png", "--overlay", "film"), 3, "film"),
        (("shots", "--mask", "first.png", "-o", "shots/out"), 2, "where the frames are"),
        (("first.png", "--mask", "first.png"), 3, "first.png"),
    ],
)
@pytest.mark.usefixtures("shots", "first")
def test_clip__bad_choices(arguments: tuple[str, ...], code: int, said: str) -> None:
    refused(run_propagation(*arguments), code, said)
    assert not Path("results").exists()


def test_clip__a_truncated_video(first: Path) -> None:
    video = write_video(Path("clip.avi"), make_frames(30), "MJPG")
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    refused(
        run_propagation(video, "--mask", first, "--strict-video"), 3, "announces 30 frames", "--strict-video"
    )
    result = run_propagation(video, "--mask", first, "--end", "5", "--output", "out")
    assert result.exit_code == 0, result.output
    assert len(ids_in("out/clip")) == 5


def test_clip__no_video_at_all(first: Path) -> None:
    Path("empty.mp4").touch()
    refused(run_propagation("empty.mp4", "--mask", first), 3, "empty.mp4")
    Path("text.mp4").write_text("not a film\n" * 50)
    refused(run_propagation("text.mp4", "--mask", first), 3, "text.mp4")
    with wave.open("sound.wav", "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    refused(run_propagation("sound.wav", "--mask", first), 3, "sound")


def test_clip__a_folder_with_something_else_in_it(shots: Path, first: Path) -> None:
    (shots / "notes.txt").write_text("the car is red")
    refused(run_propagation(shots, "--mask", first), 3, "notes.txt", "*.")


def test_clip__a_frame_that_cannot_be_read(shots: Path, first: Path) -> None:
    content = (shots / "00005.png").read_bytes()
    (shots / "00005.png").write_bytes(content[: len(content) // 2])
    refused(run_propagation(shots, "--mask", first, "--output", "out", "--overlay"), 3, "00005.png")
    assert not list(Path("out").rglob("*.part"))
    assert not Path("out/overlay/shots.mp4").exists()
    cv2.imwrite(str(shots / "00005.png"), make_frames()[5][..., ::-1])
    propagate_clip(shots, "--mask", first, "--overlay", "--overwrite")
    assert len(ids_in("out/shots")) == FRAMES


def test_clip__numbers_count_from_0_whatever_the_images_are_called() -> None:
    write_images(Path("numbered"), make_frames(), "{}.png")
    for path in sorted(Path("numbered").iterdir(), key=lambda path: -int(path.stem)):
        path.rename(path.with_stem(str(int(path.stem) + 1)))
    propagate_clip("numbered", "--mask", f"2:{write_mask_of(Path('m.png'), 2)}", "--start", "2")
    np.testing.assert_array_equal(ids_in("out/numbered")["3"], mask_of(2))


def test_clip__a_step_finer_than_the_frames_keeps_their_rate(shots: Path, first: Path) -> None:
    result = propagate_clip(shots, "--mask", first, "--every", "0.005s")
    assert "24 a second" in result.stderr


def test_clip__a_name_that_results_have(first: Path) -> None:
    write_images(Path("in/overlay"), make_frames(3))
    refused(run_propagation("in/overlay", "--mask", first), 2, "named overlay", "Rename")


def test_clip__not_in_several_processes(shots: Path, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    refused(run_propagation(shots, "--mask", first), 2, "one process")
