"""What a run writes beside its masks: every file whole and right, in the frames' order, or an error."""

import csv
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sfc_cli.data import film
from sfc_cli.data.masks import read_ids
from sfc_cli.data.overlay import blend
from sfc_cli.data.results import ResultsFolder
from sfc_cli.data.soft_labels import Resolved, read_soft_labels
from sfc_cli.data.videos import FrameStamp
from sfc_cli.errors import InputError, UsageError
from sfc_cli.inference.anchors import MaskAnchors
from sfc_cli.inference.concurrency import WriteBehind
from sfc_cli.inference.outputs import SequenceWriter, open_outputs, require_gif_length, with_stored_mask
from sfc_cli.inference.propagator import Labelled
from sfc_cli.settings.propagation import OutputChoice

OBJECTS = np.array([1, 3, 9], np.uint8)
HEIGHT, WIDTH = 47, 63
FILM = OutputChoice(overlay="video")
ALL = OutputChoice(overlay="video", cutout=True, soft=True, objects=True)
DEPTH, THREADS = 6, 4


@pytest.fixture
def writing() -> Iterator[WriteBehind]:
    writing = WriteBehind(THREADS, DEPTH)
    yield writing
    writing.close()


def _frame(number: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH, 3), (37 * number % 256, 128, 60), np.uint8)


def _resolved(number: int) -> Resolved:
    noise = np.random.default_rng(number)
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:20, 5 + number % 20 : 30], mask[30:44, 10:50], mask[22:26, 3:9] = 1, 3, 255
    return Resolved(
        mask, noise.random(mask.shape, dtype=np.float32), noise.random((4, 6, 8), dtype=np.float32)
    )


def _labelled(number: int, wait: float = 0.0) -> Labelled:
    def resolve() -> Resolved:
        time.sleep(wait)
        return _resolved(number)

    return Labelled(number, _frame(number), resolve)


def _anchors() -> MaskAnchors:
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[0, : len(OBJECTS)] = OBJECTS
    return MaskAnchors({0: mask})


def _open(
    output: Path, writing: WriteBehind, choice: OutputChoice, name: str = "a", *, has_masks: bool = False
) -> SequenceWriter:
    outputs = open_outputs(ResultsFolder(output), name, _anchors(), choice, has_masks=has_masks)
    return SequenceWriter(outputs, writing)


def _stamp(number: int) -> FrameStamp:
    return FrameStamp(number=3 * number, name=f"{number:05d}", seconds=number / 8)


def _add(writer: SequenceWriter, frames: int) -> None:
    for number in range(frames):
        # Early frames take longest: left to themselves they would come last.
        writer.add(_stamp(number), _labelled(number, 0.003 * (5 - number % 6)))


def _write(
    output: Path, writing: WriteBehind, choice: OutputChoice, frames: int = 8, name: str = "a"
) -> None:
    writer = _open(output, writing, choice, name)
    try:
        _add(writer, frames)
        writer.finish()
    except BaseException:
        writer.abandon()
        raise


def _decoded(path: Path) -> list[np.ndarray]:
    stored = cv2.VideoCapture(str(path))
    frames = []
    while (read := stored.read())[0]:
        frames.append(read[1][..., ::-1])
    return frames


def _files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_sequence_writer__masks_alone(tmp_path: Path, writing: WriteBehind) -> None:
    _write(tmp_path, writing, OutputChoice(), name="x/ü y")
    assert _files(tmp_path) == [f"x/ü y/{number:05d}.png" for number in range(8)]
    for number in range(8):
        np.testing.assert_array_equal(read_ids(tmp_path / f"x/ü y/{number:05d}.png"), _resolved(number).mask)


def test_sequence_writer__film_in_order_and_colour(tmp_path: Path, writing: WriteBehind) -> None:
    _write(tmp_path, writing, FILM, frames=40, name="é.v2")
    frames = _decoded(tmp_path / "overlay" / "é.v2.mp4")
    assert len(frames) == 40
    for number, frame in enumerate(frames):
        assert frame.shape == (48, 64, 3)
        expected = blend(_frame(number), _resolved(number).mask).astype(float)
        # Neighbours differ by 37 in red.
        assert abs(int(frame[0, 0, 0]) - 37 * number % 256) < 15
        # Away from outlines, whose colour the codec spreads.
        for place in ((0, 0), (12, 27), (40, 60), (37, 30)):
            assert np.abs(frame[place] - expected[place]).max() <= 20, (number, place)


