"""``sfc propagate CLIP --mask FILE`` from the outside: anybody's footage in, masks and pictures out."""

import csv
import json
import shutil
import wave
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from sfc_cli.data.masks import read_ids, write_mask
from sfc_cli.main import app
from tests.commands.footage import (
    FRAMES,
    GREEN,
    HEIGHT,
    RED,
    WIDTH,
    make_frame,
    make_frames,
    mask_of,
    propagation,
    read_video,
    write_images,
    write_mask_of,
    write_video,
)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, without settings from outside."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("SFC_DATA", "SFC_CHECKPOINTS", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module", autouse=True)
def _one_core() -> object:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def shots() -> Path:
    return write_images(Path("shots"), make_frames())


@pytest.fixture
def first() -> Path:
    return write_mask_of(Path("first.png"), 0)


def _run(*arguments: object) -> Result:
    result = CliRunner().invoke(app, propagation(*arguments))
    assert "Traceback" not in result.output
    return result


def _propagate(*arguments: object) -> Result:
    result = _run(*arguments, "--output", "out")
    assert result.exit_code == 0, result.output
    return result


def _refuse(result: Result, code: int, *said: object) -> None:
    assert result.exit_code == code, result.output
    errors = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert errors == result.stderr.splitlines()[-1:], result.stderr
    for text in said:
        assert str(text) in errors[0], errors[0]


def _masks(folder: str) -> dict[str, np.ndarray]:
    return {path.stem: read_ids(path) for path in sorted((Path("out") / folder).glob("*.png"))}


def _overlap(found: np.ndarray, truth: np.ndarray) -> float:
    return float(((found == truth) & (truth > 0)).sum() / ((found > 0) | (truth > 0)).sum())


def _record() -> dict[str, object]:
    return json.loads(Path("out/run.json").read_text())


def test_clip__video_and_folder_of_its_decoded_frames_give_the_same_masks(first: Path) -> None:
    video = write_video(Path("phone clip é.mp4"), make_frames())
    write_images(Path("decoded"), read_video(video))
    _propagate(video, "--mask", first)
    from_video = _masks("phone clip é")
    shutil.rmtree("out")
    result = _propagate("decoded", "--mask", first)
    assert result.stdout == "Masks: out/decoded\nTable of objects: out/objects.csv\n"
    from_folder = _masks("decoded")
    assert list(from_video) == list(from_folder) == [f"{number:05d}" for number in range(FRAMES)]
    for stem, mask in from_video.items():
        np.testing.assert_array_equal(mask, from_folder[stem])
    np.testing.assert_array_equal(from_video["00000"], mask_of(0))
    # The masks follow what moves: a mask that stood still would overlap by less than a third.
    assert _overlap(from_video["00008"], mask_of(8)) > 0.6


def test_clip__masks_of_a_data_set_run_are_the_same(shots: Path, first: Path) -> None:
    for folder, name in (("JPEGImages", "clip"), ("Annotations", "clip")):
        (Path("data") / folder / "480p").mkdir(parents=True)
        shutil.copytree(shots, Path("data") / folder / "480p" / name)
    shutil.rmtree("data/Annotations/480p/clip")
    Path("data/Annotations/480p/clip").mkdir()
    shutil.copy(first, "data/Annotations/480p/clip/00000.png")
    assert _run("--data", "data", "--split", "all", "--output", "set").exit_code == 0
    _propagate(shots, "--mask", first)
    for stem, mask in _masks("shots").items():
        np.testing.assert_array_equal(mask, read_ids(Path(f"set/clip/{stem}.png")))


def test_clip__names_without_numbers_and_an_expanded_pattern(first: Path) -> None:
    folder = Path("named")
    write_images(folder, make_frames(4))
    for path, name in zip(sorted(folder.iterdir()), ("autumn", "b side", "city", "dusk"), strict=True):
        path.rename(folder / f"{name}.png")
    _propagate("named/*.png", "--mask", first)
    assert list(_masks("named")) == ["autumn", "b side", "city", "dusk"]
    again = _propagate(*sorted(folder.iterdir()), "--mask", first)
    assert "complete already" in again.stderr, "the same frames, however they are named"


def test_clip__the_record_tells_what_was_done(shots: Path, first: Path) -> None:
    result = _propagate(shots, "--mask", first, "--end", "3")
    record = _record()
    clip = record["clip"]
    assert isinstance(clip, dict)
    assert clip["end"] == "frame 3"
    assert record["sequences"]["shots"]["frames"] == 3  # type: ignore[index]
    assert "3 frames of 96×64" in result.stderr


