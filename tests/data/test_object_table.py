"""The table of objects against plain NumPy, and the rows of several sequences side by side."""

import csv
from pathlib import Path

import numpy as np
import pytest

from sfc_cli.data.object_table import (
    COLUMNS,
    ObjectTable,
    Row,
    frames_in_table,
    frames_waiting,
    measure_objects,
    remove_from_table,
)
from sfc_cli.data.videos import FrameStamp
from sfc_cli.errors import InputError


def _plain(mask: np.ndarray, confidence: np.ndarray, identity: int) -> Row:
    ys, xs = np.nonzero(mask == identity)
    if not len(ys):
        return (str(identity), "0", "", "", "", "", "", "", "")
    box = (xs.min(), ys.min(), xs.max() - xs.min() + 1, ys.max() - ys.min() + 1)
    mean = confidence[ys, xs].astype(float).mean()
    return (
        *(str(identity), str(len(ys)), *map(str, box)),
        *(f"{xs.mean():.2f}", f"{ys.mean():.2f}", f"{mean:.4f}"),
    )


@pytest.mark.parametrize("seed", range(6))
def test_measure_objects__as_plain_numpy(seed: int) -> None:
    noise = np.random.default_rng(seed)
    height, width = noise.integers(1, 90, 2)
    mask = noise.choice(np.array([0, 0, 0, 1, 7, 254, 255], np.uint8), (height, width))
    mask[:, : width // 3] = 0
    mask[: height // 4] = 0
    confidence = noise.random((height, width), dtype=np.float32)
    objects = np.array([1, 2, 7, 254], np.uint8)
    measured = measure_objects(mask, confidence, objects)
    expected = [_plain(mask, confidence, int(identity)) for identity in objects]
    for row, plain in zip(measured, expected, strict=True):
        assert row[:6] == plain[:6]
        # Sums in another order may round the other way.
        for number, right in zip(row[6:], plain[6:], strict=True):
            assert number == right or float(number) == pytest.approx(float(right), abs=0.011)


def test_measure_objects__nothing_there() -> None:
    rows = measure_objects(np.zeros((4, 5), np.uint8), np.ones((4, 5), np.float32), np.array([9], np.uint8))
    assert rows == [("9", "0", "", "", "", "", "", "", "")]


def test_measure_objects__a_box_counts_from_its_first_pixel() -> None:
    mask = np.zeros((10, 12), np.uint8)
    mask[3:5, 2:9] = 4
    mask[9, 11] = 255
    (row,) = measure_objects(mask, np.full((10, 12), 0.25, np.float32), np.array([4], np.uint8))
    assert row == ("4", "14", "2", "3", "7", "2", "5.00", "3.50", "0.2500")


ROW = ("1", "14", "2", "3", "7", "2", "5.00", "3.50", "0.2500")


def _add(path: Path, sequence: str, *frames: str) -> None:
    table = ObjectTable(path, sequence)
    for number, frame in enumerate(frames):
        table.add(FrameStamp(number=number, name=frame, seconds=number / 24), [ROW])
    table.finish()


def _read(path: Path) -> list[list[str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.reader(stream))


def test_object_table__sequences_side_by_side_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "out" / "objects.csv"
    _add(path, 'a, "b"', "0", "1")
    assert path.read_text("utf-8").startswith("sequence,frame,number,seconds,object,area,left,top,width,")
    _add(path, "ü", "0")
    _add(path, 'a, "b"', "0", "1", "2")
    header, *rows = _read(path)
    assert header == list(COLUMNS)
    assert [row[:4] for row in rows] == [
        ["ü", "0", "0", "0.000"],
        ['a, "b"', "0", "0", "0.000"],
        ['a, "b"', "1", "1", "0.042"],
        ['a, "b"', "2", "2", "0.083"],
    ]
    assert all(tuple(row[4:]) == ROW for row in rows)
    assert [entry.name for entry in path.parent.iterdir()] == ["objects.csv"]
    assert frames_in_table(path, 'a, "b"') == {"0", "1", "2"}
    assert frames_in_table(path, "c") == set()


def test_remove_from_table__the_last_sequence_takes_the_table_along(tmp_path: Path) -> None:
    path = tmp_path / "objects.csv"
    remove_from_table(path, "a")
    _add(path, "a", "0")
    _add(path, "b", "0")
    remove_from_table(path, "absent")
    remove_from_table(path, "a")
    assert [row[0] for row in _read(path)] == ["sequence", "b"]
    remove_from_table(path, "b")
    assert not list(tmp_path.iterdir())


def test_object_table__abandoned(tmp_path: Path) -> None:
    _add(tmp_path / "objects.csv", "a", "0")
    before = (tmp_path / "objects.csv").read_bytes()
    table = ObjectTable(tmp_path / "objects.csv", "b")
    table.add(FrameStamp(number=0, name="0", seconds=0), [ROW])
    table.abandon()
    assert (tmp_path / "objects.csv").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"\xff\xfe\x00", b""])
def test_object_table__another_table_is_left_alone(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "objects.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"objects\.csv"):
        ObjectTable(tmp_path / "objects.csv", "a")
    assert (tmp_path / "objects.csv").read_bytes() == content


def test_object_table__unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"Cannot write .*objects\.csv"):
        ObjectTable(tmp_path / "file" / "objects.csv", "a")


def test_object_table__rows_that_wait_are_continued(tmp_path: Path) -> None:
    path, waiting = tmp_path / "objects.csv", tmp_path / "state" / "rows.csv"
    # A name may hold whatever a file's name may.
    stamps = [FrameStamp(number=t, name=f'{t:05d},"\n', seconds=t / 24) for t in range(5)]
    whole = ObjectTable(tmp_path / "whole.csv", "a")
    for stamp in stamps:
        whole.add(stamp, [ROW, ROW])
    whole.finish()
    table = ObjectTable(path, "a", rows=waiting)
    for stamp in stamps[:4]:
        table.add(stamp, [ROW, ROW])
    table.abandon()
    assert not path.exists()
    assert frames_waiting(waiting) == [stamp.name for stamp in stamps[:4]]
    # Killed while it wrote: the last row is cut short.
    waiting.write_bytes(waiting.read_bytes() + b"a,00004,4")
    table = ObjectTable(path, "a", rows=waiting, kept_frames=3)
    for stamp in stamps[3:]:
        table.add(stamp, [ROW, ROW])
    table.finish()
    assert path.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not waiting.exists()