def test_sequence_writer__jpegs(tmp_path: Path, writing: WriteBehind) -> None:
    _write(tmp_path, writing, OutputChoice(overlay="frames"))
    pictures = sorted((tmp_path / "overlay" / "a").iterdir())
    assert [path.name for path in pictures] == [f"{number:05d}.jpg" for number in range(8)]
    stored = cv2.imread(str(pictures[3]))[..., ::-1].astype(float)
    assert np.abs(stored - blend(_frame(3), _resolved(3).mask)).mean() < 8


def test_sequence_writer__gif(tmp_path: Path, writing: WriteBehind) -> None:
    _write(tmp_path, writing, OutputChoice(overlay="gif"), frames=24)
    with Image.open(tmp_path / "overlay" / "a.gif") as image:
        assert image.n_frames == 24
        played = 0
        for number in range(24):
            image.seek(number)
            played += image.info["duration"]
            expected = blend(_frame(number), _resolved(number).mask)
            np.testing.assert_array_equal(np.asarray(image.convert("RGB")), expected)
    # The stamps' own times, eight frames a second, and the usual duration of the last.
    assert played == 2880 + 40


def test_sequence_writer__gif_too_long(tmp_path: Path, writing: WriteBehind) -> None:
    gif = OutputChoice(overlay="gif")
    require_gif_length("a", 300)
    with pytest.raises(UsageError, match="A GIF of a would have 301 frames or more") as refused:
        require_gif_length("a", 301)
    assert "`overlay` video" in refused.value.hint
    assert not list(tmp_path.iterdir())
    writer = _open(tmp_path, writing, gif, has_masks=True)
    with pytest.raises(UsageError, match="301 frames or more"):
        _add(writer, 400)
    writer.abandon()
    assert _files(tmp_path) == []


def test_sequence_writer__cut_outs_soft_labels_and_table(tmp_path: Path, writing: WriteBehind) -> None:
    _write(tmp_path, writing, OutputChoice(cutout=True, soft=True, objects=True))
    with (tmp_path / "objects.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["frame"], row["object"]) for row in rows] == [
        (f"{number:05d}", str(identity)) for number in range(8) for identity in OBJECTS
    ]
    for number in range(8):
        resolved = _resolved(number)
        with Image.open(tmp_path / "cutout" / "a" / f"{number:05d}.png") as image:
            alpha = np.asarray(image)[..., 3]
        np.testing.assert_array_equal(alpha == 255, np.isin(resolved.mask, OBJECTS))
        labels, objects, size = read_soft_labels(tmp_path / "soft" / "a" / f"{number:05d}.npz")
        np.testing.assert_allclose(labels, resolved.labels, rtol=2**-11, atol=1e-7)
        np.testing.assert_array_equal(objects, OBJECTS)
        assert size == (HEIGHT, WIDTH)
        first, second, absent = rows[3 * number : 3 * number + 3]
        assert (first["sequence"], first["number"], first["seconds"]) == (
            *("a", str(3 * number)),
            f"{number / 8:.3f}",
        )
        assert int(first["area"]) == (resolved.mask == 1).sum()
        assert (second["left"], second["top"], second["width"], second["height"]) == ("10", "30", "40", "14")
        assert float(second["confidence"]) == pytest.approx(
            resolved.confidence[resolved.mask == 3].mean(), abs=6e-5
        )
        assert (absent["area"], absent["left"], absent["confidence"]) == ("0", "", "")


def test_sequence_writer__everything_at_once_with_one_thread(tmp_path: Path) -> None:
    writing = WriteBehind(1, 1)
    _write(tmp_path, writing, ALL)
    writing.close()
    assert len(_decoded(tmp_path / "overlay" / "a.mp4")) == 8
    assert len(_files(tmp_path)) == 3 * 8 + 2