def test_clip__an_object_that_enters_later(shots: Path) -> None:
    a, b = write_mask_of(Path("a.png"), 0, 1), write_mask_of(Path("b.png"), 4, 2)
    _propagate(shots, "--mask", f"0:{a}", "--mask", f"4:{b}")
    masks = _masks("shots")
    assert [set(np.unique(mask)) - {0} for mask in masks.values()] == [{1}] * 4 + [{1, 2}] * 5
    np.testing.assert_array_equal(masks["00004"] == 2, mask_of(4) == 2)
    assert _overlap(masks["00008"], mask_of(8)) > 0.6


def test_clip__a_correction_in_the_middle(shots: Path, first: Path) -> None:
    wrong = np.zeros((HEIGHT, WIDTH), np.uint8)
    wrong[40:60, 4:24] = 1
    write_mask(Path("wrong.png"), wrong)
    _propagate(shots, "--mask", "wrong.png", "--mask", f"00003:{write_mask_of(Path('right.png'), 3)}")
    masks = _masks("shots")
    np.testing.assert_array_equal(masks["00000"], wrong)
    np.testing.assert_array_equal(masks["00003"], mask_of(3))
    _run(shots, "--mask", first, "--output", "plain", "--start", "3")
    assert _overlap(masks["00008"], mask_of(8)) > 0.6


def test_clip__a_mask_on_a_later_frame(shots: Path) -> None:
    late = write_mask_of(Path("late.png"), 5)
    result = _propagate(shots, "--mask", f"5:{late}")
    assert list(_masks("shots")) == [f"{number:05d}" for number in range(5, FRAMES)]
    assert "5 frames before the first mask get none" in result.stderr
    forwards = _masks("shots")
    result = _run(shots, "--mask", f"5:{late}", "--both-ways", "--output", "out")
    _refuse(result, 2, "both ways no → yes")
    _propagate(shots, "--mask", f"5:{late}", "--both-ways", "--overwrite")
    both = _masks("shots")
    assert len(both) == FRAMES
    np.testing.assert_array_equal(both["00005"], mask_of(5))
    for stem, mask in forwards.items():
        np.testing.assert_array_equal(both[stem], mask)
    assert _overlap(both["00000"], mask_of(0)) > 0.6


def test_clip__backwards_is_forwards_through_the_reversed_clip(shots: Path) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 1)
    _propagate(shots, "--mask", f"{FRAMES - 1}:{last}", "--both-ways")
    backwards = list(_masks("shots").values())
    write_images(Path("reversed"), make_frames()[::-1])
    _propagate("reversed", "--mask", last, "--overwrite")
    for found, expected in zip(reversed(backwards), _masks("reversed").values(), strict=True):
        # Labels wait on disk as float16, which may tip a pixel on an edge.
        assert (found != expected).sum() <= 2


def test_clip__both_ways_join_at_the_masks(shots: Path, first: Path) -> None:
    last = write_mask_of(Path("last.png"), FRAMES - 1)
    _propagate(shots, "--mask", first, "--mask", f"{FRAMES - 1}:{last}", "--both-ways")
    masks = _masks("shots")
    np.testing.assert_array_equal(masks["00000"], mask_of(0))
    np.testing.assert_array_equal(masks["00008"], mask_of(8))
    joined = _overlap(masks["00004"], mask_of(4))
    _propagate(shots, "--mask", first, "--overwrite")
    assert joined > 0.6
    assert not np.array_equal(masks["00007"], _masks("shots")["00007"]), "the later mask counts"


def test_clip__start_end_and_every() -> None:
    video = write_video(Path("clip.mp4"), make_frames(), rate=10)
    start = write_mask_of(Path("start.png"), 2)
    _propagate(video, "--mask", start, "--start", "0.2s", "--end", "8", "--every", "2")
    assert list(_masks("clip")) == ["00002", "00004", "00006"]
    np.testing.assert_array_equal(_masks("clip")["00002"], mask_of(2))
    _propagate(video, "--mask", f"0.4s:{write_mask_of(Path('m.png'), 4)}", "--every", "0.2s", "--overwrite")
    assert list(_masks("clip")) == ["00004", "00006", "00008"]


def test_clip__size_changes_what_networks_see_not_the_masks(shots: Path, first: Path) -> None:
    result = _propagate(shots, "--mask", first, "--size", "48")
    assert "seen at 72×48" in result.stderr
    assert _record()["settings"]["input_size"] == [48, 72]  # type: ignore[index]
    masks = _masks("shots")
    assert {mask.shape for mask in masks.values()} == {(HEIGHT, WIDTH)}
    np.testing.assert_array_equal(masks["00000"], mask_of(0))
    assert _overlap(masks["00008"], mask_of(8)) > 0.5


def test_clip__colours_become_objects_with_a_legend(shots: Path) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[mask_of(0) == 1], picture[mask_of(0) == 2] = RED, GREEN
    Image.fromarray(picture).save("painted.png")
    result = _propagate(shots, "--mask", "painted.png", "--end", "2")
    # The larger area comes first.
    assert "object 1 #dc281e" in result.stderr
    assert _record()["legend"] == {"1": list(RED), "2": list(GREEN)}
    np.testing.assert_array_equal(_masks("shots")["00000"], mask_of(0))


def test_clip__everything_beside_the_masks(shots: Path, first: Path) -> None:
    _propagate(shots, "--mask", first, "--overlay", "--cutout", "--soft", "--fps", "6")
    assert len(read_video(Path("out/overlay/shots.mp4"))) == FRAMES
    with Image.open("out/cutout/shots/00004.png") as image:
        np.testing.assert_array_equal(np.asarray(image)[..., 3] == 255, _masks("shots")["00004"] > 0)
    with np.load("out/soft/shots/00000.npz") as soft:
        assert soft["labels"].shape == (3, HEIGHT // 8, WIDTH // 8)
    rows = list(csv.DictReader(Path("out/objects.csv").read_text().splitlines()))
    assert len(rows) == 2 * FRAMES
    assert (rows[2]["frame"], rows[2]["seconds"], rows[2]["object"]) == ("00001", "0.167", "1")
    assert int(rows[-1]["area"]) == (_masks("shots")["00008"] == 2).sum()
    assert all(0 < float(row["confidence"]) <= 1 for row in rows)


def test_clip__retyped_with_more_wishes_does_only_what_lacks(shots: Path, first: Path) -> None:
    _propagate(shots, "--mask", first)
    before = {path: path.stat().st_mtime_ns for path in Path("out/shots").iterdir()}
    result = _propagate(shots, "--mask", first, "--overlay", "frames", "--cutout")
    assert f"shots: done, {FRAMES} frames in " in result.stderr
    assert len(list(Path("out/overlay/shots").glob("*.jpg"))) == FRAMES
    assert len(list(Path("out/cutout/shots").glob("*.png"))) == FRAMES
    assert {path: path.stat().st_mtime_ns for path in Path("out/shots").iterdir()} == before
    assert "complete already" in _propagate(shots, "--mask", first, "--cutout").stderr
    said = _propagate(shots, "--mask", first, "--json").stdout
    assert "(--overwrite does it all again)" in said, "the command line's own words, for programs too"
    assert not [path for path in Path("out").rglob("*") if path.name.endswith(".part")]


def test_clip__unfinished_results_are_done_again(shots: Path, first: Path) -> None:
    _propagate(shots, "--mask", first)
    Path("out/shots/00004.png").unlink()
    _propagate(shots, "--mask", first)
    assert len(_masks("shots")) == FRAMES


def test_clip__other_masks_are_another_run(shots: Path, first: Path) -> None:
    _propagate(shots, "--mask", first)
    other = write_mask_of(Path("other.png"), 0, 2)
    _refuse(_run(shots, "--mask", other, "--output", "out"), 2, "other settings", "--overwrite")
    _propagate(shots, "--mask", other, "--overwrite")
    assert set(np.unique(_masks("shots")["00003"])) <= {0, 2}


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
    _refuse(_run(*arguments), code, said)
    assert not Path("results").exists()


def test_clip__a_mask_of_another_size(shots: Path) -> None:
    write_mask(Path("small.png"), np.ones((32, 48), np.uint8))
    _refuse(_run(shots, "--mask", "small.png", "--strict-size"), 3, "small.png", "48×32", "96×64")
    result = _propagate(shots, "--mask", "small.png")
    assert "48×32 pixels and was brought to the size of the frames" in result.stderr
    write_mask(Path("narrow.png"), np.ones((64, 64), np.uint8))
    _refuse(_run(shots, "--mask", "narrow.png"), 3, "narrow.png", "64×64", "96×64")


def test_clip__a_folder_of_masks_is_a_mask_for_each_frame_of_its_name(shots: Path) -> None:
    for number, name in ((0, "00000.png"), (4, "frame_4.png")):
        write_mask_of(Path("given") / name, number)
    result = _propagate(shots, "--mask", "given")
    assert "given/00000.png (indexed): object 1" in result.stderr
    np.testing.assert_array_equal(_masks("shots")["00004"], mask_of(4))
    _refuse(_run(shots, "--mask", "3:given"), 2, "3:given", "is a folder")
    (Path("given") / "frame_4.png").rename(Path("given") / "99.png")
    (Path("given") / "00000.png").rename(Path("given") / "other.png")
    _refuse(_run(shots, "--mask", "given"), 3, "No frame of", "99")
    Path("empty").mkdir()
    _refuse(_run(shots, "--mask", "empty"), 3, "No masks in empty")


def test_clip__a_mask_from_annotations_and_its_names(shots: Path) -> None:
    points = [[8, 12], [30, 12], [30, 34], [8, 34]]
    shape = {"label": "car", "group_id": None, "shape_type": "polygon", "points": points}
    content = {"shapes": [shape], "imageHeight": 64, "imageWidth": 96, "imagePath": "a.jpg"}
    Path("m.json").write_text(json.dumps(content))
    result = _propagate(shots, "--mask", "m.json")
    assert "m.json (annotations): object 1 car" in result.stderr
    assert json.loads(Path("out/run.json").read_text())["legend"] == {"1": "car"}
    np.testing.assert_array_equal(_masks("shots")["00000"], mask_of(0, 1))
    Path("m.json").write_text(json.dumps(content | {"imageHeight": 48, "imageWidth": 96}))
    _refuse(_run(shots, "--mask", "m.json"), 3, "96×48", "96×64")


def test_clip__a_mask_painted_on_the_frame() -> None:
    noise = np.random.default_rng(1).integers(-12, 13, (FRAMES, 64, 96, 3))
    frames = [np.clip(make_frame(n)[0] + noise[n], 0, 255).astype(np.uint8) for n in range(FRAMES)]
    write_images(Path("noisy"), frames)
    painted = frames[3].copy()
    painted[20:50, 40:60] = (255, 0, 255)
    cv2.imwrite("painted.png", painted[..., ::-1])
    result = _propagate("noisy", "--mask", "3:painted.png")
    assert "It is the frame with paint on it" in result.stderr
    found = _masks("noisy")["00003"]
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
    _refuse(_run(shots, "--mask", typed), 2, f"--mask {typed!r}", said)


def test_clip__a_truncated_video(first: Path) -> None:
    video = write_video(Path("clip.avi"), make_frames(30), "MJPG")
    content = video.read_bytes()
    video.write_bytes(content[: len(content) // 2])
    _refuse(_run(video, "--mask", first, "--strict-video"), 3, "announces 30 frames", "--strict-video")
    result = _run(video, "--mask", first, "--end", "5", "--output", "out")
    assert result.exit_code == 0, result.output
    assert len(_masks("clip")) == 5


def test_clip__no_video_at_all(first: Path) -> None:
    Path("empty.mp4").touch()
    _refuse(_run("empty.mp4", "--mask", first), 3, "empty.mp4")
    Path("text.mp4").write_text("not a film\n" * 50)
    _refuse(_run("text.mp4", "--mask", first), 3, "text.mp4")
    with wave.open("sound.wav", "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    _refuse(_run("sound.wav", "--mask", first), 3, "sound")


def test_clip__a_folder_with_something_else_in_it(shots: Path, first: Path) -> None:
    (shots / "notes.txt").write_text("the car is red")
    _refuse(_run(shots, "--mask", first), 3, "notes.txt", "*.")


def test_clip__a_frame_that_cannot_be_read(shots: Path, first: Path) -> None:
    content = (shots / "00005.png").read_bytes()
    (shots / "00005.png").write_bytes(content[: len(content) // 2])
    _refuse(_run(shots, "--mask", first, "--output", "out", "--overlay"), 3, "00005.png")
    assert not list(Path("out").rglob("*.part"))
    assert not Path("out/overlay/shots.mp4").exists()
    cv2.imwrite(str(shots / "00005.png"), make_frames()[5][..., ::-1])
    _propagate(shots, "--mask", first, "--overlay", "--overwrite")
    assert len(_masks("shots")) == FRAMES


def test_clip__results_never_lie_over_what_is_read(first: Path) -> None:
    write_images(Path("work/take"), make_frames(3))
    before = [path.read_bytes() for path in sorted(Path("work/take").iterdir())]
    _refuse(_run("work/take", "--mask", first, "-o", "work", "--overwrite"), 2, "would lie over")
    assert [path.read_bytes() for path in sorted(Path("work/take").iterdir())] == before
    Path("ok/overlay").mkdir(parents=True)
    film = write_video(Path("ok/overlay/v.mp4"), make_frames(4))
    _refuse(_run(film, "--mask", first, "-o", "ok", "--overwrite"), 2, "would lie over")
    assert len(read_video(film)) == 4


def test_clip__a_result_as_mask_must_be_copied_first(shots: Path, first: Path) -> None:
    _propagate(shots, "--mask", first)
    edited = Path("out/shots/00003.png").read_bytes()
    again = ("--output", "out", "--overwrite")
    _refuse(_run(shots, "--mask", first, "--mask", "3:out/shots/00003.png", *again), 2, "Copy it")
    assert Path("out/shots/00003.png").read_bytes() == edited
    shutil.copy("out/shots/00003.png", "fix.png")
    _propagate(shots, "--mask", first, "--mask", "3:fix.png", "--overwrite")


def test_clip__a_start_beyond_the_end_destroys_nothing(first: Path) -> None:
    video = write_video(Path("clip.mp4"), make_frames(4))
    _propagate(video, "--mask", first)
    before = Path("out/run.json").read_bytes()
    result = _run(video, "--mask", first, "--start", "99", "--output", "out", "--overwrite")
    _refuse(result, 3, "--start")
    assert Path("out/run.json").read_bytes() == before
    assert len(_masks("clip")) == 4


def test_clip__a_time_means_the_frame_shown_then(shots: Path, first: Path) -> None:
    early = ("--mask", f"1s:{first}", "--fps", "2")
    _refuse(_run(shots, *early, "--start", "2s"), 3, "not propagated", "The nearest is frame 4")
    _refuse(_run(shots, *early, "--every", "4"), 3, "not propagated")
    _propagate(shots, *early)
    assert next(iter(_masks("shots"))) == "00002"


def test_clip__another_rate_is_another_run(shots: Path, first: Path) -> None:
    _propagate(shots, "--mask", first, "--fps", "2")
    _refuse(_run(shots, "--mask", first, "--fps", "4", "--output", "out"), 2, "frames_per_second")


def test_clip__masks_in_any_order_are_the_same_run(shots: Path) -> None:
    for number, identity, colour in ((0, 1, RED), (3, 2, GREEN)):
        picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        picture[mask_of(number) == identity] = colour
        Image.fromarray(picture).save(f"{number}.png")
    _propagate(shots, "--mask", "0.png", "--mask", "3:3.png")
    before = _record()["legend"]
    result = _propagate(shots, "--mask", "3:3.png", "--mask", "0:0.png")
    assert "complete already" in result.stderr
    assert _record()["legend"] == before == {"1": list(RED), "2": list(GREEN)}


def test_clip__overwriting_leaves_nothing_of_the_old_run(shots: Path, first: Path) -> None:
    _propagate(shots, "--mask", first)
    Path("out/run.json").unlink()
    _propagate(shots, "--mask", first, "--end", "3", "--overwrite")
    assert list(_masks("shots")) == ["00000", "00001", "00002"]
    assert "complete already" in _propagate(shots, "--mask", first, "--end", "3").stderr


def test_clip__numbers_count_from_0_whatever_the_images_are_called() -> None:
    write_images(Path("numbered"), make_frames(), "{}.png")
    for path in sorted(Path("numbered").iterdir(), key=lambda path: -int(path.stem)):
        path.rename(path.with_stem(str(int(path.stem) + 1)))
    _propagate("numbered", "--mask", f"2:{write_mask_of(Path('m.png'), 2)}", "--start", "2")
    np.testing.assert_array_equal(_masks("numbered")["3"], mask_of(2))


def test_clip__a_step_finer_than_the_frames_keeps_their_rate(shots: Path, first: Path) -> None:
    result = _propagate(shots, "--mask", first, "--every", "0.005s")
    assert "24 a second" in result.stderr


def test_clip__mixed_kinds_of_masks_are_told_apart(shots: Path) -> None:
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[mask_of(0) == 1] = RED
    Image.fromarray(picture).save("painted.png")
    indexed = write_mask_of(Path("indexed.png"), 3, 1)
    result = _propagate(shots, "--mask", "painted.png", "--mask", f"3:{indexed}")
    assert "share no object" in result.stderr


def test_clip__a_name_that_results_have(first: Path) -> None:
    write_images(Path("in/overlay"), make_frames(3))
    _refuse(_run("in/overlay", "--mask", first), 2, "named overlay", "Rename")


def test_clip__not_in_several_processes(shots: Path, first: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("WORLD_SIZE", "2"), ("RANK", "1"), ("LOCAL_RANK", "1"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    _refuse(_run(shots, "--mask", first), 2, "one process")