def test_sequence_writer__a_frame_is_resolved_once_and_few_wait(tmp_path: Path, writing: WriteBehind) -> None:
    lock = threading.Lock()
    waiting = most = 0
    resolutions = [0] * 60

    def labelled(number: int) -> Labelled:
        nonlocal waiting, most

        def resolve() -> Resolved:
            nonlocal waiting
            time.sleep(0.002)
            with lock:
                waiting -= 1
                resolutions[number] += 1
            return _resolved(number)

        with lock:
            waiting += 1
            most = max(most, waiting)
        return Labelled(number, _frame(number), resolve)

    writer = _open(tmp_path, writing, ALL)
    for number in range(60):
        writer.add(_stamp(number), labelled(number))
    writer.finish()
    assert resolutions == [1] * 60
    # Those pending, and the one that the caller holds.
    assert most <= DEPTH + 1


def test_sequence_writer__a_slow_film_holds_the_frames_back(
    tmp_path: Path, writing: WriteBehind, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = written = most = 0
    real_blend, real_add = blend, film.FilmWriter.add

    def counted(*arguments: np.ndarray) -> np.ndarray:
        nonlocal made, most
        made += 1
        most = max(most, made - written)
        return real_blend(*arguments)

    def slow(self: film.FilmWriter, picture: np.ndarray, seconds: float) -> None:
        nonlocal written
        time.sleep(0.01)
        real_add(self, picture, seconds)
        written += 1

    monkeypatch.setattr("sfc_cli.inference.outputs.blend", counted)
    monkeypatch.setattr(film.FilmWriter, "add", slow)
    _write(tmp_path, writing, FILM, frames=50)
    assert written == 50
    assert most <= DEPTH + 1


@pytest.mark.parametrize("choice", [ALL, OutputChoice(overlay="gif", objects=True)])
@pytest.mark.parametrize("error", [InputError("broken"), ValueError("broken")])
def test_sequence_writer__an_error_in_the_middle(
    tmp_path: Path, writing: WriteBehind, choice: OutputChoice, error: Exception
) -> None:
    def fail() -> Resolved:
        raise error

    writer = _open(tmp_path, writing, choice)

    def add_all() -> None:
        for number in range(20):
            writer.add(
                _stamp(number), Labelled(number, _frame(5), fail) if number == 5 else _labelled(number)
            )
        writer.finish()

    with pytest.raises(type(error), match="broken"):
        add_all()
    writer.abandon()
    assert not [
        name for name in _files(tmp_path) if ".part" in name or name.startswith(("overlay", "objects"))
    ]
    # The threads are free for the next sequence.
    _write(tmp_path, writing, choice, name="b")
    assert ResultsFolder(tmp_path).lacking("b", ["00000", "00007"], choice).is_empty


def test_sequence_writer__an_error_of_the_film(
    tmp_path: Path, writing: WriteBehind, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_add = film.FilmWriter.add
    added = 0

    def add(self: film.FilmWriter, picture: np.ndarray, seconds: float) -> None:
        nonlocal added
        added += 1
        if added == 4:
            raise InputError("the film tore")
        real_add(self, picture, seconds)

    monkeypatch.setattr(film.FilmWriter, "add", add)
    with pytest.raises(InputError, match="the film tore"):
        _write(tmp_path, writing, FILM)
    assert added == 4
    assert not list((tmp_path / "overlay").iterdir())


def test_sequence_writer__abandoned_without_waiting_for_what_is_pending(
    tmp_path: Path, writing: WriteBehind
) -> None:
    writer = _open(tmp_path, writing, ALL)
    go_on = threading.Event()
    resolved = []

    def slow(number: int) -> Callable[[], Resolved]:
        def resolve() -> Resolved:
            go_on.wait(10)
            resolved.append(number)
            return _resolved(number)

        return resolve

    for number in range(DEPTH):
        writer.add(_stamp(number), Labelled(number, _frame(number), slow(number)))
    writer._is_abandoned = True
    go_on.set()
    writer.abandon()
    assert len(resolved) == THREADS
    assert not [name for name in _files(tmp_path) if ".part" in name or name.startswith("overlay")]


@pytest.mark.parametrize("blocked", ["overlay", "objects.csv", "cutout", "soft", "a"])
def test_sequence_writer__unwritable(tmp_path: Path, writing: WriteBehind, blocked: str) -> None:
    if blocked == "objects.csv":
        (tmp_path / blocked).mkdir()
    else:
        (tmp_path / blocked).touch()
    before = _files(tmp_path)
    with pytest.raises(InputError, match=blocked) as caught:
        _write(tmp_path, writing, ALL)
    assert caught.value.hint
    names = set(_files(tmp_path)) - set(before)
    assert not [name for name in names if ".part" in name or name.startswith(("overlay", "objects"))]


def test_sequence_writer__parts_of_a_killed_run_go_and_those_of_others_stay(
    tmp_path: Path, writing: WriteBehind
) -> None:
    for name in ("overlay/.a.mp4.7.part.mp4", "overlay/.ab.mp4.8.part.mp4", ".objects.csv.7.part.rows"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "soft" / "a").mkdir(parents=True)
    (tmp_path / "soft" / "a" / ".0.npz.7.part").touch()
    _write(tmp_path, writing, ALL)
    assert [name for name in _files(tmp_path) if ".part" in name] == ["overlay/.ab.mp4.8.part.mp4"]


def test_lacking__each_kind(tmp_path: Path, writing: WriteBehind) -> None:
    stems = [f"{number:05d}" for number in range(8)]
    everything = [ALL, OutputChoice(overlay="gif"), OutputChoice(overlay="frames")]
    for choice in everything:
        assert ResultsFolder(tmp_path).lacking("a", stems, choice) == choice
        _write(tmp_path, writing, choice)
        assert ResultsFolder(tmp_path).lacking("a", stems, choice).is_empty
        assert ResultsFolder(tmp_path).lacking("b", stems, choice) == choice
    (tmp_path / "cutout" / "a" / "00003.png").unlink()
    assert ResultsFolder(tmp_path).lacking("a", stems, ALL) == OutputChoice(cutout=True)
    assert ResultsFolder(tmp_path).lacking("a", [*stems, "00008"], ALL) == OutputChoice(
        cutout=True, soft=True, objects=True
    )


def test_remove__of_one_sequence(tmp_path: Path, writing: WriteBehind) -> None:
    for name in ("a", "b"):
        for choice in (ALL, OutputChoice(overlay="gif"), OutputChoice(overlay="frames")):
            _write(tmp_path, writing, choice, name=name)
    (tmp_path / "a" / "notes.txt").touch()
    before = _files(tmp_path)
    ResultsFolder(tmp_path).remove_extras("a")
    assert [name for name in _files(tmp_path) if "a" in Path(name).parts or "/a." in name] == [
        *(f"a/{number:05d}.png" for number in range(8)),
        "a/notes.txt",
    ]
    ResultsFolder(tmp_path).remove("a")
    ResultsFolder(tmp_path).remove("never")
    left = [name for name in before if "a" not in Path(name).parts and "/a." not in name]
    assert _files(tmp_path) == sorted([*left, "a/notes.txt"])
    with (tmp_path / "objects.csv").open() as stream:
        assert {row["sequence"] for row in csv.DictReader(stream)} == {"b"}


def test_with_stored_mask__extras_of_a_complete_sequence(tmp_path: Path, writing: WriteBehind) -> None:
    _write(tmp_path, writing, OutputChoice())
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()}
    choice = OutputChoice(overlay="video", cutout=True)
    writer = _open(tmp_path, writing, choice, has_masks=True)
    for number in range(8):
        stem = f"{number:05d}"
        writer.add(_stamp(number), with_stored_mask(number, _frame(number), tmp_path / "a" / f"{stem}.png"))
    writer.finish()
    assert len(_decoded(tmp_path / "overlay" / "a.mp4")) == 8
    assert len(list((tmp_path / "cutout" / "a").iterdir())) == 8
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "a").iterdir()} == before
